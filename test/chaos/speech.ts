/**
 * What outside producers say, drawn from a seed: features of streams and events of players, a few in a hundred of them
 * spoiled in some way that a bad producer, or a good one of another version, could bring about.
 */
import { encodeControl, textHeader } from '../../runtime/control-records.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import type { LogHeader } from '../../runtime/record-batch.ts';
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import type { ValueCodec } from '../../runtime/task-core.ts';
import { featuresOf, playbackOf } from '../simulation/values.ts';

export type SpokenRecord = {
  readonly topic: 'frame-features' | 'playback-events';
  readonly partition: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly LogHeader[];
};

export type SpeechOptions = {
  readonly random: SeededRandom;
  readonly partitions: number;
  readonly codec: ValueCodec;
  /** Registry ids that no record of this build carries: of schemas that nobody or somebody else registered. */
  readonly foreignSchemaIds: readonly number[];
  /** How many of a thousand records are spoiled. Default 25. */
  readonly spoiledPermille?: number;
};

/** Somebody outside who has something to say. */
export type Saying = {
  /** What is to be said now: about `size` records, unless the one who says it keeps a pace of its own. */
  say(size: number, nowMs: number): readonly SpokenRecord[];
  /** Features with nothing wrong about them. */
  sayFeatures(size: number, nowMs: number): readonly SpokenRecord[];
};

export class Speech implements Saying {
  readonly #random: SeededRandom;
  readonly #partitions: number;
  readonly #codec: ValueCodec;
  readonly #options: SpeechOptions;
  readonly #spoiledPermille: number;
  readonly #seq = new Map<string, number>();

  constructor(options: SpeechOptions) {
    this.#random = options.random;
    this.#partitions = options.partitions;
    this.#codec = options.codec;
    this.#options = options;
    this.#spoiledPermille = options.spoiledPermille ?? SPOILED_PERMILLE;
  }

  /** `size` records or a few more: some are said twice. `nowMs` is the speakers' clock. */
  say(size: number, nowMs: number): SpokenRecord[] {
    const random = this.#random;
    const records: SpokenRecord[] = [];
    while (records.length < size) {
      const record = random.chance(600) ? this.#features(nowMs) : this.#playback(nowMs);
      records.push(random.chance(this.#spoiledPermille) ? spoil(record, this.#options) : record);
      if (random.chance(30)) records.push(record);
    }
    return records;
  }

  sayFeatures(size: number, nowMs: number): SpokenRecord[] {
    return Array.from({ length: size }, () => this.#features(nowMs));
  }

  #features(nowMs: number): SpokenRecord {
    const random = this.#random;
    const key = `programme-${random.below(PROGRAMMES)}`;
    const seq = random.chance(10) ? -1 : this.#next(key);
    const event = random.chance(20) ? 'probe-lost' : random.chance(8) ? 'nonsense' : 'features';
    const value = featuresOf(key, seq, event, nowMs - lateness(random));
    return this.#record('frame-features', key, this.#codec.encode('frame-features', value));
  }

  #playback(nowMs: number): SpokenRecord {
    const key = `session-${this.#random.below(SESSIONS)}`;
    const value = playbackOf(key, this.#next(key), nowMs - lateness(this.#random));
    return this.#record('playback-events', key, this.#codec.encode('playback-events', value));
  }

  #record(topic: SpokenRecord['topic'], key: string, value: Uint8Array): SpokenRecord {
    const bytes = Buffer.from(key);
    return { topic, partition: partitionOf(bytes, this.#partitions), key: bytes, value, headers: [] };
  }

  #next(key: string): number {
    const seq = this.#seq.get(key) ?? 0;
    this.#seq.set(key, seq + 1);
    return seq;
  }
}

/** The record as a bad producer, or a good one of another version, could have written it. */
export function spoil(
  record: SpokenRecord,
  { random, partitions, foreignSchemaIds }: SpeechOptions,
): SpokenRecord {
  const value = record.value!;
  const underForeignId = Buffer.from(value);
  underForeignId.writeUInt32BE(random.pick(foreignSchemaIds), 1);
  return random.pick<SpokenRecord>([
    { ...record, value: Buffer.from('no framing\tat all\n\\x41') },
    { ...record, value: value.subarray(0, value.length >> 1) },
    { ...record, value: Buffer.concat([value, Buffer.from([0, 255])]) },
    { ...record, value: underForeignId },
    { ...record, key: null },
    { ...record, value: null },
    { ...record, partition: (record.partition + 1) % partitions },
    { ...record, key: null, value: null, headers: [textHeader('ev.control', 'of-a-later-version')] },
    { ...record, headers: [textHeader('trace', 'a;b,c:d\te'), ['empty', new Uint8Array(0)]] },
  ]);
}

/** In every partition of both sources: from here on this configuration holds. */
export function configEffective(configHash: string, partitions: number): SpokenRecord[] {
  const headers = encodeControl({ kind: 'config-effective', configHash });
  return (['frame-features', 'playback-events'] as const).flatMap((topic) =>
    Array.from({ length: partitions }, (_, partition) => ({
      topic,
      partition,
      key: null,
      value: null,
      headers,
    })),
  );
}

const SPOILED_PERMILLE = 25;
const PROGRAMMES = 16;
const SESSIONS = 24;

function lateness(random: SeededRandom): number {
  if (random.chance(40)) return random.between(1_000, 4_000);
  return random.chance(500) ? random.below(60) : random.below(900);
}
