/**
 * Equality of two runs (design section 5): for each derived topic and partition the same sequence of (key, Avro body,
 * schema fingerprint, headers, timestamp), as one hash. Late records and dead letters are multisets; where they cite an
 * offset, its place among the committed records counts, because markers move offsets. On the repartition edge it is the
 * place among the records of the same writer.
 */
import { createHash } from 'node:crypto';
import { integerOf, SOURCE_SEQ_HEADER, SOURCE_TASK_HEADER } from '../../runtime/control-records.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import type { LogHeader } from '../../runtime/record-batch.ts';
import type { ValueCodec } from '../../runtime/task-core.ts';
import { bodyOf, schemaIdOf } from '../../schemas/codec.ts';
import type { DeadLetter, LateRecord } from '../../schemas/records.ts';
import type { Contents } from './reference.ts';
import { SIDELINE_TOPICS } from './subject.ts';

/** How to look into the values of one side. */
export type Side = {
  readonly name: string;
  readonly contents: Contents;
  /** What sidelined records cite, where it is not among the contents: a run over recorded inputs cites those. */
  readonly cited?: Contents;
  readonly codec: ValueCodec;
  /** Fingerprint of the schema under a registry id. */
  readonly fingerprintOf: (schemaId: number) => string;
};

export type Comparison = {
  /** One line for each difference; empty when the runs are equal. */
  readonly differences: readonly string[];
  readonly topics: readonly TopicComparison[];
  /** Hash over all compared topics and partitions of the first side. */
  readonly hash: string;
  /** Records on derived topics, seals included, and sidelined ones, of the first side. */
  readonly records: number;
};

export type TopicComparison = {
  readonly topic: string;
  readonly records: number;
  readonly hash: string;
  readonly isEqual: boolean;
};

export function compare(left: Side, right: Side, topics: readonly string[]): Comparison {
  const differences: string[] = [];
  const compared = topics.map((topic): TopicComparison => {
    const hashes: string[] = [];
    const differencesBefore = differences.length;
    let records = 0;
    const [ours, theirs] = [linesOf(left, topic), linesOf(right, topic)];
    for (const [sequence, lines] of ours) {
      const others = theirs.get(sequence) ?? [];
      const [hash, other] = [hashOf(lines), hashOf(others)];
      records += lines.length;
      hashes.push(`${sequence} ${hash}`);
      if (hash !== other) differences.push(firstDifference(sequence, left, lines, right, others));
    }
    for (const [sequence, lines] of theirs) {
      if (!ours.has(sequence)) differences.push(firstDifference(sequence, left, [], right, lines));
    }
    const isEqual = differences.length === differencesBefore;
    return { topic, records, hash: hashOf(hashes), isEqual };
  });
  const records = compared.reduce((sum, one) => sum + one.records, 0);
  return { differences, topics: compared, hash: hashOf(compared.map(({ hash }) => hash)), records };
}

/** The same, with each task's numbers on the repartition edge counted from its first one in here. */
export function renumbered(contents: Contents): Map<string, readonly (readonly CommittedRecord[])[]> {
  const partitions = contents.get(REPARTITIONED_TOPIC)!;
  const firsts = new Map<number, number>();
  for (const { headers } of partitions.flat()) {
    const [writer, seq] = numbersOf(headers);
    firsts.set(writer, Math.min(seq, firsts.get(writer) ?? seq));
  }
  const anew = partitions.map((records) =>
    records.map((record) => {
      const [writer, seq] = numbersOf(record.headers);
      const number = Buffer.from(String(seq - firsts.get(writer)!));
      const headers = record.headers.map(
        ([name, value]): LogHeader => (name === SOURCE_SEQ_HEADER ? [name, number] : [name, value]),
      );
      return { ...record, headers };
    }),
  );
  return new Map([...contents, [REPARTITIONED_TOPIC, anew]]);
}

function numbersOf(headers: readonly LogHeader[]): readonly [writer: number, seq: number] {
  return [integerOf(headers, SOURCE_TASK_HEADER) ?? -1, integerOf(headers, SOURCE_SEQ_HEADER) ?? -1];
}

const REPARTITIONED_TOPIC = 'cohort-partials';

/**
 * Records as text, by the sequence that they are part of: a partition; on the repartition edge a writer's part of one,
 * because how the writers' transactions lie between each other is nobody's promise; a whole topic for multisets.
 */
function linesOf(side: Side, topic: string): ReadonlyMap<string, string[]> {
  const lines = new Map<string, string[]>();
  const isSideline = SIDELINE_TOPICS.includes(topic);
  for (const [partition, records] of side.contents.get(topic)!.entries()) {
    for (const record of records) {
      const sequence = isSideline ? topic : `${topic}/${partition}${writerText(topic, record)}`;
      const line = isSideline ? sidelineText(side, topic, record) : lineOf(side, record);
      const known = lines.get(sequence);
      if (known === undefined) lines.set(sequence, [line]);
      else known.push(line);
    }
  }
  if (isSideline) lines.get(topic)?.sort();
  return lines;
}

function lineOf(side: Side, { key, value, headers, timestampMs }: CommittedRecord): string {
  const framed = value === null ? '-' : `${side.fingerprintOf(schemaIdOf(value))} ${hex(bodyOf(value))}`;
  return `${timestampMs} ${key === null ? '-' : hex(key)} ${framed} ${headers.map(headerText).join(' ')}`;
}

/** The partition is that of the key, and the key names the source. */
function sidelineText(side: Side, topic: string, record: CommittedRecord): string {
  const value = side.codec.decode(topic, record.value!) as DeadLetter | LateRecord;
  const { sourceTopic, sourcePartition, sourceOffset, ...rest } = value;
  const place = placeOf(side, sourceTopic, sourcePartition!, sourceOffset!);
  const headers = record.headers.map(([name, bytes]) =>
    name === '__streams.errors.offset' && Buffer.from(bytes).toString() === String(sourceOffset)
      ? name
      : headerText([name, bytes]),
  );
  const text = JSON.stringify(rest, (_, one: unknown) => (one instanceof Uint8Array ? hex(one) : one));
  return `${place} at ${record.timestampMs} ${hex(record.key!)} ${text} ${headers.join(' ')}`;
}

const places = new WeakMap<readonly CommittedRecord[], Map<number, string>>();

function placeOf(
  { contents, cited = contents }: Side,
  topic: string,
  partition: number,
  offset: number,
): string {
  const records = cited.get(topic)?.[partition] ?? [];
  let known = places.get(records);
  if (known === undefined) {
    const counts = new Map<string, number>();
    known = new Map(
      records.map((record) => {
        const writer = writerText(topic, record);
        const ordinal = counts.get(writer) ?? 0;
        counts.set(writer, ordinal + 1);
        return [record.offset, `record ${ordinal}${writer}`];
      }),
    );
    places.set(records, known);
  }
  return `${topic}/${partition} ${known.get(offset) ?? `no committed record at ${offset}`}`;
}

function writerText(topic: string, { headers }: CommittedRecord): string {
  return topic === REPARTITIONED_TOPIC ? ` of task ${integerOf(headers, SOURCE_TASK_HEADER)}` : '';
}

function firstDifference(
  sequence: string,
  left: Side,
  ours: readonly string[],
  right: Side,
  theirs: readonly string[],
): string {
  let at = 0;
  while (at < ours.length && ours[at] === theirs[at]) at += 1;
  const shown = (lines: readonly string[]): string => lines[at]?.slice(0, SHOWN_MAX) ?? 'nothing';
  return [
    `${sequence}: ${ours.length} and ${theirs.length} records, differing from number ${at}:`,
    `    ${left.name}: ${shown(ours)}`,
    `    ${right.name}: ${shown(theirs)}`,
  ].join('\n');
}

const SHOWN_MAX = 400;

function headerText([name, value]: LogHeader): string {
  return `${name}=${hex(value)}`;
}

function hashOf(lines: readonly string[]): string {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line).update('\n');
  return hash.digest('hex');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
