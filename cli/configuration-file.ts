/** A configuration as a person writes it (JSON or YAML), checked, in the form that goes into the log. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { messageOf } from '../schemas/errors.ts';
import type { ConfigEntry } from '../schemas/records.ts';
import { checkConfiguration } from '../topologies/configuration.ts';
import { ExpectedError } from './failure.ts';

export type Configuration = {
  /** SHA-256 of `body`, lower-case hex. */
  readonly configHash: string;
  readonly config: unknown;
  /** JSON with keys in order: the same content has the same hash, however it was written. */
  readonly body: string;
};

/** Throws an error that names every fault at once. */
export function readConfiguration(file: string): Configuration {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ExpectedError(
      `the configuration ${file} cannot be read: ${messageOf(cause)}`,
      'Name a file that is there',
    );
  }
  let config: unknown;
  try {
    // JSON is YAML as well
    config = parseYaml(text);
  } catch (cause) {
    throw new ExpectedError(
      `${file} is neither YAML nor JSON: ${messageOf(cause)}`,
      'Mend the place it names',
    );
  }
  if (config === null || config === undefined)
    throw new ExpectedError(`${file} is empty`, 'Write {} into it to go back to the defaults');
  const faults = checkConfiguration(config);
  if (faults.length > 0)
    throw new ExpectedError(`${file}: ${faults.join('; ')}`, 'All settings are in docs/configuration.md');
  return configurationOf(config);
}

export function configurationOf(config: unknown): Configuration {
  const body = JSON.stringify(sorted(config));
  return { configHash: createHash('sha256').update(body).digest('hex'), config: JSON.parse(body), body };
}

/** The record for `everyview-config`. */
export function configEntry(
  { configHash, body }: Configuration,
  about: { readonly author: string; readonly comment: string; readonly createdAtMs: number },
): ConfigEntry {
  return {
    name: `configuration/${configHash}`,
    kind: 'configuration',
    contentHash: configHash,
    body,
    bodyVersion: 1,
    ...about,
  };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, one]) => [name, sorted(one)]));
}
