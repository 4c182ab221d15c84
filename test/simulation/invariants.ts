/** What has to hold of any run, whatever it was compared with: read off the logs alone. */
import {
  decodeControl,
  integerOf,
  SOURCE_SEQ_HEADER,
  SOURCE_TASK_HEADER,
} from '../../runtime/control-records.ts';
import { compareKeys } from '../../runtime/key-order.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import type { Counts } from '../../runtime/task-counts.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import type { CohortPartial, DeadLetter, StreamDefect, StreamHealth } from '../../schemas/records.ts';
import { countOne } from './faults.ts';
import { DERIVED_TOPICS, SILENT_MS, SIMULATED_TOPOLOGIES } from './topologies.ts';
import type { Contents } from './world.ts';

/** `read` is what the readers of `contents` read: with the ticks in it by which they went on without a writer. */
export function brokenInvariants(contents: Contents, read: Contents = contents): string[] {
  return [
    ...eachPartition(contents, 'stream-defects', defectsHold),
    ...eachPartition(contents, 'stream-health', windowsInOrder),
    ...['stream-defects', 'cohort-windows'].flatMap((topic) =>
      eachPartition(contents, topic, isSealedOncePerSecond),
    ),
    ...['stream-defects', 'cohort-partials', 'cohort-windows'].flatMap((topic) =>
      eachPartition(contents, topic, (records) => areReadersTold(topic, records)),
    ),
    ...DERIVED_TOPICS.filter((topic) => topic !== 'cohort-partials').flatMap((topic) =>
      eachPartition(contents, topic, timeNeverGoesBack),
    ),
    ...DERIVED_TOPICS.flatMap((topic) => eachPartition(contents, topic, holdsNoTicks)),
    ...numbersAreWhole(contents),
    ...contents.get('stream-defects')!.flatMap((records, partition) => {
      const broken = configurationsHold(contents.get('frame-features')![partition]!, records);
      return broken === null ? [] : [`stream-defects/${partition}: ${broken}`];
    }),
    ...eachPartition(contents, 'cohort-partials', (records) => sealsAreTaken(read, records)),
  ];
}

/** in = processed + left out, and what was left out is in the log. For runs in which no task was ever opened twice. */
export function brokenBalance(contents: Contents, counts: ReadonlyMap<string, readonly Counts[]>): string[] {
  const broken: string[] = [];
  let late = 0;
  let dead = 0;
  for (const [topology, tasks] of counts) {
    for (const [task, count] of tasks.entries()) {
      late += count.late;
      for (const letters of count.deadLettered.values()) dead += letters;
      if (count.recordsIn !== count.processed + count.leftOut) {
        broken.push(
          `${topology} task ${task}: ${count.recordsIn} in, ${count.processed} processed, ${count.leftOut} left out`,
        );
      }
      const { due, there } = recordsDue(contents, topology, task);
      if (count.recordsIn < due || count.recordsIn > there)
        broken.push(`${topology} task ${task} took ${count.recordsIn} of ${due} to ${there} records`);
    }
  }
  const sidelined = (topic: string): number => contents.get(topic)!.flat().length;
  if (late !== sidelined('late-records'))
    broken.push(`${late} counted late, ${sidelined('late-records')} in late-records`);
  if (dead !== sidelined('dead-letters'))
    broken.push(`${dead} counted dead, ${sidelined('dead-letters')} in dead-letters`);
  return broken;
}

/** Records that a task has to have taken, all that come before the earliest end of its inputs, and those that it can have. */
function recordsDue(contents: Contents, topology: string, task: number) {
  const { sources } = SIMULATED_TOPOLOGIES.find(({ name }) => name === topology)!;
  const channels = sources.flatMap(({ topic, span, writers }) => {
    const partitions = contents.get(topic)!;
    const read = span === 'same' ? [partitions[task]!] : partitions;
    if (writers !== 'repartition') return read;
    return read.flatMap((records) =>
      partitions.map((_, writer) => records.filter((one) => isBy(one, writer))),
    );
  });
  const timed = channels.map((records) => {
    const dataTimesMs: number[] = [];
    let timeMs = 0;
    for (const record of records) {
      timeMs = Math.max(timeMs, record.timestampMs);
      if (isData(record)) dataTimesMs.push(timeMs);
    }
    return { dataTimesMs, endMs: timeMs };
  });
  // what is of the moment at which an input ends waits for more of it, unless there is no other
  const endMs = timed.length === 1 ? Number.POSITIVE_INFINITY : Math.min(...timed.map((one) => one.endMs));
  const timesMs = timed.flatMap((one) => one.dataTimesMs);
  return { due: timesMs.filter((timeMs) => timeMs < endMs).length, there: timesMs.length };
}

function isBy({ headers }: CommittedRecord, writer: number): boolean {
  return integerOf(headers, SOURCE_TASK_HEADER) === writer;
}

/** Whatever was spoiled on purpose is a dead letter, once, under its own code; and nothing else is. */
export function brokenExpectations(contents: Contents, expected: ReadonlyMap<string, number>): string[] {
  const found = new Map<string, number>();
  for (const { value } of contents.get('dead-letters')!.flat())
    countOne(found, (codec.decode('dead-letters', value!) as DeadLetter).code);
  return [...new Set([...expected.keys(), ...found.keys()])]
    .filter((code) => expected.get(code) !== found.get(code))
    .map(
      (code) =>
        `${found.get(code) ?? 0} dead letters ${code}, and there should be ${expected.get(code) ?? 0}`,
    );
}

type Check = (records: readonly CommittedRecord[]) => string | null;

function eachPartition(contents: Contents, topic: string, check: Check): string[] {
  return contents.get(topic)!.flatMap((records, partition) => {
    const broken = check(records);
    return broken === null ? [] : [`${topic}/${partition}: ${broken}`];
  });
}

/**
 * Whatever begins before a seal was said before it, and reducers are told the last seal. Records carry the log time of
 * what caused them. A timer fires before anything that is said at its time or later, and not when it was put off.
 */
function defectsHold(records: readonly CommittedRecord[]): string | null {
  let sealedUpToMs = 0;
  let saidAtMs = 0;
  const openedAtMs = new Map<string, number>();
  for (const { offset, timestampMs, value, headers } of records) {
    if (value === null) {
      const control = decodeControl(headers);
      if (control === null || control === 'unknown' || control.kind !== 'seal') continue;
      if (control.sealedUpToMs < sealedUpToMs) return `seals go back at offset ${offset}`;
      sealedUpToMs = control.sealedUpToMs;
      saidAtMs = timestampMs;
      continue;
    }
    const defect = codec.decode('stream-defects', value) as StreamDefect;
    const { event, chargeFromMs, detectedAtMs, programmeId, programTimeStartMs: toldMs } = defect;
    if (chargeFromMs < sealedUpToMs)
      return `${programmeId} at offset ${offset} begins at ${chargeFromMs}, but all before ${sealedUpToMs} was sealed`;
    if (toldMs !== null && toldMs !== sealedUpToMs)
      return `a reducer was told of a seal at ${toldMs}, and the last one is ${sealedUpToMs}, at offset ${offset}`;
    if (detectedAtMs !== timestampMs)
      return `offset ${offset} is of ${detectedAtMs} and stamped ${timestampMs}`;
    if (event === 'confirmed' && defect.evidenceFirstOffset <= saidAtMs)
      return `a timer of ${defect.evidenceFirstOffset} fired after what was said at ${saidAtMs}, at offset ${offset}`;
    if (event === 'close' && timestampMs - openedAtMs.get(programmeId)! < SILENT_MS)
      return `${programmeId} is called silent too early, at offset ${offset}`;
    if (event !== 'open') continue;
    saidAtMs = timestampMs;
    openedAtMs.set(programmeId, timestampMs);
  }
  return null;
}

/** Of each configuration readers are told once, before anything that was said under it; by each writer on its own. */
function areReadersTold(topic: string, records: readonly CommittedRecord[]): string | null {
  const toldOf = new Map<number | null, string>();
  for (const { offset, value, headers } of records) {
    const writer = integerOf(headers, SOURCE_TASK_HEADER);
    const told = toldOf.get(writer) ?? 'default';
    if (value !== null) {
      const { configHash } = codec.decode(topic, value) as { readonly configHash: string };
      if (configHash !== '' && configHash !== told)
        return `offset ${offset} is of configuration ${configHash}, and readers were told of ${told}`;
      continue;
    }
    const control = decodeControl(headers);
    if (control === null || control === 'unknown' || control.kind !== 'config-effective') continue;
    if (control.configHash === told) return `readers are told twice of ${told}, at offset ${offset}`;
    toldOf.set(writer, control.configHash);
  }
  return null;
}

/** Whatever was put in force in a source holds for what follows from it: at the same moment either may. */
function configurationsHold(
  source: readonly CommittedRecord[],
  derived: readonly CommittedRecord[],
): string | null {
  const changes = source.flatMap((record) => {
    const control = record.value === null ? decodeControl(record.headers) : null;
    if (control === null || control === 'unknown' || control.kind !== 'config-effective') return [];
    return [{ atMs: record.timestampMs, configHash: control.configHash }];
  });
  for (const { offset, timestampMs, value } of derived) {
    if (value === null) continue;
    const { configHash } = codec.decode('stream-defects', value) as StreamDefect;
    const before = changes.filter(({ atMs }) => atMs < timestampMs).at(-1)?.configHash ?? 'default';
    const now = changes.filter(({ atMs }) => atMs === timestampMs).map((change) => change.configHash);
    if (configHash !== before && !now.includes(configHash))
      return `offset ${offset} is of configuration ${configHash}, and ${before} holds`;
  }
  return null;
}

/** The seal of an input that a step saw is the last one of that partition up to then. */
function sealsAreTaken(read: Contents, records: readonly CommittedRecord[]): string | null {
  const inputs = read.get('stream-defects')!;
  const seals = inputs.map((input) => {
    let atMs = 0;
    return input.flatMap(({ timestampMs, value, headers }) => {
      atMs = Math.max(atMs, timestampMs);
      const control = value === null ? decodeControl(headers) : null;
      return control !== null && control !== 'unknown' && control.kind === 'seal'
        ? [{ atMs, sealedMs: control.sealedUpToMs }]
        : [];
    });
  });
  for (const { offset, timestampMs, value } of records) {
    if (value === null) continue;
    const { cdn: programmeId, windowEndMs } = codec.decode('cohort-partials', value) as CohortPartial;
    if (programmeId === '') continue;
    const of = seals[partitionOf(Buffer.from(programmeId), inputs.length)]!;
    const before = of.filter(({ atMs }) => atMs < timestampMs).at(-1)?.sealedMs ?? 0;
    const isNow = of.some(({ atMs, sealedMs }) => atMs === timestampMs && sealedMs === windowEndMs);
    if (windowEndMs !== before && !isNow)
      return `offset ${offset} saw the seal ${windowEndMs} of ${programmeId}, and ${before} is the last`;
  }
  return null;
}

/** Every second in which anything was said has one seal, written at the first moment of it that the task knew of. */
function isSealedOncePerSecond(records: readonly CommittedRecord[]): string | null {
  const secondOf = ({ timestampMs }: CommittedRecord): number => Math.floor(timestampMs / 1_000);
  const sealedAtMs = new Map<number, number>();
  for (const record of records) {
    if (!isSeal(record)) continue;
    const second = secondOf(record);
    if (sealedAtMs.has(second)) return `a second seal for one second at offset ${record.offset}`;
    sealedAtMs.set(second, record.timestampMs);
  }
  for (const record of records) {
    const atMs = sealedAtMs.get(secondOf(record));
    if (atMs === undefined || atMs > record.timestampMs)
      return `no seal before offset ${record.offset} in its second`;
  }
  return null;
}

/** Results of windows leave in the order of (window end, key). */
function windowsInOrder(records: readonly CommittedRecord[]): string | null {
  let last = { windowEndMs: 0, programmeId: '' };
  for (const { offset, value } of records) {
    const health = codec.decode('stream-health', value!) as StreamHealth;
    const order = health.windowEndMs - last.windowEndMs || compareKeys(health.programmeId, last.programmeId);
    if (order <= 0)
      return `window of ${health.programmeId} at offset ${offset} comes after ${last.programmeId}`;
    last = health;
  }
  return null;
}

function timeNeverGoesBack(records: readonly CommittedRecord[]): string | null {
  let timeMs = 0;
  for (const record of records) {
    if (record.timestampMs < timeMs)
      return `time goes back to ${record.timestampMs} at offset ${record.offset}`;
    timeMs = record.timestampMs;
  }
  return null;
}

/** No reader had to go on without a writer: each was back in time. */
function holdsNoTicks(records: readonly CommittedRecord[]): string | null {
  for (const { offset, value, headers } of records) {
    if (value !== null) continue;
    const control = decodeControl(headers);
    if (control !== null && control !== 'unknown' && control.kind === 'tick')
      return `a tick at offset ${offset}`;
  }
  return null;
}

/** Each writer's records on a repartition edge are numbered 0, 1, 2 … over all partitions, and in order in each. */
function numbersAreWhole(contents: Contents): string[] {
  const broken: string[] = [];
  const seen = new Map<number, number[]>();
  for (const [partition, records] of contents.get('cohort-partials')!.entries()) {
    const last = new Map<number, number>();
    for (const { offset, headers } of records) {
      const writer = integerOf(headers, SOURCE_TASK_HEADER)!;
      const seq = integerOf(headers, SOURCE_SEQ_HEADER)!;
      if (seq <= (last.get(writer) ?? -1))
        broken.push(`cohort-partials/${partition}: number ${seq} of ${writer} at ${offset}`);
      last.set(writer, seq);
      const numbers = seen.get(writer);
      if (numbers === undefined) seen.set(writer, [seq]);
      else numbers.push(seq);
    }
  }
  for (const [writer, numbers] of seen) {
    const gap = numbers.sort((a, b) => a - b).findIndex((seq, i) => seq !== i);
    if (gap >= 0)
      broken.push(`cohort-partials: task ${writer} wrote number ${numbers[gap]} where ${gap} is missing`);
  }
  return broken;
}

function isSeal({ value, headers }: CommittedRecord): boolean {
  const control = value === null ? decodeControl(headers) : null;
  return control !== null && control !== 'unknown' && control.kind === 'seal';
}

function isData({ value, headers }: CommittedRecord): boolean {
  return value !== null || decodeControl(headers) === null;
}

const codec = localCodec();
