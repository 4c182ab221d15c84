/**
 * A TCP proxy before one Kafka broker that reads along and misbehaves on demand: loses exactly the answers that a test wants
 * lost, or swallows everything.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { hostAndPort } from '../../runtime/kafkajs-pool.ts';

/** As in Kafka's protocol guide, "API Keys". */
const API_KEYS = {
  Produce: 0,
  Fetch: 1,
  JoinGroup: 11,
  Heartbeat: 12,
  SyncGroup: 14,
  InitProducerId: 22,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  TxnOffsetCommit: 28,
} as const;
export type ApiName = keyof typeof API_KEYS;

export class BrokerProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #toLose = new Map<number, number>();
  #lost = 0;
  #isHole = false;
  #swallowedBytes = 0;

  static async start(broker: string): Promise<BrokerProxy> {
    const proxy = new BrokerProxy(broker);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  private constructor(broker: string) {
    const [host, port] = hostAndPort(broker);
    this.#server = createServer((client) => this.#serve(client, connect(port, host)));
  }

  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return `127.0.0.1:${address.port}`;
  }

  /** Answers that were lost so far. */
  get lost(): number {
    return this.#lost;
  }

  /** Bytes that vanished so far, of both directions. */
  get swallowedBytes(): number {
    return this.#swallowedBytes;
  }

  /** The next request of this kind reaches the broker; instead of its answer, the client sees the connection end. */
  loseNextReply(api: ApiName): void {
    const key = API_KEYS[api];
    this.#toLose.set(key, (this.#toLose.get(key) ?? 0) + 1);
  }

  /** Losses that were asked for and have not happened. */
  get pending(): number {
    let pending = 0;
    for (const count of this.#toLose.values()) pending += count;
    return pending;
  }

  /**
   * A hole: connections stay open, new ones are accepted, and nothing comes through. When it is closed, what was
   * connected is cut off: its stream has gaps.
   */
  swallow(isHole: boolean): void {
    if (this.#isHole && !isHole) for (const socket of this.#sockets) socket.destroy();
    this.#isHole = isHole;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket, broker: Socket): void {
    const toBeLost = new Set<number>();
    const requests = new FrameReader((frame) => {
      if (this.#take(frame.readInt16BE(4))) toBeLost.add(frame.readInt32BE(8));
      broker.write(frame);
    });
    const answers = new FrameReader((frame) => {
      if (!toBeLost.has(frame.readInt32BE(4))) {
        client.write(frame);
        return;
      }
      this.#lost += 1;
      client.destroy();
    });
    for (const [socket, other, reader] of [
      [client, broker, requests],
      [broker, client, answers],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('data', (chunk: Buffer) => {
        if (this.#isHole) this.#swallowedBytes += chunk.length;
        else reader.add(chunk);
      });
      // an error is followed by 'close'
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }

  #take(apiKey: number): boolean {
    const left = this.#toLose.get(apiKey) ?? 0;
    if (left === 0) return false;
    if (left === 1) this.#toLose.delete(apiKey);
    else this.#toLose.set(apiKey, left - 1);
    return true;
  }
}

/** Cuts a stream into frames: a length in four bytes, and so many bytes. */
class FrameReader {
  readonly #onFrame: (frame: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(onFrame: (frame: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  add(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 4) {
      const length = 4 + this.#rest.readInt32BE(0);
      if (this.#rest.length < length) return;
      const frame = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      this.#onFrame(frame);
    }
  }
}
