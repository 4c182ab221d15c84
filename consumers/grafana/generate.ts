/**
 * Writes `dashboards/*.json`, which Grafana is provisioned with: node consumers/grafana/generate.ts
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { sessionsDashboard } from './sessions.ts';
import { streamsDashboard } from './streams.ts';

export const DASHBOARDS_FOLDER = path.join(import.meta.dirname, 'dashboards');

/** Every dashboard, by the name of its file. */
export function dashboards(): ReadonlyMap<string, Dashboard> {
  return new Map([
    ['streams.json', streamsDashboard()],
    ['sessions.json', sessionsDashboard()],
  ]);
}

export function jsonOf(dashboard: Dashboard): string {
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

if (import.meta.main)
  for (const [name, dashboard] of dashboards())
    writeFileSync(path.join(DASHBOARDS_FOLDER, name), jsonOf(dashboard));
