/** Outside producers: append what they have to say at a bounded rate, and try again when a broker is away. */
import { LogError, type LogPort, type TransactionHandle } from '../../runtime/port.ts';
import { BatchBuilder, NO_PRODUCER } from '../../runtime/record-batch.ts';
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import { configEffective, type Saying, Speech, type SpeechOptions, type SpokenRecord } from './speech.ts';

export type SpeakersOptions = {
  /** Names topics without prefix. */
  readonly port: LogPort;
  readonly prefix: string;
  readonly random: SeededRandom;
  readonly partitions: number;
  readonly codec: FetchingCodec;
  readonly foreignSchemaIds: readonly number[];
  readonly spoiledPermille?: number;
  readonly recordsPerSecond: number;
} & OutsideOptions;

/** What may be otherwise with those who speak. */
export type OutsideOptions = {
  /** Who speaks; {@link Speech} where nothing else is said. */
  readonly speech?: (options: SpeechOptions) => Saying;
  /** Of a thousand turns, those after which nobody says anything for a while. Default 10. */
  readonly silencePermille?: number;
  /** How often a new configuration comes, and how many different ones there are. Default every 200 turns, no end. */
  readonly turnsPerConfig?: number;
  readonly configsMax?: number;
  /** What every configuration says besides. */
  readonly settings?: object;
  /** Number of the first configuration: a reset keeps the one in force, and saying it again changes nothing. */
  readonly firstConfig?: number;
};

export class Speakers {
  readonly #options: SpeakersOptions;
  readonly #speech: Saying;
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  readonly #appended = new Map<string, number>();
  #transactions = 0;
  #configs: number;

  constructor(options: SpeakersOptions) {
    this.#options = options;
    this.#configs = options.firstConfig ?? 0;
    const { speech = (said) => new Speech(said) } = options;
    this.#speech = speech({ ...options, random: options.random.fork('speech') });
    this.#running = this.#run();
    this.#running.catch(() => undefined);
  }

  /** Number of the next configuration. */
  get nextConfig(): number {
    return this.#configs;
  }

  /** Records whose append was acknowledged, those of given up transactions not among them. */
  appendedTo(topic: string): number {
    return this.#appended.get(topic) ?? 0;
  }

  /** Ends when all that was begun is acknowledged. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  /**
   * Features as somebody writes them whose schema has another id, and fields behind ours.
   * @returns how many
   */
  async sayUnder(schemaId: number, fieldsBehind: Uint8Array): Promise<number> {
    const records = this.#speech.sayFeatures(FOREIGN_RECORDS, systemClock.nowMs()).map((record) => {
      const value = Buffer.concat([record.value!, fieldsBehind]);
      value.writeUInt32BE(schemaId, 1);
      return { ...record, value };
    });
    await this.#append(records);
    return records.length;
  }

  async #run(): Promise<void> {
    const { random, recordsPerSecond, silencePermille = SILENCE_PERMILLE } = this.#options;
    const { turnsPerConfig = TURNS_PER_CONFIG } = this.#options;
    await this.#configure();
    for (let turn = 1; !this.#ending.signal.aborted; turn++) {
      const records = this.#speech.say(
        Math.max(1, Math.round((recordsPerSecond * TURN_MS) / 1_000)),
        systemClock.nowMs(),
      );
      const how = random.below(100);
      if (how < 4 && records.length > 0)
        await this.#appendInTransaction(records, how === 0 ? 'abort' : 'commit');
      else await this.#append(records);
      if (turn % turnsPerConfig === 0) await this.#configure();
      // now and then nobody says anything, for long enough to be ticked
      await systemClock.sleep(random.chance(silencePermille) ? SILENCE_MS : TURN_MS, this.#ending.signal);
    }
  }

  async #append(records: readonly SpokenRecord[]): Promise<void> {
    for (const { topic, partition, builder } of buildersOf(records)) {
      // a lost answer may mean that it is said twice: outside producers are no better
      await untilDone(async () => {
        await this.#options.port.produce(null, [
          { topic, partition, bytes: builder.finish(NO_PRODUCER), baseSequence: -1 },
        ]);
      });
      this.#count(topic, builder.recordCount);
    }
  }

  /** A broker that goes away in the middle leaves it to the transaction's timeout; then it is not said. */
  async #appendInTransaction(records: readonly SpokenRecord[], outcome: 'commit' | 'abort'): Promise<void> {
    const { port, prefix, random } = this.#options;
    const transactionalId = `${prefix}outside-${this.#transactions++ % OUTSIDE_IDS}`;
    const identity = await untilDone(() => port.initProducer(transactionalId, TRANSACTION_TIMEOUT_MS));
    const txn: TransactionHandle = { transactionalId, identity };
    const seal = {
      producerId: identity.producerId,
      producerEpoch: identity.epoch,
      baseSequence: 0,
      isTransactional: true,
    };
    const batches = buildersOf(records).map(({ topic, partition, builder }) => ({
      topic,
      partition,
      bytes: builder.finish(seal),
      baseSequence: 0,
    }));
    try {
      await untilDone(() => port.addPartitions(txn, batches));
      await untilDone(() => port.produce(txn, batches));
      await systemClock.sleep(random.below(150));
      await untilDone(() => port.endTransaction(txn, outcome));
      if (outcome === 'commit') for (const { topic } of records) this.#count(topic, 1);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      // whatever became of it, nothing of it may stay open
      await untilDone(() => port.initProducer(transactionalId, TRANSACTION_TIMEOUT_MS));
    }
  }

  #count(topic: string, records: number): void {
    this.#appended.set(topic, this.appendedTo(topic) + records);
  }

  /** A new configuration: its content first, then the word that it holds. */
  async #configure(): Promise<void> {
    const { port, codec, partitions, settings } = this.#options;
    const number = this.#configs++ % (this.#options.configsMax ?? Number.MAX_SAFE_INTEGER);
    const configHash = `config-${number}`;
    const entry = {
      name: `set/${configHash}`,
      kind: 'set',
      contentHash: configHash,
      body: JSON.stringify({
        ...settings,
        weight: number + 2,
        detectors: { 'video-black': { minMs: 1_000 + 500 * (number % 3) } },
      }),
      bodyVersion: 1,
      author: '',
      comment: '',
      createdAtMs: 0,
    };
    const builder = new BatchBuilder();
    builder.append(Buffer.from(entry.name), codec.encode('everyview-config', entry), [], systemClock.nowMs());
    await untilDone(async () => {
      await port.produce(null, [
        { topic: 'everyview-config', partition: 0, bytes: builder.finish(NO_PRODUCER), baseSequence: -1 },
      ]);
    });
    await this.#append(configEffective(configHash, partitions));
  }
}

const TURN_MS = 50;
const SILENCE_MS = 1_500;
const SILENCE_PERMILLE = 10;
const TURNS_PER_CONFIG = 200;
const OUTSIDE_IDS = 3;
const FOREIGN_RECORDS = 20;
const TRANSACTION_TIMEOUT_MS = 10_000;
const AGAIN_MS = 100;
const GIVE_UP_MS = 120_000;

/** Tries again for as long as the broker is away; a transaction that was fenced or timed out is not. */
export async function untilDone<T>(attempt: () => Promise<T>): Promise<T> {
  const deadlineMs = systemClock.nowMs() + GIVE_UP_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const isPassing = error instanceof LogError && (error.kind === 'retry' || isAway(error));
      if (!isPassing || systemClock.nowMs() > deadlineMs) throw error;
    }
    await systemClock.sleep(AGAIN_MS);
  }
}

function isAway({ code }: LogError): boolean {
  return code === 'unreachable' || code === 'timed-out';
}

/** One batch for each partition, stamped now where the writer's stamp counts. */
function buildersOf(records: readonly SpokenRecord[]) {
  const nowMs = systemClock.nowMs();
  const byPartition = new Map<string, { topic: string; partition: number; builder: BatchBuilder }>();
  for (const { topic, partition, key, value, headers } of records) {
    const name = `${topic}/${partition}`;
    let batch = byPartition.get(name);
    if (batch === undefined) {
      batch = { topic, partition, builder: new BatchBuilder(1 << 12) };
      byPartition.set(name, batch);
    }
    batch.builder.append(key, value, headers, nowMs);
  }
  return [...byPartition.values()];
}
