/**
 * Holds what one task says in a replay against what it said live, record by record: key, Avro body, schema, headers and
 * timestamp (design, section 5). Offsets are not compared, and neither are ticks, which readers write.
 */
import { controlGist } from '../../consumers/tail/record-line.ts';
import {
  decodeControl,
  integerOf,
  isTick,
  PARTIAL_HEADER,
  SOURCE_TASK_HEADER,
} from '../../runtime/control-records.ts';
import { RecordedFeed } from '../../runtime/log-feed.ts';
import type { PendingRecord } from '../../runtime/merge.ts';
import type { OutputRecord } from '../../runtime/output-buffer.ts';
import type { OutputDraft } from '../../runtime/output-draft.ts';
import { type AdminPort, LogError, type TopicPartition } from '../../runtime/port.ts';
import type { ReplayTurn } from '../../runtime/replay.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import type { Topology } from '../../runtime/topology.ts';
import { readUtf8 } from '../../runtime/utf8.ts';
import { schemaIdOf } from '../../schemas/codec.ts';
import { SchemaError, UnknownSchemaId } from '../../schemas/errors.ts';

export type Difference = {
  readonly topology: string;
  readonly task: number;
  readonly topic: string;
  readonly partition: number;
  /** Of the recorded record; null when there is none. */
  readonly offset: number | null;
  readonly timestampMs: number;
  readonly key: string | null;
  /** missing: live said it, the replay does not; extra: the other way round; unreadable: the log itself is damaged. */
  readonly kind: 'missing' | 'extra' | 'differs' | 'unreadable';
  /** What differs first, in words. */
  readonly detail: string;
  readonly recorded: unknown;
  readonly computed: unknown;
};

export type OutputCheckOptions = {
  readonly port: AdminPort;
  readonly codec: FetchingCodec;
  readonly topology: Topology;
  readonly task: number;
  readonly partitions: ReadonlyMap<string, number>;
  readonly fromMs: number;
  /** Log time, exclusive: nothing from there on is compared. */
  readonly toMs: number;
};

/** A partition that the task writes: what the replay said and the log has not been asked about yet, and the log. */
type Lane = TopicPartition & {
  readonly isShared: boolean;
  readonly computed: OutputRecord[];
  readonly feed: RecordedFeed;
  recorded: PendingRecord[];
  isOver: boolean;
};

export class OutputCheck {
  readonly #options: OutputCheckOptions;
  readonly #lanes: ReadonlyMap<string, Lane>;
  readonly #partial = new Set<string>();
  /** Records that are equal on both sides, control records included. */
  compared = 0;
  /** Records of keys that the replay cannot vouch for. */
  leftOut = 0;
  /** The first one; nothing is compared after it. */
  difference: Difference | null = null;

  static async open(options: OutputCheckOptions): Promise<OutputCheck> {
    const { port, fromMs } = options;
    const places = lanesOf(options);
    const bounds = await port.bounds(places.map(({ topic, partition }) => ({ topic, partition })));
    const begins = await port.offsetsForTime(bounds, fromMs);
    const lanes = places.map((place, index) => {
      const { stableEnd } = bounds[index]!;
      const feed = new RecordedFeed(port, place, begins[index]!.offset ?? stableEnd, stableEnd);
      return { ...place, computed: [], feed, recorded: [], isOver: false };
    });
    return new OutputCheck(options, lanes);
  }

  private constructor(options: OutputCheckOptions, lanes: readonly Lane[]) {
    this.#options = options;
    this.#lanes = new Map(lanes.map((lane) => [nameOf(lane), lane]));
  }

  /** Takes an output of the replay. */
  add(draft: OutputDraft): void {
    const { fromMs, toMs } = this.#options;
    if (this.difference !== null || draft.timestampMs < fromMs || draft.timestampMs >= toMs) return;
    const lane = this.#lanes.get(nameOf(draft));
    if (lane === undefined) return;
    const record = draft.toRecord();
    if (isMarkedPartial(record)) this.#partial.add(textOf(record.key));
    lane.computed.push(record);
  }

  /** Compares what there is on both sides. */
  async onTurn({ partialKeys }: Pick<ReplayTurn, 'partialKeys'>): Promise<void> {
    for (const name of partialKeys) this.#partial.add(name.slice(name.indexOf(' ') + 1));
    for (const lane of this.#lanes.values()) await this.#compare(lane);
  }

  /** Nothing more comes: what live said before `completeToMs` and the replay did not is missing. */
  async end(completeToMs: number): Promise<void> {
    for (const lane of this.#lanes.values()) {
      await this.#compare(lane);
      for (;;) {
        const recorded = this.difference === null ? await this.#nextRecorded(lane) : null;
        if (recorded === null || recorded.timestampMs >= completeToMs) break;
        await this.#differ(lane, 'missing', recorded, null);
      }
    }
  }

  async #compare(lane: Lane): Promise<void> {
    let done = 0;
    for (const computed of lane.computed) {
      if (this.difference !== null) break;
      if (this.#isPartial(computed)) this.leftOut += 1;
      else await this.#compareOne(lane, computed);
      done += 1;
    }
    lane.computed.splice(0, done);
  }

  async #compareOne(lane: Lane, computed: OutputRecord): Promise<void> {
    const recorded = await this.#nextRecorded(lane);
    if (this.difference !== null) return;
    if (recorded === null) await this.#differ(lane, 'extra', null, computed);
    else if (!isEqual(recorded, computed)) await this.#differ(lane, 'differs', recorded, computed);
    else {
      lane.recorded.shift();
      this.compared += 1;
    }
  }

  /** The next one that counts, left where it is; null when there is none in the range. */
  async #nextRecorded(lane: Lane): Promise<PendingRecord | null> {
    const { task, fromMs, toMs } = this.#options;
    for (;;) {
      const record = lane.recorded[0];
      if (record === undefined) {
        const more = lane.isOver ? null : await this.#read(lane);
        if (more === null) return null;
        lane.recorded = [...more];
        continue;
      }
      const isOther = lane.isShared && integerOf(record.headers, SOURCE_TASK_HEADER) !== task;
      const isOutside = record.timestampMs < fromMs || record.timestampMs >= toMs;
      const isPartial = this.#isPartial(record);
      if (!isOther && !isOutside && !isPartial && !isTickRecord(record)) return record;
      if (isPartial && !isOther && !isOutside) this.leftOut += 1;
      lane.recorded.shift();
    }
  }

  async #read(lane: Lane): Promise<readonly PendingRecord[] | null> {
    try {
      const more = await lane.feed.more();
      if (more === null) lane.isOver = true;
      return more;
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'corrupt-batch') throw error;
      const { topology, task } = this.#options;
      this.difference = unreadable(topology, task, lane, error.message);
      lane.isOver = true;
      return null;
    }
  }

  async #differ(
    lane: Lane,
    kind: 'missing' | 'extra' | 'differs',
    recorded: PendingRecord | null,
    computed: OutputRecord | null,
  ): Promise<void> {
    const { topology, task, codec } = this.#options;
    const { topic, partition } = lane;
    const [live, anew] = [await shown(codec, topic, recorded), await shown(codec, topic, computed)];
    const one = (recorded ?? computed)!;
    this.difference = {
      topology: topology.name,
      task,
      topic,
      partition,
      offset: recorded?.offset ?? null,
      timestampMs: one.timestampMs,
      key: one.key === null ? null : textOf(one.key),
      kind,
      detail: detailOf(kind, recorded, computed, live, anew),
      recorded: live,
      computed: anew,
    };
  }

  #isPartial({ key }: { readonly key: Uint8Array | null }): boolean {
    return this.#partial.size > 0 && key !== null && this.#partial.has(textOf(key));
  }
}

/** Something that is damaged in the log itself: its checksum does not fit. */
export function unreadable(
  topology: Topology,
  task: number,
  { topic, partition }: TopicPartition,
  detail: string,
): Difference {
  const place = { topology: topology.name, task, topic, partition, offset: null, timestampMs: 0, key: null };
  return { ...place, kind: 'unreadable', detail, recorded: null, computed: null };
}

function lanesOf({ topology, task, partitions }: OutputCheckOptions) {
  return topology.sinks.flatMap(({ topic, edge }) =>
    edge === 'same'
      ? [{ topic, partition: task, isShared: false }]
      : Array.from({ length: partitions.get(topic)! }, (_, partition) => ({
          topic,
          partition,
          isShared: true,
        })),
  );
}

function isEqual(recorded: PendingRecord, computed: OutputRecord): boolean {
  return (
    recorded.timestampMs === computed.timestampMs &&
    areSame(recorded.key, computed.key) &&
    areSame(recorded.value, computed.value) &&
    headersText(recorded) === headersText(computed)
  );
}

function detailOf(
  kind: Difference['kind'],
  recorded: PendingRecord | null,
  computed: OutputRecord | null,
  live: unknown,
  anew: unknown,
): string {
  if (kind === 'missing') return 'live said it, the replay does not';
  if (kind === 'extra') return 'the replay says it, live did not';
  const [a, b] = [recorded!, computed!];
  if (a.timestampMs !== b.timestampMs)
    return `timestamp: ${a.timestampMs} live, ${b.timestampMs} in the replay`;
  if (!areSame(a.key, b.key)) return `key: ${textOf(a.key)} live, ${textOf(b.key)} in the replay`;
  if (headersText(a) !== headersText(b))
    return `headers: ${headersText(a)} live, ${headersText(b)} in the replay`;
  const [schemaA, schemaB] = [schemaText(a.value), schemaText(b.value)];
  if (schemaA !== schemaB) return `schema: ${schemaA} live, ${schemaB} in the replay`;
  if (a.value !== null && typeof live === 'string') return `value: ${live}`;
  return firstField(live, anew) ?? 'the bytes of the value differ, though every field reads the same';
}

/** Under which schema a value says that it was written: another one is another build's, or damage. */
function schemaText(value: Uint8Array | null): string {
  if (value === null) return 'none, no value';
  try {
    return `id ${schemaIdOf(value)}`;
  } catch (error) {
    if (error instanceof SchemaError) return `none, ${error.message},`;
    throw error;
  }
}

/** The first field with another value on both sides, as `name: live, replay`. */
function firstField(live: unknown, anew: unknown): string | null {
  if (typeof live !== 'object' || typeof anew !== 'object' || live === null || anew === null) return null;
  for (const [name, value] of Object.entries(live)) {
    const other = (anew as Record<string, unknown>)[name];
    const [a, b] = [JSON.stringify(value), JSON.stringify(other)];
    if (a !== b) return `${name}: ${a} live, ${b} in the replay`;
  }
  return null;
}

/** The value for people: decoded, or what a control record says. */
async function shown(
  codec: FetchingCodec,
  topic: string,
  record: PendingRecord | OutputRecord | null,
): Promise<unknown> {
  if (record === null) return null;
  if (record.value === null) return controlGist(decodeControl(record.headers) ?? 'unknown');
  try {
    return codec.decode(topic, record.value);
  } catch (error) {
    if (error instanceof UnknownSchemaId) await codec.fetchSchema(error.schemaId);
    else if (!(error instanceof SchemaError)) throw error;
  }
  // nobody waits for a schema that may never have been there
  try {
    return codec.decode(topic, record.value);
  } catch (error) {
    if (error instanceof SchemaError) return `not decodable: ${error.message}`;
    throw error;
  }
}

function isTickRecord(record: PendingRecord): boolean {
  return record.value === null && isTick(record.headers);
}

function isMarkedPartial(record: OutputRecord): boolean {
  return record.headers.some(([name]) => name === PARTIAL_HEADER);
}

function headersText({ headers }: Pick<PendingRecord, 'headers'>): string {
  return headers.map(([name, value]) => `${name}=${textOf(value)}`).join(' ');
}

function areSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return Buffer.compare(a, b) === 0;
}

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? '' : readUtf8(bytes, 0, bytes.length);
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
