/**
 * A TCP proxy before one Kafka broker that reads along: it knows where requests and answers begin and end, so it can lose
 * exactly the answer that a test wants lost.
 */
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { hostAndPort } from '../../runtime/kafkajs-pool.ts';

/** As in the protocol guide, "API Keys". */
export const API_KEY = { produce: 0, initProducer: 22, addPartitions: 24, endTransaction: 26 } as const;

export class KafkaProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** API keys of the requests whose answers are to be lost, each once. */
  readonly #toLose: number[] = [];

  static async start(broker: string): Promise<KafkaProxy> {
    const proxy = new KafkaProxy(broker);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  private constructor(broker: string) {
    const [host, port] = hostAndPort(broker);
    this.#server = createServer((client) => this.#serve(client, connectSocket(port, host)));
  }

  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return `127.0.0.1:${address.port}`;
  }

  /** The next request of this kind reaches the broker; instead of its answer, the client sees the connection end. */
  loseNextReply(apiKey: number): void {
    this.#toLose.push(apiKey);
  }

  /** Whether every loss that was asked for has happened. */
  get isDone(): boolean {
    return this.#toLose.length === 0;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket, broker: Socket): void {
    const lost = new Set<number>();
    const fromClient = new FrameReader((frame) => {
      const apiKey = frame.readInt16BE(4);
      if (this.#toLose[0] === apiKey) {
        this.#toLose.shift();
        lost.add(frame.readInt32BE(8));
      }
      broker.write(frame);
    });
    const fromBroker = new FrameReader((frame) => {
      if (lost.has(frame.readInt32BE(4))) client.destroy();
      else client.write(frame);
    });
    for (const [socket, other, reader] of [
      [client, broker, fromClient],
      [broker, client, fromBroker],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('data', (chunk: Buffer) => reader.add(chunk));
      // an error is followed by 'close'
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}

/** Cuts a stream into frames: a length in four bytes, and so many bytes. */
class FrameReader {
  readonly #onFrame: (frame: Buffer) => void;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(onFrame: (frame: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#size >= 4) {
      if (this.#chunks[0]!.length < 4) this.#chunks = [Buffer.concat(this.#chunks)];
      const length = 4 + this.#chunks[0]!.readInt32BE(0);
      if (this.#size < length) return;
      const all = Buffer.concat(this.#chunks);
      this.#chunks = [all.subarray(length)];
      this.#size -= length;
      this.#onFrame(all.subarray(0, length));
    }
  }
}
