/** The timeline of one session, for people. */
import { isoTime, seconds } from '../consumers/tail/record-line.ts';
import type { QosScore } from '../schemas/records.ts';
import { styled, type Terminal, table } from './terminal.ts';

/** `scores`: every record of the session, in any order; the highest revision of each window and of the final counts. */
export function sessionLines(scores: readonly QosScore[], terminal: Terminal): string[] {
  const latest = new Map<string, QosScore>();
  for (const score of scores) {
    const name = score.kind === 'final' ? 'final' : `${score.windowStartMs}`;
    const known = latest.get(name);
    if (known === undefined || score.revision >= known.revision) latest.set(name, score);
  }
  const final = latest.get('final') ?? null;
  latest.delete('final');
  const windows = [...latest.values()].sort((a, b) => a.windowStartMs - b.windowStartMs);
  const told = final ?? windows.at(-1)!;
  return [
    styled(terminal, 'bold', `session ${told.sessionId}`) + spanOf(windows),
    `  ${factsOf(told)}`,
    `  ${outcomeOf(told, final)}`,
    '',
    ...table([
      ['from', 'score', 'lost to', 'state', 'playing', 'stalls', 'bitrate', 'place', 'defects known'],
      ...windows.map(rowOf),
    ]),
    '',
    ...(final === null
      ? ['the session goes on, or fell silent: its final record is not there yet']
      : finalLines(final)),
  ];
}

/** The rows of the table have the time of day alone. */
function spanOf(windows: readonly QosScore[]): string {
  const [first, last] = [windows[0], windows.at(-1)];
  if (first === undefined || last === undefined) return '';
  return `, ${isoTime(first.windowStartMs)} to ${isoTime(last.windowEndMs)}`;
}

function factsOf(one: QosScore): string {
  return [
    one.tenant,
    one.programmeId || one.contentId || 'content not told',
    one.cdn,
    one.asn === null ? '' : `AS${one.asn}`,
    one.country,
    one.deviceClass,
    one.playerVersion,
    one.previousSessionId === '' ? '' : `retries ${one.previousSessionId}`,
  ]
    .filter((part) => part !== '')
    .join(', ');
}

function outcomeOf(told: QosScore, final: QosScore | null): string {
  const score = final === null ? told.sessionScore : final.score;
  const start = told.joinTimeMs === null ? 'start not told' : `first frame after ${seconds(told.joinTimeMs)}`;
  const range = told.scoreMin === null ? '' : ` (${told.scoreMin} to ${told.scoreMax})`;
  return `outcome ${told.outcome}${told.playbackFailure === '' ? '' : `, failed: ${told.playbackFailure}`}; score ${score ?? 'none'}${final === null ? ' so far' : range}; ${start}`;
}

function rowOf(one: QosScore): string[] {
  return [
    isoTime(one.windowStartMs).slice(11, 19),
    one.score === null ? '-' : String(one.score),
    causesOf(one),
    one.playerState,
    seconds(one.playingMs),
    one.stallCount === 0 ? '-' : `${one.stallCount}, ${seconds(one.stallMs)}`,
    one.bitrateBps === null ? '-' : `${Math.round(one.bitrateBps / 1_000)} kbit/s`,
    one.timeSource,
    `${(one.coveragePermille / 10).toFixed(0)} %`,
  ];
}

function finalLines(final: QosScore): string[] {
  return [
    `final, revision ${final.revision}${final.provisional ? ', provisional: heartbeats stopped' : ''}: score ${final.score ?? 'none'}, confidence ${(final.confidencePermille / 10).toFixed(0)} %`,
    `  lost to: ${causesOf(final)}`,
    `  playing ${seconds(final.playingMs)}, stalls ${final.stallCount} (${seconds(final.stallMs)}), rebuffering ${permille(final.rebufferingWatchPermille)} of watched time, switches ${final.switchesUp} up ${final.switchesDown} down`,
    ...(final.defectIds.length === 0 ? [] : [`  defects seen: ${final.defectIds.join(', ')}`]),
    ...(final.errorCodes.length === 0 ? [] : [`  errors told: ${final.errorCodes.join(', ')}`]),
  ];
}

function causesOf({ causes, causePoints }: QosScore): string {
  return causes.length === 0
    ? '-'
    : causes.map((cause, index) => `${cause} ${causePoints[index]}`).join(', ');
}

function permille(value: number | null): string {
  return value === null ? 'not told' : `${(value / 10).toFixed(1)} %`;
}
