import { useState } from 'preact/hooks';
import type { QosAlert } from '../../../schemas/records.ts';
import { ago, clock, duration, orDash, percent, words } from './format.ts';
import { html } from './html.ts';
import { useLive } from './live.ts';

type Alerts = { readonly alerts: readonly QosAlert[] };

const FILTERS = ['all', 'firing', 'pending', 'stale', 'resolved'] as const;

export function AlertsPage() {
  const { data, error } = useLive<Alerts>('/api/alerts', 'alerts');
  const [filter, setFilter] = useState<string>('all');
  if (data === null) return html`<p class="hint">${error || 'Asking for the alerts.'}</p>`;
  const count = (status: string): number =>
    status === 'all' ? data.alerts.length : data.alerts.filter((one) => one.status === status).length;
  const shown = data.alerts.filter((one) => filter === 'all' || one.status === filter);
  return html`<section>
    <nav class="filters" aria-label="by status">${FILTERS.map((one) => html`<button type="button" class=${one === filter ? 'on' : ''} onClick=${() => setFilter(one)}>${one} <b>${count(one)}</b></button>`)}</nav>
    ${shown.length === 0 ? html`<p class="hint">${filter === 'all' ? 'No alert in the last half hour.' : `No alert is ${filter}.`}</p>` : null}
    <div class="alerts">${shown.map((alert) => html`<${Alert} key=${alert.alertId} alert=${alert} />`)}</div>
  </section>`;
}

function Alert({ alert }: { readonly alert: QosAlert }) {
  const labels = [
    ['programme', alert.programmeId],
    ['rendition', alert.renditionId],
    ['vantage', alert.vantage],
    ['CDN', alert.cdn],
    ['AS', alert.asn],
    ['country', alert.country],
    ['device', alert.device],
    ['player', alert.playerVersion],
  ].filter(([, value]) => value !== '');
  const now = alert.endsAtMs ?? Date.now();
  return html`<details class=${`alert ${alert.status} ${alert.severity}`}>
    <summary>
      <span class="status">${alert.status}</span>
      <span class="what"><b>${alert.summary || alert.alertName}</b><small>${alert.scope} · ${alert.severity} · ${alert.endsAtMs === null ? `since ${ago(alert.startsAtMs, Date.now())}` : `lasted ${duration(now - alert.startsAtMs)}`}</small></span>
      <span class="affected">${orDash(alert.affectedSessions, (n) => `${n} viewers`)}${alert.affectedSharePermille === null ? '' : html`<small>${percent(alert.affectedSharePermille)}</small>`}</span>
      <span class=${`verdict ${alert.verdict}`} title="where the fault is">${alert.verdict === 'undetermined' ? 'cause open' : `at ${alert.verdict}`}</span>
    </summary>
    <p>${alert.description}</p>
    <dl>
      ${labels.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
      <dt>seen</dt><dd>${clock(alert.startsAtMs)}</dd>
      <dt>fired</dt><dd>${orDash(alert.firedAtMs, clock)}</dd>
      <dt>ended</dt><dd>${orDash(alert.endsAtMs, clock)}</dd>
      <dt>last change</dt><dd>${words(alert.reason)}, version ${alert.version}</dd>
      <dt>defects</dt><dd>${alert.defectIds.length === 0 ? '–' : `${alert.occurrences}: ${alert.defectIds.join(', ')}`}</dd>
      <dt>alert</dt><dd><code>${alert.alertId}</code></dd>
      ${alert.runbookUrl.startsWith('http') ? html`<dt>runbook</dt><dd><a href=${alert.runbookUrl} rel="noreferrer">${alert.runbookUrl}</a></dd>` : null}
    </dl>
  </details>`;
}
