import { useState } from 'preact/hooks';
import type { AudiencePoint } from '../audience-fold.ts';
import type { SessionRow } from '../session-fold.ts';
import { bitrate, clock, duration, orDash, scoreClass, words } from './format.ts';
import { html } from './html.ts';
import { useLive } from './live.ts';
import { Plot } from './plot.ts';

type Sessions = {
  readonly rows: readonly SessionRow[];
  readonly matching: number;
  readonly known: number;
};

export function SessionsPage() {
  const [text, setText] = useState('');
  const [sort, setSort] = useState('worst');
  const query = new URLSearchParams({ q: text, sort });
  const { data, error } = useLive<Sessions>(`/api/sessions?${query}`, 'sessions');
  const audience = useLive<{ points: readonly AudiencePoint[] }>('/api/audience', 'sessions');
  return html`<section>
    <${Audience} points=${audience.data?.points ?? []} />
    <form class="filters" role="search" onSubmit=${(event: Event) => event.preventDefault()}>
      <input type="search" placeholder="session, programme, CDN, AS, country, device, player" aria-label="filter sessions" value=${text} onInput=${(event: InputEvent) => setText((event.target as HTMLInputElement).value)} />
      ${['worst', 'latest'].map((one) => html`<button type="button" class=${one === sort ? 'on' : ''} onClick=${() => setSort(one)}>${one} first</button>`)}
      <span class="dim">${data === null ? '' : `${data.matching} of ${data.known} sessions of the last half hour`}</span>
    </form>
    ${data === null ? html`<p class="hint">${error || 'Asking for the sessions.'}</p>` : html`<${Rows} rows=${data.rows} />`}
  </section>`;
}

function Audience({ points }: { readonly points: readonly AudiencePoint[] }) {
  if (points.length < 2) return null;
  return html`<div class="pair">
    <figure><figcaption>viewers</figcaption><${Plot} timesMs=${points.map(({ atMs }) => atMs)} height=${150} lines=${[{ label: 'viewers', values: points.map(({ concurrent }) => concurrent), colour: '--accent', unit: '' }]} /></figure>
    <figure><figcaption>mean score</figcaption><${Plot} timesMs=${points.map(({ atMs }) => atMs)} height=${150} min=${0} max=${100} lines=${[{ label: 'mean score', values: points.map(({ scoreMean }) => scoreMean), colour: '--good', unit: 'points' }]} /></figure>
  </div>`;
}

function Rows({ rows }: { readonly rows: readonly SessionRow[] }) {
  if (rows.length === 0) return html`<p class="hint">No session matches.</p>`;
  return html`<div class="scroll"><table class="sessions">
    <thead><tr><th>score</th><th>session</th><th>programme</th><th>lost to</th><th>stalls</th><th>start</th><th>bitrate</th><th>from</th><th>player</th><th>state</th><th>seen</th></tr></thead>
    <tbody>${rows.map(
      (row) => html`<tr key=${row.sessionKey}>
        <td><span class=${`score ${scoreClass(row.score)}`}>${orDash(row.score, String)}</span></td>
        <td><a href=${`/session/${encodeURIComponent(row.sessionKey)}`}>${row.sessionId.slice(0, 18)}</a></td>
        <td>${row.programmeId || row.contentId || '–'}</td>
        <td>${row.causes.slice(0, 2).map(({ cause, points }) => html`<span class="cause">${words(cause)} ${points}</span>`)}</td>
        <td>${row.stallCount === 0 ? '–' : `${row.stallCount} × ${duration(row.stallMs / row.stallCount)}`}</td>
        <td>${orDash(row.joinTimeMs, duration)}</td>
        <td>${orDash(row.bitrateBps, bitrate)}</td>
        <td>${[row.cdn, row.asn === null ? '' : `AS${row.asn}`, row.country].filter((part) => part !== '').join(' ')}</td>
        <td>${[row.deviceClass, row.playerVersion].filter((part) => part !== '').join(' · ')}</td>
        <td>${row.ended ? row.outcome : row.playerState}</td>
        <td class="dim">${clock(row.updatedAtMs)}</td>
      </tr>`,
    )}</tbody>
  </table></div>`;
}
