import type { QosScore } from '../../../schemas/records.ts';
import type { SessionDetail } from '../session-fold.ts';
import { bitrate, clock, duration, orDash, percent, scoreClass, words } from './format.ts';
import { html } from './html.ts';
import { useLive } from './live.ts';
import { Plot } from './plot.ts';
import { Figure } from './wall-page.ts';

export function SessionPage({ sessionKey }: { readonly sessionKey: string }) {
  const { data, error } = useLive<SessionDetail>(
    `/api/sessions/${encodeURIComponent(sessionKey)}`,
    'sessions',
  );
  if (data === null) return html`<p class="hint">${error || 'Asking for the session.'}</p>`;
  const { row, windows, final } = data;
  const told = final ?? windows.at(-1);
  const timesMs = windows.map(({ windowEndMs }) => windowEndMs);
  return html`<section>
    <p class="crumbs"><a href="/sessions">sessions</a> / ${row.sessionId}</p>
    <div class="figures">
      <${Figure} name="score" value=${orDash(row.score, String)} state=${scoreClass(row.score)} note=${final === null ? 'so far' : 'final'} />
      <${Figure} name="outcome" value=${row.outcome} note=${row.ended ? 'ended' : row.playerState} />
      <${Figure} name="start" value=${orDash(row.joinTimeMs, duration)} note="intent to first frame" />
      <${Figure} name="stalls" value=${row.stallCount} note=${duration(row.stallMs)} />
      <${Figure} name="confidence" value=${orDash(told?.confidencePermille, percent)} note="of what the model wants to know" />
      <${Figure} name="coverage" value=${orDash(told?.coveragePermille, percent)} note="defects of the stream known" />
    </div>
    <p class="dim">${[row.programmeId || row.contentId, row.cdn, row.asn === null ? '' : `AS${row.asn}`, row.country, row.deviceClass, row.playerVersion].filter((part) => part !== '').join(' · ')}</p>
    <figure><figcaption>score of each 10 s, and what it was lost to</figcaption><${Strip} windows=${windows} /></figure>
    <div class="pair">
      <figure><figcaption>score</figcaption><${Plot} timesMs=${timesMs} height=${170} min=${0} max=${100} lines=${[
        { label: 'window', values: windows.map(({ score }) => score), colour: '--accent', unit: 'points' },
        {
          label: 'so far',
          values: windows.map(({ sessionScore }) => sessionScore),
          colour: '--dim',
          unit: 'points',
        },
      ]} /></figure>
      <figure><figcaption>bitrate, kbit/s</figcaption><${Plot} timesMs=${timesMs} height=${170} lines=${[{ label: 'bitrate', values: windows.map(({ bitrateBps }) => (bitrateBps === null ? null : Math.round(bitrateBps / 1000))), colour: '--good', unit: 'kbit/s' }]} /></figure>
    </div>
    <${Causes} score=${told} />
    <${Windows} windows=${windows} />
  </section>`;
}

/** One column for each window: what is left of 100 points below, each cause above it. */
function Strip({ windows }: { readonly windows: readonly QosScore[] }) {
  const shown = windows.slice(-90);
  return html`<div class="strip">${shown.map(
    (one) => html`<div class="column" title=${titleOf(one)}>
      ${
        one.score === null
          ? html`<i class="none" style="height:100%"></i>`
          : [
              ...one.causes.map(
                (cause, index) =>
                  html`<i class=${`lost ${classOf(cause)}`} style=${`height:${one.causePoints[index] ?? 0}%`}></i>`,
              ),
              html`<i class=${`kept ${scoreClass(one.score)}`} style=${`height:${one.score}%`}></i>`,
            ]
      }
    </div>`,
  )}</div>
  <p class="legend">${['startup', 'stalls', 'quality', 'switches', 'defect', 'failure'].map((name) => html`<span><i class=${`lost ${name}`}></i>${name}</span>`)}<span><i class="none"></i>not judged</span></p>`;
}

function titleOf(one: QosScore): string {
  const causes = one.causes.map((cause, index) => `${words(cause)} -${one.causePoints[index]}`).join(', ');
  return `${clock(one.windowStartMs)}: score ${one.score ?? 'none'}${causes === '' ? '' : `; ${causes}`}; ${one.playerState}`;
}

function classOf(cause: string): string {
  return cause.startsWith('defect:')
    ? 'defect'
    : cause.startsWith('stall')
      ? 'stalls'
      : words(cause).split(' ')[0]!;
}

function Causes({ score }: { readonly score: QosScore | undefined }) {
  if (score === undefined || score.causes.length === 0) return null;
  return html`<div><h2>${score.kind === 'final' ? 'What the session lost' : 'What the last 10 s lost'}</h2><ul class="causes">${score.causes.map(
    (cause, index) =>
      html`<li><b class="points">${score.causePoints[index]}</b> ${words(cause)}${cause.startsWith('defect:') && score.defectIds.length > 0 ? html` <small class="dim">${score.defectIds.join(', ')}</small>` : null}</li>`,
  )}</ul></div>`;
}

function Windows({ windows }: { readonly windows: readonly QosScore[] }) {
  return html`<details><summary>all figures of each 10 s</summary><div class="scroll"><table>
    <thead><tr><th>from</th><th>score</th><th>state</th><th>playing</th><th>stalls</th><th>paused</th><th>bitrate</th><th>height</th><th>latency</th><th>place known by</th><th>lost reports</th></tr></thead>
    <tbody>${[...windows]
      .reverse()
      .map(
        (one) =>
          html`<tr key=${one.windowStartMs}><td>${clock(one.windowStartMs)}</td><td>${orDash(one.score, String)}</td><td>${one.playerState}</td><td>${duration(one.playingMs)}</td><td>${one.stallCount === 0 ? '–' : `${one.stallCount}, ${duration(one.stallMs)}`}</td><td>${one.pausedMs === 0 ? '–' : duration(one.pausedMs)}</td><td>${orDash(one.bitrateBps, bitrate)}</td><td>${orDash(one.heightPx, String)}</td><td>${orDash(one.liveLatencyMs, duration)}</td><td>${one.timeSource}</td><td>${orDash(one.eventsLost, String)}</td></tr>`,
      )}</tbody>
  </table></div></details>`;
}
