/** Equality of two runs as design section 5 has it, and the first difference in words. */
import { integerOf, SOURCE_TASK_HEADER } from '../../runtime/control-records.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import type { LogHeader } from '../../runtime/record-batch.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import type { DeadLetter, LateRecord } from '../../schemas/records.ts';
import { DERIVED_TOPICS, SIDELINE_TOPICS } from './topologies.ts';
import type { Contents } from './world.ts';

/**
 * Where two runs differ: every derived partition record by record (key, body with the id of its schema, headers, time),
 * late records and dead letters as multisets. On a repartition edge each writer's records are in an order of their own;
 * how the writers' transactions lie between each other is nobody's promise. `of` names the runs in the text.
 */
export function differences(left: Contents, right: Contents, of: readonly [string, string]): string[] {
  return [...derivedDifferences(left, right, of, DERIVED_TOPICS), ...sidelineDifferences(left, right, of)];
}

/** As {@link differences}, of these topics only. */
export function derivedDifferences(
  left: Contents,
  right: Contents,
  of: readonly [string, string],
  topics: readonly string[],
): string[] {
  const found: string[] = [];
  for (const topic of topics) {
    for (const [partition, records] of left.get(topic)!.entries()) {
      const other = right.get(topic)![partition]!;
      const ours = topic === 'cohort-partials' ? byWriter(records) : records;
      const theirs = topic === 'cohort-partials' ? byWriter(other) : other;
      const difference = firstDifference(ours, theirs, of);
      if (difference !== null) found.push(`${topic}/${partition}, ${difference}`);
    }
  }
  return found;
}

function sidelineDifferences(left: Contents, right: Contents, of: readonly [string, string]): string[] {
  return SIDELINE_TOPICS.flatMap((topic) => {
    const difference = multisetDifference(linesOf(left, topic), linesOf(right, topic), of);
    return difference === null ? [] : [`${topic}: ${difference}`];
  });
}

function firstDifference(
  left: readonly CommittedRecord[],
  right: readonly CommittedRecord[],
  [nameLeft, nameRight]: readonly [string, string],
): string | null {
  const length = Math.max(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const [a, b] = [left[i], right[i]];
    if (a !== undefined && b !== undefined && isEqual(a, b)) continue;
    const context = i === 0 ? 'nothing' : describe(left[i - 1]!);
    return [
      `record ${i} of ${left.length} and ${right.length}:`,
      `  after ${context}`,
      `  ${nameLeft}: ${a === undefined ? 'nothing' : describe(a)}`,
      `  ${nameRight}: ${b === undefined ? 'nothing' : describe(b)}`,
    ].join('\n');
  }
  return null;
}

/** All of the first writer, then all of the second. */
function byWriter(records: readonly CommittedRecord[]): readonly CommittedRecord[] {
  const writerOf = ({ headers }: CommittedRecord): number => integerOf(headers, SOURCE_TASK_HEADER) ?? -1;
  return [...records].sort((a, b) => writerOf(a) - writerOf(b));
}

function isEqual(a: CommittedRecord, b: CommittedRecord): boolean {
  return (
    a.timestampMs === b.timestampMs &&
    areBytesEqual(a.key, b.key) &&
    areBytesEqual(a.value, b.value) &&
    a.headers.length === b.headers.length &&
    a.headers.every(([name, value], i) => name === b.headers[i]![0] && areBytesEqual(value, b.headers[i]![1]))
  );
}

function areBytesEqual(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** A record in one line: what a person needs to recognise it. */
export function describe({ offset, timestampMs, key, value, headers }: CommittedRecord): string {
  const said = headers.map(([name, bytes]) => `${name}=${Buffer.from(bytes)}`).join(' ');
  const bytes =
    value === null
      ? ''
      : ` ${value.length} bytes ${Buffer.from(value)
          .toString('latin1')
          .replaceAll(/[^\x20-\x7e]+/g, '.')}`;
  return `at ${timestampMs} ms ${key === null ? '-' : Buffer.from(key)}${bytes} [${said}] (offset ${offset})`;
}

/** Sidelined records as text, with their places counted in records instead of offsets, which markers move. */
function linesOf(contents: Contents, topic: (typeof SIDELINE_TOPICS)[number]): string[] {
  const ordinals = new Ordinals(contents);
  return contents
    .get(topic)!
    .flatMap((records, partition) =>
      records.map((record) => {
        const { sourceTopic, sourcePartition, sourceOffset, ...rest } = codec.decode(topic, record.value!) as
          | DeadLetter
          | LateRecord;
        const ordinal = ordinals.of(sourceTopic, sourcePartition!, sourceOffset!);
        const headers = record.headers.map((header) => headerText(header, String(sourceOffset)));
        const place = `${sourceTopic}/${sourcePartition} record ${ordinal}`;
        return `${place} -> ${partition} at ${record.timestampMs} ${JSON.stringify(rest)} ${headers.join(' ')}`;
      }),
    )
    .sort();
}

function headerText([name, value]: LogHeader, offset: string): string {
  const text = Buffer.from(value).toString();
  return name === '__streams.errors.offset' && text === offset ? name : `${name}=${text}`;
}

class Ordinals {
  readonly #contents: Contents;
  readonly #known = new Map<string, Map<number, number>>();

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  /** How many records come before the one at this offset, or that there is none. */
  of(topic: string, partition: number, offset: number): string {
    const name = `${topic}/${partition}`;
    let known = this.#known.get(name);
    if (known === undefined) {
      const records = this.#contents.get(topic)?.[partition] ?? [];
      known = new Map(records.map((record, i) => [record.offset, i]));
      this.#known.set(name, known);
    }
    return String(known.get(offset) ?? `that is not committed, at offset ${offset}`);
  }
}

function multisetDifference(
  left: readonly string[],
  right: readonly string[],
  [nameLeft, nameRight]: readonly [string, string],
): string | null {
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [a, b] = [left[i], right[i]];
    if (a === b) continue;
    const counts = `${left.length} and ${right.length} records`;
    return a !== undefined && (b === undefined || a < b)
      ? `${counts}; only ${nameLeft} has ${a}`
      : `${counts}; only ${nameRight} has ${b}`;
  }
  return null;
}

const codec = localCodec();
