/** Data that is bad, or gone before it was read. */
import { COMPATIBILITY, SchemaType } from '@kafkajs/confluent-schema-registry';
import { writerTasksOf } from '../../runtime/deploy.ts';
import { activeMembers, type ResetOptions, reset } from '../../runtime/reset.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { ValueCodec } from '../../runtime/task-core.ts';
import { schemaText } from '../../schemas/avsc-files.ts';
import { FRAMING_BYTES, schemaIdOf } from '../../schemas/codec.ts';
import type { DeadLetter } from '../../schemas/records.ts';
import { type ChaosRun, SESSION_TIMEOUT_MS } from './chaos-run.ts';
import { applicationIdIn } from './instance.ts';
import type { Instance } from './instances.ts';
import { partitionsOf } from './log-reader.ts';
import type { Contents } from './reference.ts';
import { FIRES_MS_MAX, type Scenario } from './scenario.ts';
import { comparedTopics } from './subject.ts';

export const DATA_SCENARIOS: readonly Scenario[] = [
  {
    name: 'poison',
    what: 'four in ten records are spoiled: no framing, cut short, too long, no key, no value, wrong partition, unknown schema, unknown control record',
    brokers: 'one',
    spoiledPermille: 400,
    run: poison,
  },
  {
    name: 'incompatible-schema',
    what: 'an incompatible schema is refused at deploy; a writer that goes round that is met with dead letters; one with a compatible schema is read',
    brokers: 'one',
    run: incompatibleSchema,
  },
  {
    name: 'retention',
    what: 'records are deleted before they are read, while the process sleeps and before it starts: a loud end, everyview reset, and on',
    brokers: 'one',
    run: retention,
  },
];

async function poison(run: ChaosRun): Promise<void> {
  await run.add();
  await run.add();
  await run.settle();
  const mark = await run.mark();
  await systemClock.sleep(SPEECH_MS);
  await run.recovered('spoiled records', mark, SPEECH_MS + SESSION_TIMEOUT_MS);
}

async function incompatibleSchema(run: ChaosRun): Promise<void> {
  await run.add();
  await run.settle();
  const { registry } = run.schemas;
  const subject = 'frame-features-value';
  const level = { subject, compatibility: COMPATIBILITY.FULL_TRANSITIVE };
  const incompatible = changedSchema((fields) =>
    fields.map((field) => (field.name === 'seq' ? { ...field, type: 'boolean' } : field)),
  );
  try {
    await registry.client.register({ type: SchemaType.AVRO, schema: incompatible }, level);
    run.notFired(`the registry refuses an incompatible schema for ${subject}`);
  } catch (error) {
    if (!String(error).includes('ncompatible')) throw error;
    run.fired(`the registry refused an incompatible schema for ${subject}`);
  }
  // somebody whose registry client checks nothing
  const rogue = await registerUnchecked(run, 'rogue', incompatible);
  const later = await registerUnchecked(
    run,
    'later',
    changedSchema((fields) => [...fields, { name: 'addedLater', type: 'int', default: 0 }]),
  );
  const mark = await run.mark();
  const letters = await run.speakers.sayUnder(rogue, new Uint8Array(0));
  const read = await run.speakers.sayUnder(later, new Uint8Array(1));
  run.fired(`${letters} records under schema ${rogue}, ${read} under schema ${later}`);
  await run.recovered('records under foreign schemas', mark);
  for (const [schemaId, expected] of [
    [rogue, letters],
    [later, 0],
  ] as const) {
    run.check(({ contents, codec }) => {
      const found = deadLettersUnder(schemaId, contents, codec);
      return found === expected ? [] : [`${found} dead letters under schema ${schemaId}, not ${expected}`];
    });
  }
}

function deadLettersUnder(schemaId: number, contents: Contents, codec: ValueCodec): number {
  return contents
    .get('dead-letters')!
    .flat()
    .map(({ value }) => (codec.decode('dead-letters', value!) as DeadLetter).recordValue)
    .filter((bytes) => bytes !== null && bytes.length > FRAMING_BYTES && bytes[0] === 0)
    .filter((bytes) => schemaIdOf(bytes!) === schemaId).length;
}

async function retention(run: ChaosRun): Promise<void> {
  const first = await run.add();
  await run.settle();
  first.suspend();
  await systemClock.sleep(OVERTAKEN_MS);
  await deleteUpToEnd(run, ['frame-features']);
  run.expectEnd(first);
  first.resume();
  await endsLoudly(run, first, 'while it runs');
  const second = await run.add();
  run.expectEnd(second);
  await endsLoudly(run, second, 'before it starts');
  await run.speakers.stop();
  await resetAll(run);
  run.speak();
  await run.add();
  await run.add();
  await run.settle();
  run.beginsAnew();
  await systemClock.sleep(SPEECH_MS);
}

async function endsLoudly(run: ChaosRun, instance: Instance, when: string): Promise<void> {
  const name = `a position that was deleted ${when} ends the process`;
  if (!(await instance.until(() => !instance.isAlive, FIRES_MS_MAX)) || instance.failure === null) {
    run.notFired(name);
    await run.kill(instance);
    return;
  }
  const { code, message } = instance.failure;
  const says = [
    /offset-out-of-range/.test(code),
    /holds \[\d+, \d+\)/.test(message),
    /everyview reset/.test(message),
  ];
  if (says.includes(false))
    run.find(`${name}, but not by an error that says what to do: ${code}: ${message}`);
  run.fired(`${name}: ${message.split('\n')[0]!.replaceAll(run.prefix, '')}`);
}

/** What an operator does: see that nobody runs it, delete what was derived, reset each topology. */
async function resetAll(run: ChaosRun): Promise<void> {
  const deadlineMs = systemClock.nowMs() + FIRES_MS_MAX;
  const { topologies } = run.subject;
  await deleteUpToEnd(run, ['frame-features', 'playback-events', ...comparedTopics(run.subject)]);
  for (const topology of topologies) {
    const options: ResetOptions = {
      port: run.port,
      clock: systemClock,
      topology,
      applicationId: applicationIdIn(run.prefix)(topology),
      partitions: run.partitions,
      writerTasks: writerTasksOf(topologies, run.partitions),
      target: { kind: 'earliest' },
    };
    while ((await activeMembers(options)).length > 0 && systemClock.nowMs() < deadlineMs)
      await systemClock.sleep(200);
    await reset(options);
    run.fired(`reset of ${topology.name}`);
  }
}

async function deleteUpToEnd(run: ChaosRun, topics: readonly string[]): Promise<void> {
  const bounds = await run.port.bounds(
    partitionsOf(topics.map((topic) => [topic, run.partitions.get(topic)!])),
  );
  await run.port.deleteRecords(
    bounds.map(({ topic, partition, stableEnd }) => ({ topic, partition, offset: stableEnd })),
  );
}

type Field = { readonly name: string; readonly [property: string]: unknown };

function changedSchema(change: (fields: readonly Field[]) => readonly Field[]): string {
  const schema = JSON.parse(schemaText('frame-features')) as { readonly fields: readonly Field[] };
  return JSON.stringify({ ...schema, fields: change(schema.fields) });
}

async function registerUnchecked(run: ChaosRun, name: string, schema: string): Promise<number> {
  const subject = `${run.prefix}${name}-value`;
  const level = { subject, compatibility: COMPATIBILITY.NONE };
  const { id } = await run.schemas.registry.client.register({ type: SchemaType.AVRO, schema }, level);
  return id;
}

const SPEECH_MS = 8_000;
const OVERTAKEN_MS = 2_000;
