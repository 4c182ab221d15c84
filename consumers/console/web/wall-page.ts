import type { AudiencePoint } from '../audience-fold.ts';
import type { HealthPoint, StreamTile } from '../console-state.ts';
import { clock, duration, orDash, percent, scoreClass, words } from './format.ts';
import { html } from './html.ts';
import { useLive } from './live.ts';
import { Spark } from './plot.ts';

type Wall = {
  readonly streams: readonly StreamTile[];
  readonly audience: Readonly<Record<string, AudiencePoint>>;
};

const STATUS: Readonly<Record<string, readonly [symbol: string, text: string]>> = {
  good: ['✓', 'good'],
  defective: ['!', 'defective'],
  'no-data': ['?', 'no data'],
  'not-watched': ['–', 'not watched'],
  'off-air': ['◌', 'off air'],
};
const ORDER = ['defective', 'no-data', 'not-watched', 'good', 'off-air'];

export function WallPage() {
  const { data, error } = useLive<Wall>('/api/streams', 'streams');
  if (data === null) return html`<p class="hint">${error || 'Asking for the streams.'}</p>`;
  const streams = [...data.streams].sort(
    (a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || (a.programmeId < b.programmeId ? -1 : 1),
  );
  const count = (status: string): number => streams.filter((one) => one.status === status).length;
  const everybody = data.audience[''];
  return html`<section>
    <div class="figures">
      <${Figure} name="streams" value=${streams.length} note=${`${count('good')} good`} />
      <${Figure} name="defective" value=${count('defective')} state=${count('defective') > 0 ? 'bad' : ''} note="right now" />
      <${Figure} name="blind" value=${count('no-data') + count('not-watched')} state=${count('no-data') > 0 ? 'unknown' : ''} note="no data, or not watched" />
      <${Figure} name="viewers" value=${orDash(everybody?.concurrent, String)} note=${`mean score ${orDash(everybody?.scoreMean, String)}`} />
      <${Figure} name="rebuffering" value=${orDash(everybody?.rebufferingPermille, percent)} note="of playing and stall time" />
    </div>
    ${streams.length === 0 ? html`<p class="hint">No stream has told anything in the last half hour. Start one: everyview ingest URL --programme NAME</p>` : null}
    <div class="wall">${streams.map((one) => html`<${Tile} key=${`${one.programmeId}/${one.renditionId}/${one.vantage}`} stream=${one} audience=${data.audience[one.programmeId]} />`)}</div>
  </section>`;
}

export function Figure({
  name,
  value,
  note,
  state = '',
}: {
  readonly name: string;
  readonly value: string | number;
  readonly note: string;
  readonly state?: string;
}) {
  return html`<div class=${`figure ${state}`}><span>${name}</span><b>${value}</b><small>${note}</small></div>`;
}

function Tile({ stream, audience }: { readonly stream: StreamTile; readonly audience?: AudiencePoint }) {
  const [symbol, text] = STATUS[stream.status] ?? ['?', stream.status];
  const place = [stream.renditionId, stream.vantage]
    .filter((part) => part !== '' && part !== 'main')
    .join(' · ');
  return html`<article class=${`tile ${stream.status}`}>
    <header><span class="badge" aria-hidden="true">${symbol}</span><h2>${stream.programmeId}</h2><small>${place}</small></header>
    <p class="state">${stream.defects.length > 0 ? stream.defects.map((one) => html`<span class=${`trouble ${one.announced === '' ? one.severity : 'low'}`} title=${one.reason}>${words(one.type)}${one.announced === '' ? '' : ` (${one.announced})`} <small>${duration(Math.max(0, Date.now() - one.detectedAtMs))}</small></span>`) : stream.status === 'good' ? text : `${text}: ${stream.statusReason}`}</p>
    <${History} past=${stream.past} />
    <footer>
      <span title="viewers now">${orDash(audience?.concurrent, (n) => `${n} viewers`)}</span>
      <span class=${`score ${scoreClass(audience?.scoreMean ?? null)}`} title="mean score">${orDash(audience?.scoreMean, String)}</span>
      <span class="dim">${stream.updatedAtMs === 0 ? '' : clock(stream.updatedAtMs)}</span>
    </footer>
  </article>`;
}

const POINT_MS = 10_000;

/** How much of the 10 s was under a defect, percent; a little at least, so that it is seen. */
function shareOf({ defectMs }: HealthPoint): number {
  return Math.max(15, Math.min(100, Math.round((defectMs * 100) / POINT_MS)));
}

/** A cell for each 10 s of the last half hour, filled as far as it was under a defect. */
function History({ past }: { readonly past: readonly HealthPoint[] }) {
  const cells = past.slice(-60);
  const bad = cells.filter(({ status }) => status === 'defective').length;
  return html`<div class="history" role="img" aria-label=${`${bad} of the last ${cells.length} spans of 10 s defective`}>
    ${cells.map((point) => html`<i class=${point.status} style=${`--share:${shareOf(point)}%`} title=${`${clock(point.atMs)}: ${STATUS[point.status]?.[1] ?? point.status}`}></i>`)}
    <${Spark} values=${cells.map(({ coveragePermille }) => coveragePermille)} max=${1000} label="coverage" />
  </div>`;
}
