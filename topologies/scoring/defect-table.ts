/**
 * The defects of each programme as intervals, for the join with what viewers saw (definitions, section 4). A reducer over
 * `stream-defects`, keyed by programme; every scoring task keeps all of them.
 *
 * Each interval stands on three axes: programme time where the stream tells it, presentation time for video on demand, and
 * log time for viewers whose place is unknown. On each axis a **seal** moves forward; what it has passed is settled: a
 * defect that is told later begins at the seal, one that is closed later ends there at the earliest. So what a viewer is
 * charged up to b is the same at any moment after b was sealed.
 */
import { list, map, nullable, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import type { StreamDefect } from '../../schemas/records.ts';
import { settingsOf } from './settings.ts';

/** One stream of the programme against log time, on one axis. */
const AXIS = struct({
  /** Time on the axis less log time, as the last anchor says. */
  lessLogMs: 'long',
  /** Sealed under earlier anchors. */
  coveredMs: 'long',
  /** Before the first anchor nobody looked. */
  sinceMs: 'long',
});
const STREAM = struct({
  renditionId: 'string',
  vantage: 'string',
  presentation: AXIS,
  /** Null while the stream tells no programme time. */
  program: nullable(AXIS),
  /** Half width of what its programme time may be wrong by, ms. */
  uncertaintyMs: 'int',
  /** Log time of its last record. */
  heardMs: 'long',
});
/** Where a defect lies on one axis. */
const PLACE = struct({
  /** First bad picture or sample. */
  startMs: 'long',
  /** Viewers are charged from here on. */
  fromMs: 'long',
  /** And up to here; null while it is open. */
  toMs: 'long?',
});
const DEFECT = struct({
  defectId: 'string',
  type: 'string',
  renditionId: 'string',
  vantage: 'string',
  revision: 'int',
  presentation: PLACE,
  program: nullable(PLACE),
  uncertaintyMs: 'int',
  log: PLACE,
});
const FIELDS = {
  /** By vantage and rendition. */
  streams: map(STREAM),
  /** By the order in which they were told. */
  defects: list(DEFECT),
} as const;

export type DefectTable = StateOf<typeof FIELDS>;
export type TableStream = StateOf<(typeof STREAM)['fields']>;
export type TableDefect = StateOf<(typeof DEFECT)['fields']>;
export type Place = StateOf<(typeof PLACE)['fields']>;
export type Axis = StateOf<(typeof AXIS)['fields']>;

/** Defects kept of one programme: beyond that the oldest go. */
export const DEFECTS_MAX = 256;

/** A stream says an anchor every minute; one that missed this many is not watched any more, ms of log time. */
export const UNHEARD_MS = 180_000;

/** What is left of a programme that nobody speaks of: live ones, and what may be watched on demand, ms of log time. */
const IDLE_MS = 3_600_000;
const IDLE_ON_DEMAND_MS = 86_400_000;

/** A point is over as soon as it is told; what it does to a viewer lasts this long. */
const POINT_MS = 1_000;

export const defectTable: Reducer<DefectTable, StreamDefect, never> = {
  name: 'defect-table',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ streams: new Map(), defects: [] }),
  step(table, input, context) {
    if (input.kind === 'timer') return [{ kind: 'forget' }];
    const { value, timeMs } = input;
    const sealedMs = context.sealedUpToMsOf('stream-defects', value.programmeId);
    const { defectHorizonMs } = settingsOf(context.config).scoring;
    const dropped: readonly Effect<never>[] =
      value.event === 'anchor'
        ? takeAnchor(table, value, timeMs, sealedMs, defectHorizonMs)
        : takeDefect(table, value, timeMs, sealedMs);
    forgetOld(table, timeMs, sealedMs, defectHorizonMs);
    const isOnDemand = [...table.streams.values()].every(({ program }) => program === null);
    const idleMs = isOnDemand ? IDLE_ON_DEMAND_MS : IDLE_MS;
    return [...dropped, { kind: 'schedule', name: 'idle', dueMs: timeMs + idleMs }];
  },
};

/** How far a stream is sealed on an axis, when its partition is sealed up to `sealedMs` of log time. */
export function sealedOn(axis: Readonly<Axis>, sealedMs: number): number {
  return Math.max(axis.coveredMs, sealedMs + axis.lessLogMs);
}

/** Key of a stream in the table. */
export function streamOf({ vantage, renditionId }: Pick<StreamDefect, 'vantage' | 'renditionId'>): string {
  return `${vantage}\n${renditionId}`;
}

function takeAnchor(
  table: DefectTable,
  value: StreamDefect,
  timeMs: number,
  sealedMs: number,
  horizonMs: number,
): readonly Effect<never>[] {
  const key = streamOf(value);
  const known = table.streams.get(key);
  const { renditionId, vantage, startMs, programTimeStartMs } = value;
  table.streams.set(key, {
    renditionId,
    vantage,
    presentation: anchored(known?.presentation, startMs, timeMs, sealedMs, horizonMs),
    program:
      programTimeStartMs === null
        ? null
        : anchored(known?.program, programTimeStartMs, timeMs, sealedMs, horizonMs),
    uncertaintyMs: value.programTimeUncertaintyMs,
    heardMs: timeMs,
  });
  return NOTHING;
}

/** The axis after an anchor: what was sealed stays so, unless time jumped back further than anything is kept. */
function anchored(
  before: Axis | null | undefined,
  atMs: number,
  timeMs: number,
  sealedMs: number,
  horizonMs: number,
): Axis {
  const lessLogMs = atMs - timeMs;
  const anew = { lessLogMs, coveredMs: sealedMs + lessLogMs, sinceMs: atMs };
  if (before === null || before === undefined) return anew;
  const coveredMs = sealedOn(before, sealedMs);
  if (anew.coveredMs < coveredMs - horizonMs) return anew;
  return { lessLogMs, coveredMs, sinceMs: Math.min(before.sinceMs, atMs) };
}

function takeDefect(
  table: DefectTable,
  value: StreamDefect,
  timeMs: number,
  sealedMs: number,
): readonly Effect<never>[] {
  const stream = table.streams.get(streamOf(value));
  // A stream says where it stands before it says anything else.
  if (stream === undefined) return [{ kind: 'drop', reason: 'stream-without-anchor' }];
  stream.heardMs = timeMs;
  const known = table.defects.find(({ defectId }) => defectId === value.defectId);
  if (known === undefined) {
    if (value.event === 'close') return [{ kind: 'drop', reason: 'step-of-unknown-defect' }];
    table.defects.push(defectOf(value, stream, sealedMs));
    if (table.defects.length > DEFECTS_MAX) forgetOldest(table);
    return NOTHING;
  }
  if (value.revision <= known.revision) return [{ kind: 'drop', reason: 'older-revision' }];
  known.revision = value.revision;
  if (value.event !== 'close' || value.endMs === null) return NOTHING;
  close(known.presentation, value.endMs, sealedOn(stream.presentation, sealedMs));
  const logEndMs = value.endMs - stream.presentation.lessLogMs;
  close(known.log, logEndMs, sealedMs);
  if (known.program === null) return NOTHING;
  const lengthMs = value.endMs - known.presentation.startMs;
  const endMs = value.programTimeEndMs ?? known.program.startMs + lengthMs;
  close(known.program, endMs, stream.program === null ? endMs : sealedOn(stream.program, sealedMs));
  return NOTHING;
}

function defectOf(value: StreamDefect, stream: TableStream, sealedMs: number): TableDefect {
  const { defectId, type, renditionId, vantage, revision, startMs, programTimeStartMs } = value;
  const backMs = value.chargeFromMs - startMs;
  const isPoint = value.event === 'point';
  const placed = (atMs: number, settledMs: number): Place => ({
    startMs: atMs,
    fromMs: Math.max(atMs + backMs, settledMs),
    toMs: isPoint ? atMs + POINT_MS : null,
  });
  return {
    defectId,
    type,
    renditionId,
    vantage,
    revision,
    presentation: placed(startMs, sealedOn(stream.presentation, sealedMs)),
    program:
      programTimeStartMs === null || stream.program === null
        ? null
        : placed(programTimeStartMs, sealedOn(stream.program, sealedMs)),
    uncertaintyMs: value.programTimeUncertaintyMs,
    log: placed(startMs - stream.presentation.lessLogMs, sealedMs),
  };
}

/** Ends where the stream says, but not within what is settled. */
function close(place: Place, endMs: number, settledMs: number): void {
  place.toMs = Math.max(endMs, settledMs, place.fromMs);
}

/** Streams that nobody speaks for, and defects that no viewer within the horizon can be in. */
function forgetOld(table: DefectTable, timeMs: number, sealedMs: number, horizonMs: number): void {
  for (const [key, { heardMs, program }] of table.streams) {
    if (timeMs - heardMs > (program === null ? IDLE_ON_DEMAND_MS : IDLE_MS)) table.streams.delete(key);
  }
  if (table.defects.length === 0) return;
  table.defects = table.defects.filter(
    ({ program, log }) => program === null || log.toMs === null || log.toMs > sealedMs - horizonMs,
  );
}

/** What lies before its end is not known any more. */
function forgetOldest(table: DefectTable): void {
  const { presentation, program } = table.defects.shift()!;
  for (const stream of table.streams.values()) {
    forgetBefore(stream.presentation, presentation);
    if (stream.program !== null && program !== null) forgetBefore(stream.program, program);
  }
}

function forgetBefore(axis: Axis, { fromMs, toMs }: Place): void {
  axis.sinceMs = Math.max(axis.sinceMs, toMs ?? fromMs);
}
