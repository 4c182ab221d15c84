/**
 * Four topologies with every mechanism of the runtime in them, over real topics and schemas:
 *
 *     frame-features --same--> sim-detecting --same, sealed--> stream-defects, stream-health
 *     playback-events + all of stream-defects, broadcast --> sim-scoring --repartition, sealed--> cohort-partials
 *     cohort-partials --> sim-merging --same, sealed--> cohort-windows
 *     all of cohort-windows + stream-defects --gathered--> sim-alerting --> qos-alerts
 *
 * State, timers that fall due together, windows with grace, late records, drops, dead letters, forgotten keys, looks at
 * another reducer's state, seals of inputs and configuration that goes on from one to the next are all in play. Most outputs carry a hash of everything that was seen before, in order, so that one
 * difference anywhere shows in all that follows.
 */
import { defineTopology } from '../../runtime/define-topology.ts';
import { list, structCodec } from '../../runtime/struct-codec.ts';
import type { Effect, Reducer, StepContext, Topology } from '../../runtime/topology.ts';
import { sessions, tumbling } from '../../runtime/window.ts';
import { windowed } from '../../runtime/windowed.ts';
import type {
  CohortPartial,
  CohortWindow,
  FrameFeatures,
  PlaybackEvent,
  QosAlert,
  StreamDefect,
  StreamHealth,
} from '../../schemas/records.ts';
import { alertOf, cohortOf, defectOf, healthOf, mix, mixText, partialOf } from './values.ts';

/** The slowest real-time detector needs this long to be sure; seals wait for it, and not a millisecond longer. */
const CONFIRM_MS = 1_500;
export const SILENT_MS = 1_200;
/** Timers fall due on this grid, so that many of a task's keys share a due time. */
export const GRID_MS = 250;
/** Programmes are called `programme-0` and so on, up to this many. */
export const PROGRAMMES_MAX = 24;
const TABLE_KEPT_MS = 2_000;

/** What a simulated configuration holds: it changes every later hash. */
export type SimulatedConfig = { readonly weight: number };

type Instant = { count: number; lastSeq: number; hash: number };

const instant: Reducer<Instant, FrameFeatures, StreamDefect> = {
  name: 'instant',
  state: structCodec({ version: 1, fields: { count: 'int', lastSeq: 'int', hash: 'int' } }),
  init: () => ({ count: 0, lastSeq: -1, hash: 0 }),
  step(state, input, context) {
    if (input.kind === 'timer') {
      state.hash = mix(mix(state.hash, input.dueMs), input.timeMs);
      const said = instantly('close', state, input.key, input.timeMs, context);
      return state.count % 2 === 0 ? [said, { kind: 'forget' }] : [said];
    }
    const { seq, event } = input.value;
    if (event === 'nonsense')
      return [{ kind: 'dead-letter', code: 'nonsense', reason: `nonsense at ${seq}` }];
    if (seq < 0) return [{ kind: 'drop', reason: 'negative-seq' }];
    if (seq <= state.lastSeq) return [{ kind: 'drop', reason: 'repeated-chunk' }];
    state.lastSeq = seq;
    state.count += 1;
    state.hash = mix(mix(mix(mix(state.hash, seq), input.timeMs), weightOf(context)), context.sealedUpToMs);
    const said = instantly(event === 'probe-lost' ? 'lost' : 'open', state, input.key, input.timeMs, context);
    if (event === 'probe-lost') return [said, { kind: 'forget' }];
    return [said, { kind: 'schedule', name: 'silent', dueMs: input.timeMs + SILENT_MS }];
  },
};

type Slow = { starts: number[] };
const SLOTS = 4;

/** Is sure of a trouble only {@link CONFIRM_MS} after it began, and dates it back to there. */
const slow: Reducer<Slow, FrameFeatures, StreamDefect> = {
  name: 'slow',
  state: structCodec({ version: 1, fields: { starts: list('long') } }),
  init: () => ({ starts: Array.from({ length: SLOTS }, () => -1) }),
  step(state, input, context) {
    if (input.kind === 'timer') {
      const slot = Number(input.name.slice('confirm-'.length));
      const startMs = state.starts[slot]!;
      state.starts[slot] = -1;
      const said: Effect<StreamDefect> = {
        kind: 'forward',
        value: defectOf({
          event: 'confirmed',
          revision: slot,
          programmeId: input.key,
          type: 'slow',
          startMs,
          detectedAtMs: input.timeMs,
          evidenceFirstOffset: input.dueMs,
          programTimeStartMs: null,
          configHash: context.configHash,
        }),
      };
      return state.starts.some((start) => start >= 0) ? [said] : [said, { kind: 'forget' }];
    }
    const { seq, event } = input.value;
    if (seq < 0 || seq % 2 === 1 || event === 'nonsense') return [];
    const slot = seq % SLOTS;
    if (seq % 14 === 0) {
      state.starts[slot] = -1;
      return [{ kind: 'cancel', name: `confirm-${slot}` }];
    }
    state.starts[slot] = input.timeMs;
    const dueMs = Math.floor(input.timeMs / GRID_MS) * GRID_MS + CONFIRM_MS;
    return [{ kind: 'schedule', name: `confirm-${slot}`, dueMs }];
  },
};

type Tally = { count: number; sum: number };
const tallyCodec = structCodec({ version: 1, fields: { count: 'int', sum: 'int' } });

const health = windowed<FrameFeatures, Tally, StreamHealth>({
  name: 'health',
  windows: tumbling({ sizeMs: 1_000, graceMs: 300 }),
  timeOf: (value) => value.decodedAtMs,
  aggregate: tallyCodec,
  init: () => ({ count: 0, sum: 0 }),
  add: (tally, value) => addTo(tally, value.seq),
  result: (key, { startMs, endMs }, tally) => healthOf(key, startMs, endMs, tally.count, tally.sum),
});

const detecting = defineTopology({
  name: 'sim-detecting',
  sources: [{ kind: 'source', topic: 'frame-features', span: 'same', writers: 'external' }],
  reducers: [
    { kind: 'reducer', reducer: instant, from: ['frame-features'], store: 'streams' },
    { kind: 'reducer', reducer: slow, from: ['frame-features'], store: 'streams' },
    { kind: 'reducer', reducer: health, from: ['frame-features'], store: 'health' },
  ],
  sinks: [
    { kind: 'sink', topic: 'stream-defects', from: ['instant', 'slow'], edge: 'same', sealed: true },
    { kind: 'sink', topic: 'stream-health', from: ['health'], edge: 'same', sealed: false },
  ],
  sealDelayMs: CONFIRM_MS,
});

const viewing = windowed<PlaybackEvent, Tally, CohortPartial>({
  name: 'viewing',
  windows: sessions({ gapMs: 400, graceMs: 200 }),
  timeOf: (value, logTimeMs) => value.clientTimeMs ?? logTimeMs,
  aggregate: tallyCodec,
  init: () => ({ count: 0, sum: 0 }),
  add: (tally, value) => addTo(tally, value.sn ?? 0),
  merge: (into, other) => {
    into.count += other.count;
    into.sum = (into.sum + other.sum) | 0;
  },
  result: (key, { startMs, endMs }, { count, sum }) =>
    partialOf({
      programmeId: key,
      windowStartMs: startMs,
      sessions: count,
      scoreSum: mix(sum, endMs),
      configHash: '',
    }),
});

type Order = { count: number; hash: number };
const orderCodec = structCodec({ version: 1, fields: { count: 'int', hash: 'int' } });

/** What every task of sim-scoring knows of a programme; forgotten when nothing came for a while. */
const table: Reducer<Order, StreamDefect, never> = {
  name: 'table',
  state: orderCodec,
  init: () => ({ count: 0, hash: 0 }),
  step(state, input) {
    if (input.kind === 'timer') return [{ kind: 'forget' }];
    state.count += 1;
    state.hash = mix(mixText(state.hash, input.value.event), input.value.revision);
    return [{ kind: 'schedule', name: 'forget', dueMs: input.timeMs + TABLE_KEPT_MS }];
  },
};

/** Sees both inputs of sim-scoring in their merged order, and with each event what is known of a programme by then. */
const mixed: Reducer<Order, PlaybackEvent | StreamDefect, CohortPartial> = {
  name: 'mixed',
  state: orderCodec,
  init: () => ({ count: 0, hash: 0 }),
  step(state, input, context) {
    if (input.kind === 'timer') return [];
    const { value } = input;
    state.count += 1;
    state.hash = mix(mixText(state.hash, 'sn' in value ? value.sessionKey : value.programmeId), input.timeMs);
    if (!('sn' in value)) {
      state.hash = mix(state.hash, value.revision);
      return [];
    }
    const programmeId = `programme-${(state.hash >>> 5) % PROGRAMMES_MAX}`;
    const known = context.read<Order>('table', programmeId);
    state.hash = mix(mix(state.hash, known?.count ?? -1), known?.hash ?? -1);
    const sealedMs = context.sealedUpToMsOf('stream-defects', programmeId);
    state.hash = mix(state.hash, sealedMs);
    state.hash = mix(state.hash, (value.sn ?? 0) * weightOf(context));
    if (state.hash % 2 !== 0) return [];
    const leaf = `leaf-${(state.hash >>> 3) % 9}`;
    const { configHash } = context;
    const fields = { programmeId: leaf, windowStartMs: input.timeMs, sessions: state.count, configHash };
    // whose seal it saw, and which
    const seal = { cdn: programmeId, windowEndMs: sealedMs };
    return [{ kind: 'forward', key: leaf, value: partialOf({ ...fields, ...seal, scoreSum: state.hash }) }];
  },
};

const scoring = defineTopology({
  name: 'sim-scoring',
  sources: [
    { kind: 'source', topic: 'playback-events', span: 'same', writers: 'external' },
    { kind: 'source', topic: 'stream-defects', span: 'broadcast', writers: 'same' },
  ],
  reducers: [
    { kind: 'reducer', reducer: viewing, from: ['playback-events'], store: 'sessions' },
    { kind: 'reducer', reducer: table, from: ['stream-defects'], store: 'table' },
    {
      kind: 'reducer',
      reducer: mixed,
      from: ['playback-events', 'stream-defects'],
      reads: ['table'],
      store: 'mixed',
      keyOf: () => 'all',
    },
  ],
  sinks: [
    { kind: 'sink', topic: 'cohort-partials', from: ['viewing', 'mixed'], edge: 'repartition', sealed: true },
  ],
  sealDelayMs: 500,
});

/** Sees the partials of all writers in their merged order. */
const order: Reducer<Order, CohortPartial, CohortPartial> = {
  name: 'order',
  state: orderCodec,
  init: () => ({ count: 0, hash: 0 }),
  step(state, input, context) {
    if (input.kind === 'timer') return [];
    const { value } = input;
    state.count += 1;
    state.hash = mix(mix(mixText(state.hash, value.programmeId), input.timeMs), value.scoreSum);
    state.hash = mix(state.hash, weightOf(context));
    for (const sealedMs of context.sealsOf('cohort-partials', value.programmeId))
      state.hash = mix(state.hash, sealedMs);
    return [{ kind: 'forward', key: value.programmeId, value: { ...value, scoreSum: state.hash } }];
  },
};

/** Says every second partial of a leaf, and what is left on the next point of the grid. */
const leaves: Reducer<Order, CohortPartial, CohortWindow> = {
  name: 'leaves',
  state: orderCodec,
  init: () => ({ count: 0, hash: 0 }),
  step(state, input, { configHash }) {
    if (input.kind === 'timer') {
      const said = leafSaid(state, input.key, mix(input.dueMs, input.timeMs), configHash);
      return [said, { kind: 'forget' }];
    }
    state.count += 1;
    state.hash = mix(state.hash, input.value.scoreSum);
    if (state.count % 2 === 0) return [leafSaid(state, input.key, input.timeMs, configHash)];
    const dueMs = (Math.floor(input.timeMs / GRID_MS) + 3) * GRID_MS;
    return [{ kind: 'schedule', name: 'flush', dueMs }];
  },
};

const merging = defineTopology({
  name: 'sim-merging',
  sources: [{ kind: 'source', topic: 'cohort-partials', span: 'same', writers: 'repartition' }],
  reducers: [
    { kind: 'reducer', reducer: order, from: ['cohort-partials'], store: 'order', keyOf: () => 'all' },
    { kind: 'reducer', reducer: leaves, from: ['order'], store: 'leaves' },
  ],
  sinks: [{ kind: 'sink', topic: 'cohort-windows', from: ['leaves'], edge: 'same', sealed: true }],
  sealDelayMs: 500,
});

/** Numbers everything that is said anywhere, and reports on a clock of its own. */
const numbering: Reducer<Order, CohortWindow | StreamDefect, QosAlert> = {
  name: 'numbering',
  state: orderCodec,
  init: () => ({ count: 0, hash: 0 }),
  step(state, input, context) {
    if (input.kind === 'timer') {
      state.hash = mix(mix(state.hash, input.dueMs), input.timeMs);
      return [{ kind: 'forward', value: alertOf(state.count, 'report', input.timeMs, String(state.hash)) }];
    }
    const { value } = input;
    state.count += 1;
    state.hash = mix(mixText(state.hash, value.programmeId), input.timeMs);
    state.hash = mix(state.hash, 'scoreSum' in value ? value.scoreSum : value.revision * weightOf(context));
    const reportAt: Effect<QosAlert> = {
      kind: 'schedule',
      name: 'report',
      dueMs: (Math.floor(input.timeMs / 1_000) + 1) * 1_000,
    };
    if (state.count % 4 !== 0) return [reportAt];
    const said = alertOf(state.count, value.programmeId, input.timeMs, String(state.hash));
    return [reportAt, { kind: 'forward', value: said }];
  },
};

const alerting = defineTopology({
  name: 'sim-alerting',
  sources: [
    { kind: 'source', topic: 'cohort-windows', span: 'all', writers: 'same' },
    { kind: 'source', topic: 'stream-defects', span: 'all', writers: 'same' },
  ],
  reducers: [
    {
      kind: 'reducer',
      reducer: numbering,
      from: ['cohort-windows', 'stream-defects'],
      store: 'numbers',
      keyOf: () => 'all',
    },
  ],
  sinks: [{ kind: 'sink', topic: 'qos-alerts', from: ['numbering'], edge: 'same', sealed: false }],
  sealDelayMs: 500,
});

/** In the order of the data flow. */
export const SIMULATED_TOPOLOGIES: readonly Topology[] = [detecting, scoring, merging, alerting];

export const SOURCE_TOPICS = ['frame-features', 'playback-events'] as const;
/** Compared record by record. */
export const DERIVED_TOPICS = [
  'stream-defects',
  'stream-health',
  'cohort-partials',
  'cohort-windows',
  'qos-alerts',
] as const;
/** Unordered: compared as multisets. */
export const SIDELINE_TOPICS = ['late-records', 'dead-letters'] as const;

function instantly(
  event: string,
  state: Instant,
  programmeId: string,
  timeMs: number,
  context: StepContext,
): Effect<StreamDefect> {
  const { configHash, sealedUpToMs } = context;
  const found = { event, revision: state.count, programmeId, type: 'instant', startMs: timeMs };
  const evidence = { evidenceFirstOffset: state.hash >>> 0, programTimeStartMs: sealedUpToMs, configHash };
  return { kind: 'forward', value: defectOf({ ...found, ...evidence, detectedAtMs: timeMs }) };
}

function leafSaid(state: Order, leaf: string, timeMs: number, configHash: string): Effect<CohortWindow> {
  const fields = { programmeId: leaf, windowStartMs: timeMs, sessions: state.count, configHash };
  return { kind: 'forward', value: cohortOf({ ...fields, scoreSum: state.hash }) };
}

function addTo(tally: Tally, value: number): void {
  tally.count += 1;
  tally.sum = (tally.sum + Math.imul(value, 2_654_435)) | 0;
}

function weightOf(context: StepContext): number {
  return (context.config as SimulatedConfig | null)?.weight ?? 1;
}
