/** One input of its own, one that every task reads, and a look from the first at what the second left behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeControl } from './control-records.ts';
import { defineTopology } from './define-topology.ts';
import { applicationIdOf, deployTopics, partitionCounts } from './deploy.ts';
import { fixedGroup } from './group-session.ts';
import { MemoryBroker } from './memory-broker.ts';
import type { OutputRecord } from './output-buffer.ts';
import { partitionOf } from './partitioner.ts';
import type { FetchedPartition, FetchRequest, LogPort } from './port.ts';
import { structCodec } from './struct-codec.ts';
import type { FetchingCodec } from './task.ts';
import { TaskCore, type TaskPosition } from './task-core.ts';
import type { Reducer } from './topology.ts';
import { TopologyTestDriver } from './topology-test-driver.ts';
import { VirtualClock } from './virtual-clock.ts';
import { Worker } from './worker.ts';

type Count = { count: number };
const countCodec = structCodec({ version: 1, fields: { count: 'int' } });

const table: Reducer<Count, string, string> = {
  name: 'table',
  state: countCodec,
  init: () => ({ count: 0 }),
  step(state) {
    state.count += 1;
    return [];
  },
};

/** The value of an event is the programme that is watched. */
const session: Reducer<Count, string, string> = {
  name: 'session',
  state: countCodec,
  init: () => ({ count: 0 }),
  step(state, input, context) {
    if (input.kind === 'timer') return [];
    state.count += 1;
    const defects = context.read<Count>('table', input.value)?.count ?? 'no';
    const sealedMs = context.sealedUpToMsOf('stream-defects', input.value);
    const value = `${input.key} ${state.count}: ${defects} defects of ${input.value}, sealed to ${sealedMs}`;
    return [{ kind: 'forward', value }];
  },
};

const joining = defineTopology({
  name: 'joining',
  sources: [
    { kind: 'source', topic: 'playback-events', span: 'same', writers: 'external' },
    { kind: 'source', topic: 'stream-defects', span: 'broadcast', writers: 'same' },
  ],
  reducers: [
    { kind: 'reducer', reducer: table, from: ['stream-defects'], store: 'table' },
    { kind: 'reducer', reducer: session, from: ['playback-events'], reads: ['table'], store: 'sessions' },
  ],
  sinks: [{ kind: 'sink', topic: 'qos-scores', from: ['session'], edge: 'same', sealed: false }],
  sealDelayMs: 0,
});

const PARTITIONS = 3;
const codec: FetchingCodec = {
  decode: (_topic, bytes) => Buffer.from(bytes).toString(),
  encode: (_topic, value) => Buffer.from(String(value)),
  fetchSchema: async () => true,
};
const programmes = Array.from({ length: PARTITIONS }, (_, p) => keyIn(p, 'programme'));

function openCore(position: TaskPosition | null = null) {
  const outputs: OutputRecord[] = [];
  const core = new TaskCore({
    topology: joining,
    task: 1,
    partitions: new Map(
      ['playback-events', 'stream-defects', 'qos-scores'].map((topic) => [topic, PARTITIONS]),
    ),
    writerTasks: new Map(),
    codec,
    configOf: () => undefined,
    output: (draft) => outputs.push(draft.toRecord()),
  });
  if (position !== null) core.restore(position);
  let offset = 1_000 * (position === null ? 0 : 1);
  const give = (
    topic: string,
    partition: number,
    key: string | null,
    value: string | null,
    timestampMs: number,
  ) => {
    const source = core.sources.find((one) => one.topic === topic && one.partition === partition)!;
    const headers = key === null ? encodeControl({ kind: 'seal', sealedUpToMs: Number(value) }) : [];
    const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
    const fields = { key: bytes(key), value: key === null ? null : bytes(value), headers };
    core.offer(source, { offset, timestampMs, ...fields });
    offset += 1;
  };
  const said = () => {
    while (core.step().kind === 'processed');
    return outputs.splice(0).map(({ value }) => Buffer.from(value!).toString());
  };
  return { core, give, said };
}

/** Every partition of the broadcast says something, so that what comes before can be taken. */
function sealAll({ give }: ReturnType<typeof openCore>, atMs: number): void {
  for (let p = 0; p < PARTITIONS; p++) give('stream-defects', p, null, String(atMs - 3_000), atMs);
}

test('a task reads its own partition of one input and all of the broadcast, in the order of log time', () => {
  const opened = openCore();
  const { core, give, said } = opened;
  assert.deepEqual(
    core.sources.map(({ topic, partition }) => `${topic}/${partition}`),
    ['playback-events/1', 'stream-defects/0', 'stream-defects/1', 'stream-defects/2'],
  );
  const viewer = keyIn(1, 'viewer');
  give('playback-events', 1, viewer, programmes[0]!, 10_000);
  give('playback-events', 1, viewer, programmes[0]!, 10_200);
  give('stream-defects', 0, programmes[0]!, 'freeze', 10_100);
  assert.deepEqual(said(), [], 'partitions 1 and 2 may still bring something earlier');
  sealAll(opened, 10_500);
  assert.deepEqual(said(), [
    `${viewer} 1: no defects of ${programmes[0]}, sealed to 0`,
    `${viewer} 2: 1 defects of ${programmes[0]}, sealed to 0`,
  ]);
  give('playback-events', 1, viewer, programmes[0]!, 10_600);
  give('playback-events', 1, viewer, programmes[1]!, 10_700);
  give('stream-defects', 0, null, '7700', 10_600);
  sealAll(opened, 11_000);
  assert.deepEqual(said(), [
    `${viewer} 3: 1 defects of ${programmes[0]}, sealed to 7500`,
    `${viewer} 4: no defects of ${programmes[1]}, sealed to 7500`,
  ]);
});

test('a look makes no state, changes none, and decodes what was restored', () => {
  const before = openCore();
  before.give('stream-defects', 2, programmes[2]!, 'freeze', 5_000);
  before.give('playback-events', 1, null, '0', 6_100);
  for (const atMs of [6_000, 6_050]) sealAll(before, atMs);
  assert.deepEqual(before.said(), []);
  const saved = before.core.graph.drainDirty();
  assert.deepEqual(
    saved.map(({ store, key }) => `${store} ${key}`),
    [`table ${programmes[2]}`],
  );

  const after = openCore(JSON.parse(JSON.stringify(before.core.position())) as TaskPosition);
  for (const { store, key, bytes } of saved) after.core.graph.restore(store, key, bytes);
  const viewer = keyIn(1, 'viewer');
  after.give('playback-events', 1, viewer, programmes[2]!, 6_500);
  after.give('playback-events', 1, viewer, programmes[0]!, 6_600);
  sealAll(after, 7_000);
  assert.deepEqual(after.said(), [
    `${viewer} 1: 1 defects of ${programmes[2]}, sealed to 3000`,
    `${viewer} 2: no defects of ${programmes[0]}, sealed to 3050`,
  ]);
  assert.deepEqual(
    after.core.graph.drainDirty().map(({ store, key }) => `${store} ${key}`),
    [`sessions ${viewer}`],
  );
  assert.equal(after.core.graph.keyCount, 2);
});

test('a position of version 1 knows of no seals, and is read', () => {
  const { core, said } = openCore();
  assert.deepEqual(said(), []);
  const { configSinceMs, sources, ...rest } = core.position();
  assert.equal(configSinceMs, 0);
  const old = {
    ...rest,
    version: 1 as const,
    sources: sources.map(({ channels, ...source }) => ({
      ...source,
      channels: channels.map(({ nextOffset, boundMs }) => ({ nextOffset, boundMs })),
    })),
  };
  assert.deepEqual(openCore(old).core.position(), core.position());
});

test('looking at what was not declared, or asking for the seal of what is not read, is an error', () => {
  const driver = (step: Reducer<Count, string, string>['step']) => {
    const reducers = joining.reducers.map((node) =>
      node.reducer.name === 'session' ? { ...node, reducer: { ...session, step } } : node,
    );
    return new TopologyTestDriver({ ...joining, reducers });
  };
  const give = (one: TopologyTestDriver) =>
    one.graph.process('playback-events', 'v', 'p', 1, ORIGIN, SURROUNDINGS);
  assert.throws(
    () => give(driver((_state, _input, context) => (context.read('session', 'v') === undefined ? [] : []))),
    /session looks at session, which is not among its 'reads'/,
  );
  const { core } = openCore();
  const foreign = keyIn(2, 'viewer');
  assert.throws(
    () => core.context.sealedUpToMsOf('playback-events', foreign),
    /does not read playback-events\/2/,
  );
});

const ORIGIN = { topic: 'playback-events', partition: 0, offset: 0 };
const SURROUNDINGS = {
  configHash: '',
  config: null,
  sealedUpToMs: 0,
  sealedUpToMsOf: () => 0,
  sealsOf: () => [],
};

test('the driver takes seals of inputs, and gives them to whoever goes on from its state', () => {
  const driver = new TopologyTestDriver(joining, { partitions: PARTITIONS });
  const [first, second] = [programmes[0]!, programmes[1]!];
  driver.pipeSeal('stream-defects', 2_000, 5_000, 0);
  const process = (one: TopologyTestDriver, programme: string, atMs: number) => {
    one.advanceTo(atMs);
    one.pipe('playback-events', 'viewer', programme as never, atMs);
    return one.outputs('qos-scores').at(-1)!.value as unknown as string;
  };
  assert.equal(process(driver, first, 5_100), `viewer 1: no defects of ${first}, sealed to 2000`);
  assert.equal(process(driver, second, 5_200), `viewer 2: no defects of ${second}, sealed to 0`);
  const next = new TopologyTestDriver(joining, { partitions: PARTITIONS, restoreFrom: driver.save() });
  assert.equal(process(next, first, 5_300), `viewer 3: no defects of ${first}, sealed to 2000`);
  assert.throws(() => driver.pipeSeal('qos-scores', 1, 6_000), /no source qos-scores/);
  assert.throws(() => driver.pipeSeal('stream-defects', 1, 6_000, 3), /has 3 partitions/);
});

/** A cluster in which `stream-defects` is written by hand. */
async function cluster() {
  const clock = new VirtualClock({ startMs: 1_700_000_000_000 });
  const broker = new MemoryBroker({ clock });
  const admin = broker.openPort({ clientId: 'deploy' });
  await clock.run(deployTopics(admin, { topologies: [joining], applicationIdOf, partitions: PARTITIONS }));
  const partitions = await clock.run(partitionCounts(admin));
  const work = (tasks?: readonly number[]) =>
    new Worker({
      topology: joining,
      applicationId: applicationIdOf(joining),
      port: strict(broker.openPort({ clientId: 'joining' })),
      clock,
      codec,
      configs: { get: () => undefined, fetch: async () => assert.fail('no configuration was said') },
      limits: { tickEveryMs: 1_000, sealWaitMs: 10_000 },
      partitions,
      writerTasks: new Map(),
      openGroup: fixedGroup(tasks),
      onEvent: () => {},
    });
  const defect = (partition: number) =>
    broker.append(
      'stream-defects',
      partition,
      Buffer.from(programmes[partition]!),
      Buffer.from('freeze'),
      clock.nowMs(),
    );
  const seal = () => {
    for (let p = 0; p < PARTITIONS; p++) {
      const headers = encodeControl({ kind: 'seal', sealedUpToMs: clock.nowMs() });
      broker.append('stream-defects', p, null, null, clock.nowMs(), headers);
    }
  };
  const watch = (task: number, programme: string) =>
    broker.append('playback-events', task, Buffer.from(keyIn(task, 'viewer')), Buffer.from(programme));
  const said = () =>
    Array.from({ length: PARTITIONS }, (_, p) =>
      broker.dump('qos-scores', p).map(({ value }) =>
        Buffer.from(value!)
          .toString()
          .replace(/, sealed.*/, ''),
      ),
    );
  return { clock, broker, work, defect, seal, watch, said };
}

/** A fetch has one place in each partition, whatever the protocol would make of two. */
function strict(port: LogPort): LogPort {
  const fetch = async (requests: readonly FetchRequest[], maxWaitMs: number, maxBytes: number) => {
    const names = requests.map(({ topic, partition }) => `${topic}/${partition}`);
    assert.equal(new Set(names).size, names.length, `two places in one partition: ${names}`);
    return port.fetch(requests, maxWaitMs, maxBytes) as Promise<readonly FetchedPartition[]>;
  };
  return new Proxy(port, {
    get: (target, name) => {
      if (name === 'fetch') return fetch;
      const member = target[name as keyof LogPort];
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

test('tasks of one instance that stand at different places of the broadcast each get all of it, once', async () => {
  const { clock, work, defect, seal, watch, said } = await cluster();
  for (let i = 0; i < 50; i++) defect(i % PARTITIONS);
  seal();
  const first = work([1]);
  await clock.advance(2_000);
  await clock.run(first.stop());
  for (let i = 0; i < 10; i++) defect(0);
  const all = work();
  await clock.advance(500);
  for (let task = 0; task < PARTITIONS; task++) watch(task, programmes[0]!);
  await clock.advance(100);
  seal();
  await clock.advance(2_000);
  assert.deepEqual(
    said(),
    Array.from({ length: PARTITIONS }, (_, task) => [
      `${keyIn(task, 'viewer')} 1: 27 defects of ${programmes[0]}`,
    ]),
  );
  await clock.run(all.stop());
});

test('without a writer readers go on after the bound, then about once a second, as far as log time is known', async () => {
  const { clock, broker, work, seal, watch, said } = await cluster();
  const workers = [work([0]), work([1, 2])];
  const lagMs: number[] = [];
  for (let tenths = 0; tenths < 300; tenths++) {
    if (tenths < 50 && tenths % 10 === 0) seal();
    for (let task = 0; task < PARTITIONS; task++) watch(task, programmes[0]!);
    await clock.advance(100);
    if (tenths > 170) lagMs.push(...said().map((one) => (tenths + 1 - one.length) * 100));
  }
  for (const of of said()) assert.ok(of.length > 280, `${of.length} of 300 events were taken`);
  assert.ok(Math.max(...lagMs) <= 2_500, `up to ${Math.max(...lagMs)} ms behind`);
  for (let p = 0; p < PARTITIONS; p++) {
    const ticks = broker.dump('stream-defects', p).length - 5;
    assert.ok(ticks >= 10 && ticks <= 25, `${ticks} ticks in partition ${p} in 15 s`);
  }
  await clock.run(Promise.all(workers.map((worker) => worker.stop())));
});

/** A key of which murmur2 names this partition. */
function keyIn(partition: number, what: string): string {
  for (let i = 0; ; i++) {
    const key = `${what}-${i}`;
    if (partitionOf(Buffer.from(key), PARTITIONS) === partition) return key;
  }
}
