import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeControl, PARTIAL_HEADER } from './control-records.ts';
import { defineTopology, TopologyError } from './define-topology.ts';
import type { OutputRecord } from './output-buffer.ts';
import { structCodec } from './struct-codec.ts';
import { TaskCore } from './task-core.ts';
import type { Reducer, Topology } from './topology.ts';

const HORIZON_MS = 1_000;

/** Numbers what comes for a key, up to five or until it was silent for a while; every third one goes on under `to`. */
const numbering = (
  name: string,
  to: (key: string) => string,
): Reducer<{ count: number }, string, string> => ({
  name,
  state: structCodec({ version: 1, fields: { count: 'int' } }),
  init: () => ({ count: 0 }),
  step(state, input) {
    if (input.kind === 'timer') return [{ kind: 'forget' }];
    state.count += 1;
    const { key, timeMs } = input;
    return [
      { kind: 'schedule', name: 'silent', dueMs: timeMs + HORIZON_MS },
      { kind: 'forward', value: `${name} ${key} ${state.count}`, to: 'stream-defects' },
      ...(state.count === 3
        ? [{ kind: 'forward' as const, value: input.value, key: to(key), to: 'second' }]
        : []),
      ...(state.count === 5 ? [{ kind: 'forget' as const }] : []),
    ];
  },
});

const topology = defineTopology({
  name: 'numbering',
  sources: [{ kind: 'source', topic: 'frame-features', span: 'same', writers: 'external' }],
  reducers: [
    {
      kind: 'reducer',
      reducer: numbering('first', (key) => `group-${key.charCodeAt(0) % 2}`),
      from: ['frame-features'],
      store: 'a',
    },
    { kind: 'reducer', reducer: numbering('second', (key) => key), from: ['first'], store: 'b' },
  ],
  sinks: [{ kind: 'sink', topic: 'stream-defects', from: ['first', 'second'], edge: 'same', sealed: false }],
  sealDelayMs: 0,
  stateHorizonMs: HORIZON_MS,
});

/** Counts what it sees of a key's group, which others feed as well, and says what the group's count is. */
const looking: Reducer<{ count: number }, string, string> = {
  name: 'looking',
  state: structCodec({ version: 1, fields: { count: 'int' } }),
  init: () => ({ count: 0 }),
  step(state, input, context) {
    if (input.kind === 'timer') return [{ kind: 'forget' }];
    const { key, timeMs } = input;
    const seen = context.read<{ count: number }>('second', `group-${key.charCodeAt(0) % 2}`)?.count ?? 0;
    state.count += seen;
    return [
      { kind: 'schedule', name: 'silent', dueMs: timeMs + HORIZON_MS },
      { kind: 'forward', value: `looking ${key} ${state.count} of ${seen}` },
    ];
  },
};

const joining = defineTopology({
  ...topology,
  name: 'joining',
  reducers: [
    ...topology.reducers,
    { kind: 'reducer', reducer: looking, from: ['frame-features'], reads: ['second'], store: 'c' },
  ],
  sinks: [
    {
      kind: 'sink',
      topic: 'stream-defects',
      from: ['first', 'second', 'looking'],
      edge: 'same',
      sealed: false,
    },
  ],
});

type Arrival = { readonly key: string; readonly timeMs: number; readonly isPartial?: boolean };
type Said = { readonly what: string; readonly timeMs: number; readonly isPartial: boolean };

function run(arrivals: readonly Arrival[], startMs: number | null, of: Topology = topology): readonly Said[] {
  const outputs: OutputRecord[] = [];
  const core = new TaskCore({
    topology: of,
    task: 0,
    partitions: new Map([
      ['frame-features', 1],
      ['stream-defects', 1],
    ]),
    writerTasks: new Map(),
    codec: {
      decode: (_topic, bytes) => Buffer.from(bytes).toString(),
      encode: (_topic, value) => Buffer.from(String(value)),
    },
    configOf: () => undefined,
    output: (draft) => outputs.push(draft.toRecord()),
    ...(startMs === null ? {} : { warmUp: { startMs } }),
  });
  const [source] = core.sources;
  const offered = arrivals.filter(({ timeMs }) => startMs === null || timeMs >= startMs);
  for (const [offset, { key, timeMs, isPartial }] of offered.entries()) {
    const headers = isPartial ? [[PARTIAL_HEADER, Buffer.from('1')] as const] : [];
    const record = { offset, timestampMs: timeMs, key: Buffer.from(key), value: Buffer.from('v'), headers };
    core.offer(source!, record);
  }
  const end = { offset: offered.length, timestampMs: 1_000_000, key: null, value: null };
  core.offer(source!, { ...end, headers: encodeControl({ kind: 'tick' }) });
  while (core.step().kind === 'processed');
  return outputs.map(({ value, timestampMs, headers }) => ({
    what: Buffer.from(value!).toString(),
    timeMs: timestampMs,
    isPartial: headers.some(([name]) => name === PARTIAL_HEADER),
  }));
}

const partialOf = (said: readonly Said[]) =>
  said.map(({ what, isPartial }) => `${what}${isPartial ? ' ?' : ''}`);

test('a key that was there before is partial, one that comes later is whole', () => {
  const arrivals = [
    { key: 'a', timeMs: 4_500 },
    { key: 'a', timeMs: 5_200 },
    { key: 'b', timeMs: 5_900 },
    { key: 'a', timeMs: 6_100 },
    { key: 'c', timeMs: 6_200 },
  ];
  assert.deepEqual(partialOf(run(arrivals, 5_000)), [
    'first a 1 ?',
    'first b 1 ?',
    'first a 2 ?',
    'first c 1',
  ]);
  assert.deepEqual(partialOf(run(arrivals, null)), [
    'first a 1',
    'first a 2',
    'first b 1',
    'first a 3',
    'second group-1 1',
    'first c 1',
  ]);
});

test('once it was silent for the horizon, it is whole again', () => {
  const at = (timeMs: number) => ({ key: 'a', timeMs });
  const said = partialOf(run([at(5_000), at(6_500), at(7_000), at(8_200)], 5_000));
  assert.deepEqual(said, ['first a 1 ?', 'first a 1', 'first a 2', 'first a 1']);
});

test('without a horizon everything is partial, and an input that is makes its state so', () => {
  const { stateHorizonMs, ...without } = topology;
  const late = [{ key: 'a', timeMs: 9_000 }];
  assert.equal(stateHorizonMs, HORIZON_MS);
  assert.deepEqual(partialOf(run(late, 5_000, without)), ['first a 1 ?']);
  assert.deepEqual(partialOf(run(late, 5_000)), ['first a 1']);
  const marked = [
    { key: 'a', timeMs: 9_000, isPartial: true },
    { key: 'a', timeMs: 9_100 },
    { key: 'b', timeMs: 9_200 },
  ];
  assert.deepEqual(partialOf(run(marked, 5_000)), ['first a 1 ?', 'first a 2 ?', 'first b 1']);
  assert.deepEqual(
    partialOf(run(marked, null)),
    ['first a 1', 'first a 2', 'first b 1'],
    'a live task does not ask',
  );
});

test('what looked at something partial is partial', () => {
  const at = (key: string, timeMs: number) => ({ key, timeMs });
  const late = [at('a', 5_900), at('c', 5_990), at('a', 6_200), at('a', 6_300), at('c', 7_100)];
  const said = partialOf(run(late, 5_000, joining)).filter((what) => what.startsWith('looking'));
  assert.deepEqual(said, [
    'looking a 0 of 0 ?',
    'looking c 0 of 0 ?',
    'looking a 0 of 0 ?',
    'looking a 1 of 1 ?',
    'looking c 1 of 1 ?',
  ]);
});

for (const one of [topology, joining]) {
  test(`what is not partial is what a run over everything says, ${one.name}`, () => {
    let [whole, partial] = [0, 0];
    const arrival = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), waitMs: fc.nat(700) });
    fc.assert(
      fc.property(
        fc.array(arrival, { minLength: 30, maxLength: 120 }),
        fc.nat(4_000),
        (steps, startAfterMs) => {
          let timeMs = 10_000;
          const arrivals = steps.map(({ key, waitMs }) => {
            timeMs += waitMs;
            return { key, timeMs };
          });
          const startMs = 10_000 + startAfterMs;
          const everything = new Set(run(arrivals, null, one).map((said) => `${said.timeMs} ${said.what}`));
          for (const said of run(arrivals, startMs, one)) {
            if (said.isPartial) partial += 1;
            else {
              whole += 1;
              assert.ok(everything.has(`${said.timeMs} ${said.what}`), `${said.what} at ${said.timeMs}`);
            }
          }
        },
      ),
      { numRuns: 300, seed: 7 },
    );
    assert.ok(whole > 500 && partial > 500, `${whole} whole and ${partial} partial`);
  });
}

test('a horizon of nothing is refused', () => {
  assert.throws(() => defineTopology({ ...topology, stateHorizonMs: 0 }), TopologyError);
});
