/**
 * Placement is a detail: over the same frozen source topics, on a real broker, one process that runs everything, one
 * process for each topology, and two of each with one killed in the middle say the very same. Then the tools that a
 * person would use look at the last of these runs, as they look at any deployment.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import type { AuditedTask } from '../../cli/replay/audit.ts';
import type { Difference } from '../../cli/replay/output-check.ts';
import { TOPOLOGIES } from '../../cli/topologies.ts';
import { REPOSITORY } from '../../local/folders.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { newTopics } from '../../schemas/topics.ts';
import { ChaosRun } from '../chaos/chaos-run.ts';
import { compare, type Side } from '../chaos/comparison.ts';
import { batchesText, countOf, readByUs, readToEnd, untilWritten } from '../chaos/evidence.ts';
import type { Instance } from '../chaos/instances.ts';
import { resolveJavaParts } from '../chaos/java-parts.ts';
import { KafkaNodes } from '../chaos/kafka-nodes.ts';
import { LogReader } from '../chaos/log-reader.ts';
import { QUIET_LIMITS, referenceOf } from '../chaos/reference.ts';
import { copySources } from '../chaos/replay-scenarios.ts';
import { knownSchemas, openSchemas } from '../chaos/schemas.ts';
import type { Strike } from '../chaos/struck-port.ts';
import { comparedTopics, SUBJECTS } from '../chaos/subject.ts';
import { testCluster } from '../support/local-cluster.ts';
import { changeByte } from './damage.ts';
import { frozenSources, PARTITIONS } from './frozen-sources.ts';
import { LATER_FREEZE, LAX_REBUFFERING, outcomeOf } from './predictions.ts';

const cluster = await testCluster();
after(() => cluster.stop());
// of its own, because it is stopped and damaged in the end
const kafka = await KafkaNodes.start({ parts: await resolveJavaParts(), nodes: 1, heapMebibytes: 384 });
after(() => kafka.close());
const folder = mkdtempSync(path.join(tmpdir(), 'everyview-placement-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const NAMES = TOPOLOGIES.map(({ name }) => name);
const SUBJECT = SUBJECTS.real;
/** Alerting has one, the others one for each partition. */
const TASKS = (TOPOLOGIES.length - 1) * PARTITIONS + 1;
const STRUCK_MS_MAX = 120_000;
/** Recent, because a broker refuses what is of the future, and deletes what is old. */
const START_MS = Math.floor(systemClock.nowMs() / 600_000) * 600_000 - 1_800_000;

const schemas = await openSchemas(cluster.registryUrl);
const sources = await frozenSources(START_MS, schemas.codec);
const { codec, fingerprintOf } = await knownSchemas(schemas.registry, sources);
const { contents: reference } = await referenceOf({
  topologies: TOPOLOGIES,
  subject: SUBJECT,
  inputs: sources,
  partitions: PARTITIONS,
  codec,
});

type Placement = {
  readonly name: string;
  /** Topologies of each process. */
  readonly processes: readonly (readonly string[])[];
  /** For the first process of its topology. */
  readonly strike?: Strike;
  /** Named as a deployment, for its tools; and in many small commits. */
  readonly isDeployed?: boolean;
};

/** The processes have done all that there is to do, and have ended. */
async function placed(placement: Placement): Promise<ChaosRun> {
  const { name, isDeployed = false } = placement;
  const run = await ChaosRun.open({
    name,
    seed: 1,
    brokers: kafka.brokers,
    registryUrl: cluster.registryUrl,
    subject: 'real',
    partitions: PARTITIONS,
    isSilent: true,
    // the default is many times of what a task has to say here, all in one commit
    limits: { ...QUIET_LIMITS, ...(isDeployed ? { uncommittedBytesMax: 32 * 1024 } : {}) },
    ...(isDeployed ? { prefix: '' } : {}),
  });
  try {
    await copySources(run, sources);
    await work(run, placement);
    await untilWritten(run, run.instances, reference);
    await run.stopAll();
    return run;
  } catch (error) {
    await run.close();
    throw error;
  }
}

/** Starts the processes, and sees one of them killed where that is wanted. */
async function work(run: ChaosRun, { processes, strike }: Placement): Promise<void> {
  let struck: Instance | null = null;
  for (const topologies of processes) {
    const isStruck = struck === null && strike !== undefined && topologies.includes(strike.topology!);
    const instance = await run.add(isStruck ? [strike] : [], {}, [], topologies);
    if (!isStruck) continue;
    struck = instance;
    run.expectEnd(instance);
  }
  if (struck === null || strike === undefined) return;
  await Promise.race([struck.ended, systemClock.sleep(STRUCK_MS_MAX)]);
  assert.ok(struck.hasStruck(strike), `${struck.name} was not killed\n${struck.describe()}`);
}

async function differencesOf(run: ChaosRun): Promise<readonly string[]> {
  const topics = comparedTopics(SUBJECT);
  const side = (name: string, contents: Side['contents']): Side => ({ name, contents, codec, fingerprintOf });
  const contents = new Map([...sources, ...(await readByUs(run, topics))]);
  const { differences } = compare(side(run.options.name, contents), side('reference', reference), topics);
  return [...run.findings, ...differences];
}

test('one process for everything, one for each topology', async () => {
  for (const topic of SUBJECT.derivedTopics) assert.ok(countOf(reference, [topic]) > 10, topic);
  for (const placement of [
    { name: 'one-process', processes: [NAMES] },
    { name: 'one-per-topology', processes: NAMES.map((name) => [name]) },
  ]) {
    const run = await placed(placement);
    try {
      assert.deepEqual(await differencesOf(run), [], placement.name);
    } finally {
      await run.close();
    }
  }
});

/** Its transaction is open then: what it wrote is aborted, and the other process writes it again. */
const KILL: Strike = { deed: 'kill', step: 'produce', moment: 'after', topology: 'session-scoring', skip: 5 };

test('two processes for each topology, one of them killed in the middle', async () => {
  const run = await placed({
    name: 'two-of-each',
    processes: NAMES.flatMap((name) => [[name], [name]]),
    strike: KILL,
    isDeployed: true,
  });
  try {
    assert.deepEqual(await differencesOf(run), []);
    const written = await Promise.all(
      Array.from({ length: PARTITIONS }, (_, partition) => batchesText(run, 'cohort-partials', partition)),
    );
    const isKilledInside = written.some((lines) => {
      const aborted = lines.findIndex((line) => line.endsWith(' abort'));
      return aborted > 0 && lines.slice(aborted).some((line) => line.endsWith(' commit'));
    });
    assert.ok(isKilledInside, written.flat().join('\n'));
  } finally {
    await run.close();
  }
  await stampByBroker();
});

/** Kafka's number for a topic among what has settings. */
const TOPIC_RESOURCE = 2;

/** Copies kept their times; a deployment's tools insist on topics that the broker stamps, as live ones are. */
async function stampByBroker(): Promise<void> {
  const stamped = newTopics(PARTITIONS).filter(
    ({ configs }) => configs['message.timestamp.type'] === 'LogAppendTime',
  );
  const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.alterConfigs({
      validateOnly: false,
      resources: stamped.map(({ topic: name, configs }) => ({
        type: TOPIC_RESOURCE,
        name,
        configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })),
      })),
    });
  } finally {
    await admin.disconnect();
  }
}

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

async function everyview(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [path.join(REPOSITORY, 'bin', 'everyview.mjs'), ...args], {
    env: {
      ...process.env,
      KAFKA_BROKERS: kafka.brokers.join(','),
      SCHEMA_REGISTRY_URL: cluster.registryUrl,
      EVERYVIEW_DATA_DIR: folder,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

test('audit finds all of it equal, backtest no difference', async () => {
  const audited = await everyview('audit', '--json');
  assert.equal(audited.code, 0, audited.out + audited.err);
  const { equal, tasks, leftOut, compared } = JSON.parse(audited.out);
  assert.deepEqual([equal, leftOut, tasks.length], [true, 0, TASKS]);
  const said = countOf(reference, SUBJECT.derivedTopics);
  // all but what is of the last moment, after which nothing came
  assert.ok(compared > said * 0.98 && compared <= said, `${compared} of ${said}`);

  const unchanged = await everyview('backtest', '--fail-on-difference');
  assert.equal(unchanged.code, 0, unchanged.out + unchanged.err);
  assert.match(unchanged.out, /^no difference$/m);
});

test('backtest with changed thresholds: what a person predicts who knows what is in there', async () => {
  const file = path.join(folder, 'candidate.json');
  for (const { config, outcome } of [LATER_FREEZE, LAX_REBUFFERING]) {
    writeFileSync(file, JSON.stringify(config));
    const { code, out, err } = await everyview(
      'backtest',
      '--config',
      file,
      '--json',
      '--fail-on-difference',
    );
    assert.equal(code, 1, err);
    assert.deepEqual(outcomeOf(JSON.parse(out)), outcome);
  }
});

test('audit finds one byte that was changed on the disk of a broker, whether its checksum fits or not', async () => {
  const nameAt = ({ value }: CommittedRecord): number => Buffer.from(value!).indexOf('Stream');
  const alert = await recordedLike(
    'qos-alerts',
    reference.get('qos-alerts')![0]!.find((one) => nameAt(one) > 0)!,
  );
  const score = await recordedLike('qos-scores', reference.get('qos-scores')![0]!.at(-20)!);
  await kafka.stop(0);
  const change = (topic: string, record: CommittedRecord, byteAt: number, isChecksumMended: boolean): void =>
    changeByte(kafka.logFolderOf(0), { topic, partition: 0, record, byteAt, isChecksumMended });
  change('qos-alerts', alert, nameAt(alert), true);
  change('qos-scores', score, 20, false);
  await kafka.startAgain(0);

  // a broker that has just come back may lead nothing yet: then the tool says so, and has no answer
  let answer = await everyview('audit', 'session-scoring', 'qos-alerting', '--json');
  for (let again = 0; answer.out === '' && again < 5; again++)
    answer = await everyview('audit', 'session-scoring', 'qos-alerting', '--json');
  const { code, out, err } = answer;
  assert.equal(code, 1, err);
  assert.notEqual(out, '', err);
  const found = JSON.parse(out).tasks.flatMap(({ difference }: AuditedTask) => difference ?? []);
  assert.deepEqual(
    found.map(({ topology, task, topic, partition, kind }: Difference) => [
      topology,
      task,
      topic,
      partition,
      kind,
    ]),
    [
      ['session-scoring', 0, 'qos-scores', 0, 'unreadable'],
      ['qos-alerting', 0, 'qos-alerts', 0, 'differs'],
    ],
  );
  const [unreadable, differs] = found as readonly Difference[];
  assert.match(unreadable!.detail, /offset \d+ does not match its checksum/);
  assert.equal(differs!.offset, alert.offset);
  assert.match(differs!.detail, /^alertName: "Rtream\w+" live, "Stream\w+" in the replay$/);
});

/** The record of the deployed run that is equal to this one: the reference has other offsets. */
async function recordedLike(topic: string, wanted: CommittedRecord): Promise<CommittedRecord> {
  const port = await openKafkajsPort({ brokers: kafka.brokers, clientId: 'look' });
  const found: CommittedRecord[] = [];
  try {
    const reader = new LogReader(port, [{ topic, partition: 0 }], (_at, record) => found.push(record));
    await readToEnd(reader);
  } finally {
    await port.close();
  }
  const isSame = ({ value }: CommittedRecord): boolean =>
    value !== null && Buffer.compare(value, wanted.value!) === 0;
  return found.find(isSame)!;
}
