/**
 * Feature records into Kafka: kafkajs's ordinary producer, idempotent, acks=all, our own batching of at most 100 ms.
 * Batches are compressed with gzip, which every client reads without a library of its own; zstd would save 2 % more.
 *
 * A kafkajs producer that threw is never used again: after a lost reply it would give the next record the same sequence
 * number, and the broker would drop that as a repetition. The batch is sent once more by a new producer instead, which
 * may repeat records; readers drop repeated ones by (probeEpochMs, seq).
 */
import { CompressionTypes, type Kafka, type Message, type Producer } from 'kafkajs';
import { partitionOf } from '../../runtime/partitioner.ts';
import type { Clock } from '../../runtime/port.ts';
import { encodeValue } from '../../schemas/codec.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import type { FeatureSink } from './bounded-writer.ts';

export const LINGER_MS_MAX = 100;

export type KafkaSinkOptions = {
  readonly kafka: Pick<Kafka, 'producer'>;
  /** Id that the registry holds the schema of `frame-features` under. */
  readonly schemaId: number;
  readonly clock: Clock;
  /** How long a record waits for others, in ms; at most {@link LINGER_MS_MAX}. */
  readonly lingerMs?: number;
  /** Producers tried for one batch before its records fail. */
  readonly attemptsMax?: number;
};

export type KafkaSink = FeatureSink & {
  /** Sends what waits and disconnects. */
  close(): Promise<void>;
};

/** Connects the first producer. Throws what kafkajs throws when no broker answers. */
export async function createKafkaSink(options: KafkaSinkOptions): Promise<KafkaSink> {
  const lingerMs = options.lingerMs ?? LINGER_MS_MAX;
  if (!(lingerMs >= 0 && lingerMs <= LINGER_MS_MAX)) {
    throw new RangeError(`lingerMs is ${lingerMs}, it must be from 0 to ${LINGER_MS_MAX}`);
  }
  const sender = new Sender(options);
  await sender.connect();
  let waiting: Pending[] = [];
  let running: Promise<void> | null = null;
  let closed = false;
  const closing = new AbortController();

  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      await options.clock.sleep(lingerMs, closing.signal);
      const batch = waiting;
      waiting = [];
      await settle(batch, sender.send(batch.map((pending) => pending.message)));
    }
    running = null;
  };

  return {
    write(topicKey, record) {
      if (closed) return Promise.reject(new Error('the Kafka sink is closed'));
      const message = encode(topicKey, record, options.schemaId);
      return new Promise((resolve, reject) => {
        waiting.push({ message, resolve, reject });
        running ??= run();
      });
    },
    async close() {
      closed = true;
      closing.abort();
      await running;
      await sender.disconnect();
    },
  };
}

const TOPIC = 'frame-features';
const ATTEMPTS_MAX = 5;
const RETRY_DELAY_MS = 500;

type Pending = {
  readonly message: Message;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
};

function encode(topicKey: string, record: FrameFeatures, schemaId: number): Message {
  const bytes = encodeValue(TOPIC, schemaId, record);
  return { key: topicKey, value: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

async function settle(batch: readonly Pending[], sent: Promise<void>): Promise<void> {
  try {
    await sent;
    for (const pending of batch) pending.resolve();
  } catch (cause) {
    for (const pending of batch) pending.reject(cause);
  }
}

/** One batch at a time, each by a producer that has never failed. */
class Sender {
  readonly #options: KafkaSinkOptions;
  #producer: Producer | null = null;
  /** Partitions that the batch under way was meant for. */
  #partitions = new Set<number>();

  constructor(options: KafkaSinkOptions) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    const producer = this.#options.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: () => (args) => {
        const partition = partitionOf(Buffer.from(args.message.key ?? ''), args.partitionMetadata.length);
        this.#partitions.add(partition);
        return partition;
      },
    });
    await producer.connect();
    this.#producer = producer;
  }

  async send(messages: Message[]): Promise<void> {
    const attemptsMax = this.#options.attemptsMax ?? ATTEMPTS_MAX;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#sendOnce(messages);
        return;
      } catch (cause) {
        await this.disconnect();
        if (attempt >= attemptsMax) throw cause;
        await this.#options.clock.sleep(RETRY_DELAY_MS * attempt);
      }
    }
  }

  async #sendOnce(messages: Message[]): Promise<void> {
    if (this.#producer === null) await this.connect();
    this.#partitions = new Set();
    const compression = CompressionTypes.GZIP;
    const results = await this.#producer!.send({ topic: TOPIC, acks: -1, compression, messages });
    // While a partition moves, kafkajs may leave its records out and resolve all the same.
    const acknowledged = new Set(results.map((result) => result.partition));
    const missing = [...this.#partitions].filter((partition) => !acknowledged.has(partition));
    if (missing.length > 0)
      throw new Error(`Kafka did not acknowledge partition ${missing.join(', ')} of ${TOPIC}`);
  }

  async disconnect(): Promise<void> {
    const producer = this.#producer;
    this.#producer = null;
    // A producer that threw may throw again on leaving; the batch's own outcome is what counts.
    await Promise.allSettled([producer?.disconnect()]);
  }
}
