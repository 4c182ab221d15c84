/**
 * The last reducer of stream detection: what the detectors found becomes `stream-defects`. Where two types hold at the
 * same time in one stream, only the one with precedence is reported; of the other, what is left over, where that is
 * long enough to be a defect by itself.
 *
 * Transitions of one chunk are gathered first and taken in the order of the presentation timeline, so neither the order
 * of the detectors nor the cutting of chunks shows.
 */
import { compareKeys } from '../../runtime/key-order.ts';
import { list, map, nullable, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer, type StepContext } from '../../runtime/topology.ts';
import type { StreamDefect } from '../../schemas/records.ts';
import { BESIDE_MS, BREAKS, type Break, breakAt, offAirToMs, takeAnnouncements } from './announced.ts';
import { anchorRecord, defectIdOf, defectRecord, type Surroundings } from './defect-records.ts';
import { lastsOnTheWall, POINT_REACH_MS, rankOf, SUPPRESSES, suppresses } from './precedence-table.ts';
import {
  kept,
  type StreamScope,
  type StreamStep,
  type Transition,
  type TransportStep,
  transition,
  transitions,
} from './stream-step.ts';
import { newTimeline, programTimeOf, sealedPresentationMs, TIMELINE_FIELDS, takeChunk } from './timeline.ts';

const PIECE = struct({
  defectId: 'string',
  startMs: 'long',
  revision: 'int',
  chargeFromMs: 'long',
  announced: 'string',
});
/** A defect that its detector has open. */
const HELD = struct({
  told: transition,
  /** From here on nothing suppresses it; null while something does. */
  freeFromMs: 'long?',
  /** What is reported of it at present. */
  piece: nullable(PIECE),
});
const PAST = struct({ type: 'string', renditionId: 'string?', startMs: 'long', endMs: 'long' });
const FIELDS = {
  /** Told by the detectors since the last step. */
  told: transitions,
  held: map(HELD),
  /** Defects that suppress others and have ended: one that opens later may have begun under them. */
  past: list(PAST),
  breaks: BREAKS,
  timeline: struct(TIMELINE_FIELDS),
} as const;

type State = StateOf<typeof FIELDS>;
type Held = StateOf<(typeof HELD)['fields']>;

/** Ended defects that are remembered: no type needs longer to be sure than these take to come about. */
const PAST_MAX = 16;

const NONE: readonly StreamDefect[] = [];

/** Where a step's records go, and what they all say. */
type Report = Surroundings & {
  readonly state: State;
  readonly config: unknown;
  readonly sealedMs: number;
  readonly out: StreamDefect[];
};

export const precedence: Reducer<State, Transition | StreamStep | TransportStep, StreamDefect> = {
  name: 'precedence',
  state: structCodec({ version: 6, fields: FIELDS }),
  init: () => ({ told: [], held: new Map(), past: [], breaks: [], timeline: newTimeline() }),
  step(state, input, context) {
    if (input.kind === 'timer') return NOTHING;
    const given = input.value;
    if (given.kind !== 'features' && given.kind !== 'interrupted' && given.kind !== 'transport') {
      state.told.push(kept(given));
      return NOTHING;
    }
    const records = resolve(state, given, input.timeMs, context);
    if (records.length === 0 && given.kind !== 'interrupted') return NOTHING;
    const effects = records.flatMap((value) => forwarded(value, given.scope));
    if (given.kind === 'interrupted' && given.why === 'retired') effects.push({ kind: 'forget' });
    return effects;
  },
};

/** What another rung of the ladder shows is told of that rung, and belongs to the health of the stream that was watched. */
function forwarded(value: StreamDefect, scope: StreamScope): readonly Effect<StreamDefect>[] {
  const key = scope.programmeId;
  if (value.renditionId === scope.renditionId) return [{ kind: 'forward', value, key }];
  const ofStream = { ...value, renditionId: scope.renditionId };
  return [
    { kind: 'forward', value, key, to: 'stream-defects' },
    { kind: 'forward', value: ofStream, key, to: 'health' },
  ];
}

function resolve(
  state: State,
  step: StreamStep | TransportStep,
  timeMs: number,
  context: StepContext,
): readonly StreamDefect[] {
  const { timeline } = state;
  const { sealedUpToMs } = context;
  if (step.kind === 'transport') takeAnnouncements(state.breaks, step.chunk);
  const isAnchored =
    step.kind === 'features' && takeChunk(timeline, step.chunk, step.coveredToMs, timeMs, sealedUpToMs);
  // nearly always: nothing was told, nothing is held
  if (!isAnchored && step.kind === 'features' && state.told.length === 0 && state.held.size === 0)
    return NONE;
  const out: StreamDefect[] = [];
  const around = { step, timeline, timeMs, configHash: context.configHash };
  if (isAnchored) out.push(anchorRecord(around));
  const sealedMs = sealedPresentationMs(timeline, sealedUpToMs);
  const report: Report = { ...around, state, config: context.config, sealedMs, out };
  const told = state.told;
  state.told = [];
  // A point holds back what began before it as well: it is looked at first.
  for (const one of told) if (one.kind === 'point') onPoint(one, report);
  for (const one of inTime(told.filter(({ kind }) => kind !== 'point'))) take(one, report);
  if (step.kind === 'features') reportWhatIsLeft(step.coveredToMs, report);
  else if (step.kind === 'transport') reportWhatIsLeft(null, report);
  else if (step.why === 'new-probe-run') {
    state.timeline = newTimeline();
    state.past = [];
    state.breaks = [];
  }
  if (step.kind !== 'interrupted') announce(report);
  return out;
}

function take(told: Transition, report: Report): void {
  const { held } = report.state;
  if (told.kind === 'open') {
    onOpen(told, report);
    return;
  }
  const one = held.get(heldKeyOf(told));
  if (one === undefined) return;
  one.told = kept(told);
  if (told.kind === 'update') {
    if (one.piece !== null) {
      one.piece.revision += 1;
      emit('update', one, told.reason, null, told.startMs + told.durationMs, report);
    }
    return;
  }
  onClose(one, told.endMs!, report);
  held.delete(heldKeyOf(told));
}

function onOpen(told: Transition, report: Report): void {
  const { held } = report.state;
  const freeFromMs = freeAfterPast(told, report.state);
  const one: Held = { told: kept(told), freeFromMs, piece: null };
  const above = inOrder(held).filter((other) => isUnder(told, other.told));
  held.set(heldKeyOf(told), one);
  if (above.length === 0) {
    if (freeFromMs === told.startMs) openPiece(one, told.startMs, told.startMs + told.durationMs, report);
  } else suppress(one, above.reduce(earlier).told, report);
  for (const other of inOrder(held)) {
    if (isUnder(other.told, told)) suppress(other, told, report);
  }
}

/** A point is reported at once, and holds back what begins about it and does not outlast its reach. */
function onPoint(told: Transition, report: Report): void {
  const { state, step, sealedMs } = report;
  const { type, startMs, reason } = told;
  const fromMs = startMs - POINT_REACH_MS;
  const toMs = startMs + POINT_REACH_MS;
  for (const other of inOrder(state.held)) {
    if (!isUnder(other.told, told) || other.freeFromMs === null) continue;
    if (other.freeFromMs < fromMs || other.freeFromMs >= toMs) continue;
    closePiece(other, other.freeFromMs, `suppressed: ${type} takes precedence`, report);
    other.freeFromMs = toMs;
  }
  remember({ ...told, startMs: fromMs }, toMs, state);
  const piece = {
    defectId: defectIdOf(step, told, startMs),
    startMs,
    revision: 1,
    chargeFromMs: Math.max(startMs, sealedMs),
    announced: announcedFor(type, startMs, report)?.kind ?? '',
  };
  report.out.push(defectRecord('point', piece, told, reason, startMs, 0, report));
}

/** Where a defect is free of those that suppress it and have ended; its start when it never was under one. */
function freeAfterPast(told: Transition, { past }: State): number {
  let freeFromMs = told.startMs;
  for (const above of past) {
    const { startMs, endMs } = above;
    if (!isUnder(told, above)) continue;
    // What came late because nothing was published is judged as if it had come in time.
    if (lastsOnTheWall(above.type) && !lastsOnTheWall(told.type)) continue;
    if (startMs <= freeFromMs && endMs > freeFromMs) freeFromMs = endMs;
  }
  return freeFromMs;
}

function remember(told: Transition, endMs: number, { past }: State): void {
  if (SUPPRESSES[told.type] === undefined) return;
  past.push({ type: told.type, renditionId: told.renditionId ?? null, startMs: told.startMs, endMs });
  if (past.length > PAST_MAX) past.shift();
}

/** `by` takes precedence from its start on: what came before it is reported, or closed there if it was. */
function suppress(one: Held, by: Transition, report: Report): void {
  if (one.freeFromMs === null) return;
  const endMs = Math.max(one.freeFromMs, by.startMs);
  if (one.piece === null && endMs - one.freeFromMs >= Math.max(1, one.told.minMs)) {
    openPiece(one, one.freeFromMs, endMs, report);
  }
  closePiece(one, endMs, `suppressed: ${by.type} takes precedence`, report);
  one.freeFromMs = null;
}

function onClose(one: Held, endMs: number, report: Report): void {
  if (one.piece === null && one.freeFromMs !== null && isWhole(one, endMs)) {
    openPiece(one, one.freeFromMs, endMs, report);
  }
  closePiece(one, endMs, one.told.reason, report);
  remember(one.told, endMs, report.state);
  for (const other of inOrder(report.state.held)) {
    if (other.freeFromMs !== null || !isUnder(other.told, one.told)) continue;
    const stillUnder = inOrder(report.state.held).some(
      (above) => above !== one && isUnder(other.told, above.told),
    );
    if (!stillUnder) other.freeFromMs = Math.max(other.told.startMs, endMs);
  }
}

/**
 * Defects that came out from under another one are reported once they have lasted long enough since; those that last in the
 * time of the wall at once, and these alone where `coveredToMs` is null.
 */
function reportWhatIsLeft(coveredToMs: number | null, report: Report): void {
  for (const one of inOrder(report.state.held)) {
    if (one.piece !== null || one.freeFromMs === null) continue;
    const isDue =
      lastsOnTheWall(one.told.type) || (coveredToMs !== null && isWhole(one, coveredToMs - one.told.joinMs));
    if (!isDue) continue;
    openPiece(one, one.freeFromMs, one.freeFromMs + one.told.minMs, report);
  }
}

function isWhole(one: Held, toMs: number): boolean {
  return one.freeFromMs !== null && toMs - one.freeFromMs >= Math.max(1, one.told.minMs);
}

function openPiece(one: Held, startMs: number, badToMs: number, report: Report): void {
  const { type, reason } = one.told;
  const meant = announcedFor(type, startMs, report);
  one.piece = {
    defectId: defectIdOf(report.step, one.told, startMs),
    startMs,
    revision: 1,
    chargeFromMs: Math.max(startMs, report.sealedMs, meant?.endMs ?? startMs),
    announced: meant?.kind ?? '',
  };
  emit('open', one, reason, null, badToMs, report);
}

function closePiece(one: Held, endMs: number, reason: string, report: Report): void {
  if (one.piece === null) return;
  one.piece.revision += 1;
  emit('close', one, reason, Math.max(endMs, one.piece.startMs), endMs, report);
  one.piece = null;
}

function emit(
  event: 'open' | 'update' | 'close',
  one: Held,
  reason: string,
  endMs: number | null,
  badToMs: number,
  report: Report,
): void {
  const piece = one.piece!;
  const { told } = one;
  // Where nothing was taken off, the detector's own duration holds: a lost signal lasts in log time.
  const whole = piece.startMs === told.startMs && (endMs === null || endMs === told.endMs);
  const durationMs = whole ? told.durationMs : Math.max(0, badToMs - piece.startMs);
  report.out.push(defectRecord(event, piece, told, reason, endMs, durationMs, report));
}

/** What is told of a defect changes where an announcement comes after it, and where it outlasts what was announced. */
function announce(report: Report): void {
  for (const one of inOrder(report.state.held)) {
    const { piece, told } = one;
    if (piece === null) continue;
    const badToMs = report.step.coveredToMs - told.joinMs;
    const meant = announcedFor(told.type, piece.startMs, report);
    const announced = meant !== null && badToMs <= meant.endMs + BESIDE_MS ? meant.kind : '';
    if (announced === piece.announced) continue;
    const reason =
      announced === ''
        ? `${told.reason}; it outlasts what was announced (${piece.announced})`
        : `${told.reason}; announced (${announced})`;
    piece.announced = announced;
    piece.revision += 1;
    emit('update', one, reason, null, told.startMs + told.durationMs, report);
  }
}

function announcedFor(
  type: string,
  startMs: number,
  { state, step, timeline, timeMs, config }: Report,
): Break | null {
  const atMs = programTimeOf(timeline, startMs) ?? timeMs - (step.coveredToMs - startMs);
  const toMs = offAirToMs(config, step.scope, atMs);
  if (toMs !== null) return { kind: 'off-air', startMs, endMs: startMs + toMs - atMs };
  return breakAt(state.breaks, type, startMs);
}

/** By the point at which each was known; there what closes goes first, then by rank. Each type keeps its own order. */
function* inTime(told: readonly Transition[]): Generator<Transition> {
  const rows = [...Map.groupBy(told, heldKeyOf).values()];
  rows.sort(([a], [b]) => rankOf(a!.type) - rankOf(b!.type) || compareKeys(heldKeyOf(a!), heldKeyOf(b!)));
  for (let left = told.length; left > 0; left--) {
    let first: Transition[] = rows.find((row) => row.length > 0)!;
    for (const row of rows) if (row.length > 0 && isBefore(row[0]!, first[0]!)) first = row;
    yield first.shift()!;
  }
}

function isBefore(a: Transition, b: Transition): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  return a.kind === 'close' && b.kind !== 'close';
}

/** Not in the order of insertion, which a restore would not bring back. */
function inOrder(held: State['held']): readonly Held[] {
  return [...held.values()].sort((a, b) => compareKeys(heldKeyOf(a.told), heldKeyOf(b.told)));
}

/** A stream has one defect of a type at a time, and each rung of its ladder as well. */
function heldKeyOf({ type, renditionId }: Transition): string {
  return renditionId === null || renditionId === undefined ? type : `${type} ${renditionId}`;
}

type Scoped = Pick<Transition, 'type' | 'renditionId'>;

/** Whether `above` takes precedence over `below`: what one rung shows is no matter of the others. */
function isUnder(below: Scoped, above: Scoped): boolean {
  if (!suppresses(above.type, below.type)) return false;
  const shownBy = above.renditionId ?? null;
  if (shownBy === (below.renditionId ?? null)) return true;
  // Sound that is listed apart from the ladder is the stream's own all the same.
  return below.type.startsWith('audio-') && shownBy?.startsWith('audio') === true;
}

function earlier(a: Held, b: Held): Held {
  return b.told.startMs < a.told.startMs ? b : a;
}
