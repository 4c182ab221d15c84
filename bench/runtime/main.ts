/**
 * `npm run bench:runtime`: what the runtime takes on a real Kafka, in one and in two processes, beside the limit that
 * fetching and walking the same batches sets. A run whose outputs are not those of an independent fold prints no figure.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startLocal } from '../../local/cluster.ts';
import { KAFKA_VERSION } from '../../local/versions.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { changelogsOf, check, createChangelogs, empty, fill } from './feed.ts';
import { type Expected, fold } from './fold.ts';
import type { Order, Taken } from './instance.ts';
import { type ProfileResult, profile } from './profile.ts';
import { bestOf, type Measured, type Round, renderTable } from './table.ts';
import { PARTITIONS, type Workload } from './workload.ts';
import { WORKLOADS, workloadOf } from './workloads.ts';

const HELP = `Usage: npm run bench:runtime -- [options]

Starts a Kafka of its own, fills topics, and prints for each workload, with 1 and with 2 processes: records/s,
CPU-seconds for a million records, peak memory, and the ratio to the bare-consume limit of the same round. Outputs
are held against an independent fold: a wrong run prints no figure.

  --workloads W1,W2    some of ${WORKLOADS.map(({ name }) => name).join(', ')} (all)
  --records N          records of each input (${WORKLOADS.map((one) => `${one.name}: ${one.records}`).join(', ')})
  --rounds N           the best of N rounds is printed (3)
  --processes 1,2      how many processes share the partitions (1,2)
  --in-memory          no Kafka: a worker over an input in memory, in this process, CPU only
  --layers             with --in-memory: where the time goes, as shares
  --cpu-profile FILE   with --in-memory and one workload: where the time goes, for Chrome's DevTools
  --json               one JSON document instead of the table
  --help`;

const { values } = parseArgs({
  options: {
    workloads: { type: 'string', default: WORKLOADS.map(({ name }) => name).join() },
    records: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    processes: { type: 'string', default: '1,2' },
    'in-memory': { type: 'boolean', default: false },
    layers: { type: 'boolean', default: false },
    'cpu-profile': { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${HELP}\n`);
else if (values['in-memory']) await inMemory();
else await onKafka();

async function onKafka(): Promise<void> {
  const workloads = values.workloads.split(',').map(workloadOf);
  const counts = values.processes.split(',').map((text) => wholeNumber('processes', text, PARTITIONS));
  const rounds = wholeNumber('rounds', values.rounds, 100);
  const cluster = await startLocal({ ephemeral: true, parts: ['kafka'], onProgress: () => {} });
  const brokers = [cluster.brokers];
  const port = await openKafkajsPort({ brokers, clientId: 'bench-runtime' });
  try {
    const measured: Measured[] = [];
    for (const workload of workloads) {
      const records = recordsOf(workload);
      say(`${workload.name}: filling ${workload.inputTopic} with ${records} records, and folding them`);
      const { recordBytes: bytes } = await fill(port, workload, records);
      const expected = fold(workload, records);
      for (const processes of counts) {
        const done: Round[] = [];
        for (let round = 0; round < rounds; round++) {
          done.push(await measure(port, brokers, workload, expected, processes, round));
          say(`${workload.name}, ${processes} process(es): ${JSON.stringify(done.at(-1))}`);
        }
        const { name, title, unit, evidencePerSecond } = workload;
        measured.push({ name, title, unit, evidencePerSecond, records, bytes, processes, ...bestOf(done) });
      }
    }
    const about = { ...machine(), rounds, partitions: PARTITIONS };
    process.stdout.write(
      values.json ? `${JSON.stringify({ ...about, measured }, null, 2)}\n` : renderTable(about, measured),
    );
  } finally {
    await port.close();
    await cluster.stop();
  }
}

/** The bare consumers first, then the topology over the same input, then what it wrote. */
async function measure(
  port: AdminPort,
  brokers: readonly string[],
  workload: Workload,
  expected: Expected,
  processes: number,
  round: number,
): Promise<Round> {
  const applicationId = `bench-${workload.name.toLowerCase()}-${processes}-${round}`;
  await createChangelogs(port, workload, applicationId);
  const order = { brokers, workload: workload.name, applicationId };
  const consumed = await runAll({ ...order, mode: 'consume' }, processes);
  const ran = await runAll({ ...order, mode: 'run' }, processes);
  await check(port, workload, expected);
  await empty(port, [...workload.outputTopics, ...changelogsOf(workload, applicationId)]);
  const [consume, run] = [together(consumed), together(ran)];
  return { ...run, consumePerSecond: consume.perSecond, consumeCpu: consume.cpuSecondsPerMillion };
}

async function runAll(order: Omit<Order, 'tasks'>, processes: number): Promise<readonly Taken[]> {
  const all = Array.from({ length: PARTITIONS }, (_, task) => task);
  const shares = Array.from({ length: processes }, (_, n) => all.filter((task) => task % processes === n));
  return Promise.all(shares.map((tasks) => runOne({ ...order, tasks })));
}

async function runOne(order: Order): Promise<Taken> {
  const file = fileURLToPath(new URL('instance.ts', import.meta.url));
  const child = fork(file, [JSON.stringify(order)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  let taken: Taken | null = null;
  child.on('message', (message) => {
    taken = message as Taken;
  });
  const [code] = await once(child, 'exit');
  if (code !== 0 || taken === null) throw new Error(`a process that was measured ended with ${code}`);
  return taken;
}

/** Several processes as one: from the first of their commits to the last. */
function together(taken: readonly Taken[]) {
  const fromMs = Math.min(...taken.map((one) => one.fromMs));
  const toMs = Math.max(...taken.map((one) => one.toMs));
  const records = taken.reduce((sum, one) => sum + one.records, 0);
  const recordsAll = taken.reduce((sum, one) => sum + one.recordsAll, 0);
  const cpu = taken.reduce((sum, one) => sum + one.cpuSecondsPerMillion * one.recordsAll, 0);
  const peakRssMb = taken.reduce((sum, one) => sum + one.peakRssMb, 0);
  return {
    perSecond: (records * 1_000) / (toMs - fromMs),
    cpuSecondsPerMillion: cpu / recordsAll,
    peakRssMb,
  };
}

async function inMemory(): Promise<void> {
  const cpuProfileFile = values['cpu-profile'];
  const results: ProfileResult[] = [];
  for (const workload of values.workloads.split(',').map(workloadOf)) {
    const withLayers = values.layers;
    const options = cpuProfileFile === undefined ? { withLayers } : { withLayers, cpuProfileFile };
    results.push(await profile(workload, recordsOf(workload), options));
    if (!values.json) process.stdout.write(`${JSON.stringify(results.at(-1))}\n`);
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ ...machine(), results }, null, 2)}\n`);
}

function recordsOf(workload: Workload): number {
  return values.records === undefined ? workload.records : wholeNumber('records', values.records, 1e9);
}

function machine() {
  const [first] = cpus();
  return {
    cores: availableParallelism(),
    processor: first?.model.trim() || 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    kafka: KAFKA_VERSION,
  };
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`--${name} ${text}: give a whole number from 1 to ${max}`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
