/**
 * `segment-error`: segments that are listed cannot be had, after one retry: two in a row, or 5 % of 60 s (definitions,
 * section 1). It names the rendition; from the first of them on, up to the end of the last one. Times are those of what the
 * segments hold, by the playlist.
 */
import { list, map, nullable, oneOf, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer } from '../../runtime/topology.ts';
import type { Detector } from './sample-detector.ts';
import { settingsFor } from './settings.ts';
import {
  type CloseCause,
  SEVERITIES,
  type Severity,
  type StreamStep,
  type Transition,
  type TransportStep,
} from './stream-step.ts';
import { isAnswer, type Segment, segmentsIn, statusText } from './transport-columns.ts';

const TYPE = 'segment-error';

const DEFAULTS = {
  /** So many in a row. */
  rowMin: 2,
  /** Or this share of `windowMs`, thousandths. */
  failedPermilleMin: 50,
  windowMs: 60_000,
  /** A defect of failures that come one by one is over when none came for this long; one of a row, with a segment that came. */
  joinMs: 10_000,
  /** Severity rises from medium to high, and to critical, with this much that is missing. */
  highAfterMs: 10_000,
  criticalAfterMs: 60_000,
};

const SPAN = struct({ startMs: 'long', endMs: 'long', offset: 'long' });
const OPEN = struct({
  startMs: 'long',
  endMs: 'long',
  /** Of what is missing. */
  failedMs: 'long',
  count: 'int',
  isRow: 'bool',
  severity: oneOf(...SEVERITIES),
  status: 'int',
  offset: 'long',
});
const RENDITION = struct({
  renditionId: 'string?',
  id: 'string',
  /** Failed segments of the last `windowMs`. */
  failed: list(SPAN),
  /** How many of the last of them were in a row. */
  row: 'int',
  /** Up to here segments were told. */
  toldToMs: 'long',
  open: nullable(OPEN),
});
const FIELDS = { renditions: map(RENDITION) } as const;
type State = StateOf<typeof FIELDS>;
type Rendition = StateOf<(typeof RENDITION)['fields']>;
type Open = StateOf<(typeof OPEN)['fields']>;

const reducer: Reducer<State, StreamStep | TransportStep, Transition> = {
  name: TYPE,
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ renditions: new Map() }),
  step(state, input, { config }) {
    if (input.kind === 'timer') return NOTHING;
    const given = input.value;
    if (given.kind === 'features') return NOTHING;
    if (given.kind === 'transport') {
      const settings = settingsFor(config, TYPE, DEFAULTS, given.scope);
      const effects: Effect<Transition>[] = [];
      for (const segment of segmentsIn(given.chunk)) {
        takeSegment(renditionOf(state, segment), segment, given.evidence.offset, settings, effects);
      }
      return effects;
    }
    if (given.why === 'signal-lost' || given.why === 'probe-lost') return NOTHING;
    const effects: Effect<Transition>[] = [];
    for (const rendition of state.renditions.values()) close(rendition, given.why, given.sentence, effects);
    state.renditions.clear();
    return given.why === 'retired' ? [...effects, { kind: 'forget' }] : effects;
  },
};

export const segmentError: Detector = {
  type: TYPE,
  defaults: DEFAULTS,
  reducer,
  judging: reducer,
  watches: () => true,
};

function renditionOf({ renditions }: State, { variant }: Segment): Rendition {
  let rendition = renditions.get(variant.id);
  if (rendition === undefined) {
    rendition = {
      renditionId: variant.renditionId,
      id: variant.id,
      failed: [],
      row: 0,
      toldToMs: 0,
      open: null,
    };
    renditions.set(variant.id, rendition);
  }
  return rendition;
}

function takeSegment(
  rendition: Rendition,
  { startMs, durationMs, status }: Segment,
  offset: number,
  settings: typeof DEFAULTS,
  effects: Effect<Transition>[],
): void {
  const endMs = startMs + durationMs;
  // Asked for once more, after the decoder began anew.
  if (endMs <= rendition.toldToMs) return;
  rendition.toldToMs = endMs;
  const windowFromMs = endMs - settings.windowMs;
  rendition.failed = rendition.failed.filter((span) => span.endMs > windowFromMs).slice(-FAILED_MAX);
  if (isAnswer(status)) {
    rendition.row = 0;
    const { open } = rendition;
    const isOver = open !== null && (open.isRow || endMs - open.endMs >= settings.joinMs);
    if (isOver) close(rendition, 'recovered', 'segments can be had again', effects);
    return;
  }
  rendition.failed.push({ startMs, endMs, offset });
  rendition.row++;
  if (rendition.open !== null) worsen(rendition, rendition.open, endMs, durationMs, settings, effects);
  else openIfEnough(rendition, status, settings, effects);
}

function openIfEnough(
  rendition: Rendition,
  status: number,
  settings: typeof DEFAULTS,
  effects: Effect<Transition>[],
): void {
  const { failed, row } = rendition;
  const isRow = row >= settings.rowMin;
  const failedMs = failed.reduce((total, { startMs, endMs }) => total + endMs - startMs, 0);
  if (!isRow && failedMs * 1_000 < settings.failedPermilleMin * settings.windowMs) return;
  // What a defect before this one had in it is over.
  const own = isRow ? failed.slice(-row) : failed;
  const first = own[0]!;
  const ownMs = own.reduce((total, { startMs, endMs }) => total + endMs - startMs, 0);
  const open: Open = {
    startMs: first.startMs,
    endMs: failed.at(-1)!.endMs,
    failedMs: ownMs,
    count: own.length,
    isRow,
    severity: severityOf(ownMs, settings),
    status,
    offset: first.offset,
  };
  rendition.open = open;
  effects.push(told(rendition, open, 'open', null, reasonOf(rendition, open)));
}

function worsen(
  rendition: Rendition,
  open: Open,
  endMs: number,
  durationMs: number,
  settings: typeof DEFAULTS,
  effects: Effect<Transition>[],
): void {
  open.endMs = endMs;
  open.failedMs += durationMs;
  open.count++;
  open.isRow = rendition.row >= settings.rowMin;
  const severity = severityOf(open.failedMs, settings);
  if (severity === open.severity) return;
  open.severity = severity;
  effects.push(told(rendition, open, 'update', null, reasonOf(rendition, open)));
}

function close(
  rendition: Rendition,
  cause: CloseCause,
  sentence: string,
  effects: Effect<Transition>[],
): void {
  const { open } = rendition;
  if (open === null) return;
  rendition.open = null;
  rendition.failed = [];
  effects.push(told(rendition, open, 'close', open.endMs, `${cause}: ${sentence}`));
}

function severityOf(failedMs: number, { highAfterMs, criticalAfterMs }: typeof DEFAULTS): Severity {
  if (failedMs >= criticalAfterMs) return 'critical';
  return failedMs >= highAfterMs ? 'high' : 'medium';
}

function reasonOf({ id }: Rendition, { count, isRow, failedMs, status }: Open): string {
  const how = isRow ? 'in a row' : 'within a minute';
  return `${count} segments of ${id} ${how} cannot be had (${statusText(status)}), ${failedMs} ms of it`;
}

function told(
  { renditionId }: Rendition,
  open: Readonly<Open>,
  kind: 'open' | 'update' | 'close',
  endMs: number | null,
  reason: string,
): Effect<Transition> {
  const value: Transition = {
    kind,
    type: TYPE,
    trackId: '',
    renditionId,
    atMs: open.endMs,
    startMs: open.startMs,
    endMs,
    durationMs: open.endMs - open.startMs,
    minMs: 0,
    joinMs: 0,
    severity: open.severity,
    confidencePermille: 1_000,
    reason,
    evidenceFirstOffset: open.offset,
  };
  return { kind: 'forward', value };
}

const FAILED_MAX = 200;
