/**
 * Connections by broker and lane. A broker answers the requests of one connection one after the other, so a request that
 * it holds back (a long poll, a join) must not share a connection with one that cannot wait.
 */
import { type ConnectionOptions, KafkaConnection } from './kafkajs-connection.ts';
import { LogError } from './port.ts';

/** Held-back requests to one broker at a time; more wait for one of them to end. */
const HELD_BACK_MAX = 64;

export type PoolOptions = Omit<ConnectionOptions, 'host' | 'port'> & {
  /** Where to connect to for an address that a broker goes by. */
  readonly via: (address: string) => string;
};

export class KafkajsPool {
  readonly #options: PoolOptions;
  readonly #lanes = new Map<string, Promise<KafkaConnection>>();
  readonly #open = new Set<KafkaConnection>();
  readonly #idle = new Map<string, KafkaConnection[]>();
  readonly #heldBack = new Map<string, number>();
  readonly #waiting: (() => void)[] = [];
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** The connection of a lane, opened when there is none. Rejects before anything was asked of the broker. */
  async shared(address: string, lane: string): Promise<KafkaConnection> {
    const name = `${address} ${lane}`;
    const opening = this.#lanes.get(name);
    if (opening !== undefined) {
      const connection = await opening;
      if (connection.isOpen) return connection;
      connection.retire();
      // whoever sees first that it is gone opens the next one
      if (this.#lanes.get(name) !== opening) return this.shared(address, lane);
    }
    const next = this.#connect(address);
    this.#lanes.set(name, next);
    next.catch(() => {
      if (this.#lanes.get(name) === next) this.#lanes.delete(name);
    });
    return next;
  }

  /** Gives `use` a connection that nobody else uses meanwhile. */
  async exclusive<T>(address: string, use: (connection: KafkaConnection) => Promise<T>): Promise<T> {
    while ((this.#heldBack.get(address) ?? 0) >= HELD_BACK_MAX && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#heldBack.set(address, (this.#heldBack.get(address) ?? 0) + 1);
    try {
      const connection = this.#takeIdle(address) ?? (await this.#connect(address));
      const result = await use(connection);
      this.#idleAt(address).push(connection);
      return result;
    } finally {
      this.#heldBack.set(address, this.#heldBack.get(address)! - 1);
      this.#waiting.shift()?.();
    }
  }

  /** Requests under way fail with `unreachable`, later ones with `closed`. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#open) connection.close();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #connect(address: string): Promise<KafkaConnection> {
    this.#assertOpen();
    const [host, port] = hostAndPort(this.#options.via(address));
    for (const connection of this.#open) if (connection.isClosed) this.#open.delete(connection);
    const connection = await KafkaConnection.open({ ...this.#options, host, port });
    if (this.#isClosed) connection.close();
    this.#assertOpen();
    this.#open.add(connection);
    return connection;
  }

  #takeIdle(address: string): KafkaConnection | null {
    const idle = this.#idleAt(address);
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.isOpen) return connection;
      connection.retire();
    }
    return null;
  }

  #idleAt(address: string): KafkaConnection[] {
    let idle = this.#idle.get(address);
    if (idle === undefined) {
      idle = [];
      this.#idle.set(address, idle);
    }
    return idle;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new LogError('closed', 'The log port was closed: open a new one.');
  }
}

/** Throws `unreachable` for what is no address. */
export function hostAndPort(address: string): readonly [host: string, port: number] {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65535) {
    throw new LogError(
      'unreachable',
      `"${address}" is no address of a Kafka broker: write host:port, several with commas between, as in KAFKA_BROKERS=127.0.0.1:9092.`,
    );
  }
  return [host, Number(port)];
}
