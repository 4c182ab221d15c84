/**
 * How fast a task restores, on a real Kafka: writes the state of many viewers' sessions into a changelog, in the way in
 * which a task commits them, then opens the task and shows progress, records per second and memory.
 *
 *     node bench/restore/main.ts [--keys 1000000] [--rounds 1]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { NO_CONFIGS } from '../../runtime/config-store.ts';
import { POSITIONS_STORE } from '../../runtime/define-topology.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import { OutputBuffer } from '../../runtime/output-buffer.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { ReducerGraph } from '../../runtime/reducer-graph.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { DEFAULT_LIMITS, Task } from '../../runtime/task.ts';
import { changelogTopic } from '../../runtime/task-inputs.ts';
import type { Topology } from '../../runtime/topology.ts';
import { TransactionalProducer } from '../../runtime/transactional-producer.ts';
import { testCluster, uniqueName } from '../../test/support/local-cluster.ts';
import { textCodec } from '../../test/support/text-topology.ts';
import { SESSIONS_STORE, sessionsTopology } from './sessions.ts';

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '1' },
    /** What the process that measures is given; see below. */
    open: { type: 'string' },
  },
});
const KEYS = Number(values.keys);
const ROUNDS = Number(values.rounds);
const NOW_MS = 1_700_000_000_000;
const ORIGIN = { topic: 'bench', partition: 0, offset: 0 };

const cluster = await testCluster();
const port = await openKafkajsPort({ brokers: cluster.brokers, clientId: 'bench-restore' });
try {
  if (values.open !== undefined) await measure(port, values.open);
  else {
    const name = uniqueName('bench-restore');
    await prepare(port, name);
    // in a process of its own, whose memory holds nothing else
    await run(process.execPath, ['--expose-gc', ...process.execArgv, process.argv[1]!, '--open', name]);
  }
} finally {
  await port.close();
  await cluster.stop();
}

async function prepare(port: AdminPort, name: string): Promise<void> {
  const { topology, input, output } = topologyOf(name);
  const one = (topic: string, configs = {}) => ({ topic, partitions: 1, replicas: 1, configs });
  await port.createTopics([
    one(input, { 'message.timestamp.type': 'LogAppendTime' }),
    one(output),
    one(changelogTopic(name, SESSIONS_STORE), { 'cleanup.policy': 'compact' }),
    one(changelogTopic(name, POSITIONS_STORE), { 'cleanup.policy': 'compact' }),
  ]);
  const bytes = await write(port, name, topology);
  say(`${KEYS * ROUNDS} records of ${KEYS} keys written, ${Math.round(bytes / KEYS / ROUNDS)} bytes each`);
}

function topologyOf(name: string) {
  const [input, output] = [`${name}-in`, `${name}-out`];
  return { topology: sessionsTopology(name, input, output), input, output };
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const env = {
    ...process.env,
    KAFKA_BROKERS: cluster.brokers.join(','),
    SCHEMA_REGISTRY_URL: cluster.registryUrl,
  };
  const child = spawn(command, [...args, '--keys', values.keys, '--rounds', values.rounds], {
    env,
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the process that measures ended with ${code}`);
}

async function write(port: AdminPort, applicationId: string, topology: Topology): Promise<number> {
  const producer = await TransactionalProducer.open({
    port,
    clock: systemClock,
    transactionalId: `${applicationId}-writer`,
    transactionTimeoutMs: 60_000,
  });
  const graph = new ReducerGraph(topology, {
    onEmit: () => {},
    onDrop: () => {},
    onLate: () => {},
    onDeadLetter: () => {},
  });
  const outputs = new OutputBuffer(DEFAULT_LIMITS.batchBytesMax);
  const topic = changelogTopic(applicationId, SESSIONS_STORE);
  const context = {
    configHash: 'default',
    config: null,
    sealedUpToMs: 0,
    sealedUpToMsOf: () => 0,
    sealsOf: () => [],
  };
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (let n = 0; n < KEYS; n++) {
      const timeMs = NOW_MS + round * 1_000;
      graph.process(topology.sources[0]!.topic, keyOf(n), 'event', timeMs, ORIGIN, context);
      if (n % 20_000 !== 19_999 && n !== KEYS - 1) continue;
      for (const { key, bytes: value } of graph.drainDirty()) {
        outputs.append({
          topic,
          partition: 0,
          key: Buffer.from(key),
          value,
          headers: [],
          timestampMs: timeMs,
        });
      }
      bytes += outputs.sizeBytes;
      const batches = outputs.take();
      producer.begin();
      await producer.send(batches);
      await producer.commit();
      outputs.recycle(batches);
    }
  }
  return bytes;
}

async function measure(port: AdminPort, name: string): Promise<void> {
  const { topology, input, output } = topologyOf(name);
  const before = memoryMb();
  const startedMs = performance.now();
  let shownMs = startedMs;
  let peakMb = 0;
  const task = await Task.open({
    applicationId: name,
    topology,
    task: 0,
    port,
    clock: systemClock,
    codec: textCodec,
    configs: NO_CONFIGS,
    partitions: new Map([
      [input, 1],
      [output, 1],
    ]),
    writerTasks: new Map(),
    limits: DEFAULT_LIMITS,
    hasSnapshots: false,
    assertOwned: async () => {},
    onRestore: ({ store, restored, remaining }) => {
      peakMb = Math.max(peakMb, process.memoryUsage().rss / 2 ** 20);
      const nowMs = performance.now();
      if (nowMs - shownMs < 1_000) return;
      shownMs = nowMs;
      say(`${store}: ${restored} records, ${remaining} to go`);
    },
  });
  const seconds = (performance.now() - startedMs) / 1_000;
  const { stateKeys, timers } = task.metrics();
  const after = memoryMb();
  await task.abandon();
  say(`${stateKeys} keys and ${timers} timers in ${seconds.toFixed(2)} s`);
  say(`${Math.round((KEYS * ROUNDS) / seconds)} records/s`);
  say(
    `live memory ${before} MB before, ${after} MB after: ${Math.round(((after - before) * 2 ** 20) / KEYS)} bytes a key`,
  );
  say(`peak resident ${Math.round(peakMb)} MB`);
}

function keyOf(n: number): string {
  return `session-${(n * 2_654_435_761) % 4_294_967_296}`;
}

/** Heap and array buffers, after a collection where the process was started with --expose-gc. */
function memoryMb(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return Math.round((heapUsed + arrayBuffers) / 2 ** 20);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
