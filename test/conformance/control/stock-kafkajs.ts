/** Stock kafkajs as its users have it, and what the control needs to watch it fail. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import {
  type Admin,
  type Consumer,
  type ConsumerConfig,
  Kafka,
  logLevel,
  type Producer,
  type ProducerConfig,
} from 'kafkajs';
import { openKafkajsPort } from '../../../runtime/kafkajs-port.ts';
import type { LogPort } from '../../../runtime/port.ts';
import { systemClock } from '../../../runtime/system-clock.ts';
import { TransactionalProducer } from '../../../runtime/transactional-producer.ts';
import type { BrokerProxy } from '../../support/broker-proxy.ts';

const TIMEOUT_MS = 60_000;

export class StockKafkajs {
  readonly kafka: Kafka;
  readonly #closing: (() => Promise<void>)[] = [];
  #admin: Admin | null = null;

  readonly #port: LogPort;

  /**
   * Coordinators and topics are made by our port: a fresh broker takes a while to have them, and how stock kafkajs bears
   * that is not what is looked at here.
   */
  static async start(brokers: readonly string[]): Promise<StockKafkajs> {
    const port = await openKafkajsPort({ brokers, clientId: 'control' });
    const options = {
      port,
      clock: systemClock,
      transactionalId: newName('txn'),
      transactionTimeoutMs: 30_000,
    };
    const producer = await TransactionalProducer.open(options);
    producer.begin();
    await producer.sendGroupOffsets(newName('group'), []);
    await producer.commit();
    return new StockKafkajs(brokers, port);
  }

  private constructor(brokers: readonly string[], port: LogPort) {
    this.#port = port;
    this.kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  }

  async admin(): Promise<Admin> {
    if (this.#admin === null) {
      this.#admin = this.kafka.admin();
      await this.#admin.connect();
      this.#closing.push(() => this.#admin!.disconnect());
    }
    return this.#admin;
  }

  async topic(configs: Readonly<Record<string, string>> = {}): Promise<string> {
    const topic = newName('control');
    await this.#port.createTopics([{ topic, partitions: 1, replicas: 1, configs }]);
    return topic;
  }

  async producer(config: ProducerConfig = {}, kafka: Kafka = this.kafka): Promise<Producer> {
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, ...config });
    await producer.connect();
    this.#closing.push(() => producer.disconnect());
    return producer;
  }

  transactional(kafka: Kafka = this.kafka, config: ProducerConfig = {}): Promise<Producer> {
    return this.producer({ transactionalId: newName('txn'), ...config }, kafka);
  }

  /** Reads from the beginning; `values` grows, `fetches` counts. */
  async reader(topic: string, config: Partial<ConsumerConfig> = {}): Promise<Reader> {
    const consumer = this.kafka.consumer({ groupId: newName('group'), maxWaitTimeInMs: 100, ...config });
    const reader: Reader = { consumer, values: [], offsets: [], crashes: [], fetches: 0 };
    consumer.on('consumer.fetch', () => {
      reader.fetches++;
    });
    consumer.on('consumer.crash', ({ payload }) => reader.crashes.push(payload.error));
    await consumer.connect();
    this.#closing.push(() => consumer.disconnect());
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ message }) => {
        reader.values.push(String(message.value));
        reader.offsets.push(Number(message.offset));
      },
    });
    return reader;
  }

  /** Its connections go through the proxy, and it tries twice: once is not allowed. */
  lossy(proxy: BrokerProxy): Kafka {
    const [host, port] = proxy.address.split(':');
    return new Kafka({
      brokers: [proxy.address],
      logLevel: logLevel.NOTHING,
      retry: { retries: 1, initialRetryTime: 20 },
      socketFactory: ({ onConnect }) => connect({ host, port: Number(port) }, onConnect),
    });
  }

  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
    await this.#port.close();
  }
}

export type Reader = {
  readonly consumer: Consumer;
  readonly values: string[];
  readonly offsets: number[];
  readonly crashes: Error[];
  fetches: number;
};

export function newName(prefix: string): string {
  return `${prefix}-${randomBytes(6).toString('hex')}`;
}

export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + TIMEOUT_MS;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`${what}: not within ${TIMEOUT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
