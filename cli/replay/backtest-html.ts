/** The difference of a backtest as one page that needs nothing else: what changed, drawn over the range. */
import { isoTime } from '../../consumers/tail/record-line.ts';
import { escaped, htmlPage } from '../html-page.ts';
import type { BacktestResult } from './backtest.ts';
import type { Interval, IntervalDiff, ScoreDiff } from './backtest-diff.ts';

export type HtmlOptions = {
  /** What was tried, in words. */
  readonly candidate: string;
};

export function backtestHtml(result: BacktestResult, { candidate }: HtmlOptions): string {
  const { diff, fromMs, comparedToMs, recordsIn, keysLeftOut } = result;
  const tiles = [tile('alerts', diff.alerts), tile('defects', diff.defects), scoreTile(diff.scores)].join('');
  const body = `<h1>Backtest</h1>
<p>${escaped(candidate)}, against what was said live.
${fromMs === 0 ? 'Beginning of the log' : isoTime(fromMs)} to ${isoTime(comparedToMs)}, ${recordsIn} records${keysLeftOut > 0 ? `, ${keysLeftOut} keys older than what was read left out` : ''}.</p>
<div class="tiles">${tiles}</div>
<h2>Alerts</h2>
${timeline(result)}
${intervalTable(diff.alerts, isoTime)}
<h2>Defects of streams</h2>
${intervalTable(diff.defects, (ms) => `${(ms / 1000).toFixed(2)} s`)}
<h2>Scores of sessions</h2>
${histogram(result)}
${scoreTable(diff.scores)}`;
  return htmlPage({ title: 'Backtest', style: STYLE, body });
}

const STYLE = `
:root{color-scheme:light dark;--live:#8a8f98;--now:#2f6fde;--add:#1a7f37;--gone:#b3261e;--line:#8883}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{margin:0}h2{margin:2rem 0 .5rem}
.tiles{display:flex;flex-wrap:wrap;gap:1rem}.tile{border:1px solid var(--line);border-radius:8px;padding:.75rem 1rem;min-width:14rem}
.tile b{font-size:1.6rem;display:block}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}td,th{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
.add{color:var(--add)}.gone{color:var(--gone)}svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:currentColor}
.scroll{overflow-x:auto}.none{opacity:.7}`;

function tile(name: string, { live, candidate, added, removed, moved }: IntervalDiff): string {
  return `<div class="tile">${name}<b>${live} → ${candidate}</b><span class="add">${added.length} added</span>, <span class="gone">${removed.length} gone</span>, ${moved.length} moved or changed</div>`;
}

function scoreTile({ live, changed, meanLiveCenti, meanCandidateCenti }: ScoreDiff): string {
  const mean = (centi: number | null): string => (centi === null ? '–' : (centi / 100).toFixed(2));
  return `<div class="tile">mean score<b>${mean(meanLiveCenti)} → ${mean(meanCandidateCenti)}</b>${live} sessions, ${changed.length} changed</div>`;
}

const LANE_PX = 34;
const LABEL_PX = 300;
const WIDTH_PX = 1100;
const LANES_MAX = 60;

/** A lane for each subject: what live said above, what would be said now below. */
function timeline({ live, candidate, fromMs, comparedToMs }: BacktestResult): string {
  const sides = [[...live.alerts().values()], [...candidate.alerts().values()]] as const;
  const all = sides.flat();
  if (all.length === 0) return '<p class="none">No alert on either side.</p>';
  const startMs = Math.max(fromMs, Math.min(...all.map((one) => one.startMs)));
  const endMs = Math.max(
    startMs + 1,
    Math.min(comparedToMs, Math.max(...all.map((one) => one.endMs ?? comparedToMs))),
  );
  const subjects = [...new Map(all.map((one) => [one.subject, one.title]))].slice(0, LANES_MAX);
  const x = (ms: number): number =>
    LABEL_PX +
    ((Math.min(Math.max(ms, startMs), endMs) - startMs) / (endMs - startMs)) * (WIDTH_PX - LABEL_PX - 10);
  const bar = (one: Interval, y: number, colour: string): string => {
    const [left, right] = [x(one.startMs), x(one.endMs ?? endMs)];
    return `<rect x="${left.toFixed(1)}" y="${y}" width="${Math.max(2, right - left).toFixed(1)}" height="11" rx="3" fill="var(--${colour})"><title>${escaped(`${one.title}: ${isoTime(one.startMs)} to ${one.endMs === null ? 'now' : isoTime(one.endMs)}, ${one.status}`)}</title></rect>`;
  };
  const lanes = subjects.map(([subject, title], index) => {
    const y = 24 + index * LANE_PX;
    const of = (side: readonly Interval[], top: number, colour: string): string =>
      side
        .filter((one) => one.subject === subject)
        .map((one) => bar(one, top, colour))
        .join('');
    return `<text x="0" y="${y + 16}">${escaped(title)}</text>${of(sides[0], y, 'live')}${of(sides[1], y + 13, 'now')}`;
  });
  const height = 30 + subjects.length * LANE_PX;
  return `<div class="scroll"><svg viewBox="0 0 ${WIDTH_PX} ${height}" role="img" aria-label="alerts over time">
<text x="${LABEL_PX}" y="12">${isoTime(startMs)}</text><text x="${WIDTH_PX - 10}" y="12" text-anchor="end">${isoTime(endMs)}</text>
${lanes.join('\n')}</svg></div><p>Grey: live. Blue: now.</p>`;
}

const BUCKETS = 20;

/** Sessions by score, live and now side by side. */
function histogram({ live, candidate }: BacktestResult): string {
  const counts = [live, candidate].map((fold) => {
    const buckets = new Array<number>(BUCKETS).fill(0);
    for (const { score } of fold.scores().values())
      if (score !== null) buckets[Math.min(BUCKETS - 1, Math.floor(score / 5))]! += 1;
    return buckets;
  });
  const most = Math.max(...counts.flat());
  if (most === 0) return '<p class="none">No session was scored.</p>';
  const bars = counts.flatMap((buckets, side) =>
    buckets.map((count, index) => {
      const height = (count / most) * 120;
      const x = 20 + index * 52 + side * 22;
      return `<rect x="${x}" y="${(130 - height).toFixed(1)}" width="20" height="${height.toFixed(1)}" fill="var(--${side === 0 ? 'live' : 'now'})"><title>${index * 5} to ${index * 5 + 5}: ${count} sessions</title></rect>`;
    }),
  );
  const labels = counts[0]!.map((_, index) => `<text x="${20 + index * 52}" y="146">${index * 5}</text>`);
  return `<div class="scroll"><svg viewBox="0 0 1080 152" role="img" aria-label="sessions by score">${bars.join('')}${labels.join('')}</svg></div>`;
}

function intervalTable({ added, removed, moved }: IntervalDiff, time: (ms: number) => string): string {
  const cells = ({ title, startMs, endMs, severity }: Interval): string =>
    `<td>${escaped(title)}</td><td>${time(startMs)}</td><td>${endMs === null ? 'lasts' : time(endMs)}</td><td>${escaped(severity)}</td>`;
  const rows = [
    ...added.map((one) => `<tr><td class="add">added</td>${cells(one)}<td></td></tr>`),
    ...removed.map((one) => `<tr><td class="gone">gone</td>${cells(one)}<td></td></tr>`),
    ...moved.map(
      ({ live, what }) => `<tr><td>changed</td>${cells(live)}<td>${escaped(what.join('; '))}</td></tr>`,
    ),
  ];
  if (rows.length === 0) return '<p class="none">No difference.</p>';
  return `<div class="scroll"><table><tr><th></th><th>what</th><th>from</th><th>to</th><th>severity</th><th>change</th></tr>${rows.join('\n')}</table></div>`;
}

function scoreTable({ added, removed, changed }: ScoreDiff): string {
  const rows = [
    ...added.map(
      (one) =>
        `<tr><td class="add">added</td><td>${escaped(one.sessionId)}</td><td>score ${one.score ?? 'none'}</td></tr>`,
    ),
    ...removed.map(
      (one) =>
        `<tr><td class="gone">gone</td><td>${escaped(one.sessionId)}</td><td>score ${one.score ?? 'none'}</td></tr>`,
    ),
    ...changed.map(
      ({ live, what }) =>
        `<tr><td>changed</td><td>${escaped(live.sessionId)}</td><td>${escaped(what.join('; '))}</td></tr>`,
    ),
  ];
  if (rows.length === 0) return '<p class="none">No difference.</p>';
  return `<div class="scroll"><table><tr><th></th><th>session</th><th>change</th></tr>${rows.join('\n')}</table></div>`;
}
