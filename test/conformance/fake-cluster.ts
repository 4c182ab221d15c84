/** Just enough of Kafka's protocol to have leaders move, answers left out, and silence, on demand. */
import { createRequire } from 'node:module';
import { createServer, type Server, type Socket } from 'node:net';
import { batchesOf } from '../../runtime/record-batch.ts';
import { systemClock } from '../../runtime/system-clock.ts';

const require = createRequire(import.meta.url);
const Encoder = require('kafkajs/src/protocol/encoder');
const Decoder = require('kafkajs/src/protocol/decoder');

/** Brokers of one topic `t` with two partitions, which do as they are told. Each batch is one record. */
export class FakeCluster {
  leaders: (number | null)[] = [0, 0];
  /** Base sequences of the batches in each partition. */
  readonly log: number[][] = [[], []];
  readonly unacknowledged = new Set<number>();
  /** Error codes by partition, instead of writing. */
  readonly errors = new Map<number, number>();
  readonly fetches: number[] = [0, 0];
  isSilent = false;
  readonly #bytes: Buffer[][] = [[], []];
  readonly #servers: Server[] = [];
  readonly #sockets: Set<Socket>[] = [];
  #waiting: (() => void)[] = [];

  static async start(size: number): Promise<FakeCluster> {
    const fake = new FakeCluster();
    for (let node = 0; node < size; node++) {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => fake.#serve(node, socket));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      fake.#servers.push(server);
      fake.#sockets.push(sockets);
    }
    return fake;
  }

  get addresses(): string[] {
    return this.#servers.map((_, node) => `127.0.0.1:${this.#portOf(node)}`);
  }

  /** Lets held-back fetches answer. */
  wake(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }

  async kill(node: number): Promise<void> {
    for (const socket of this.#sockets[node]!) socket.destroy();
    const server = this.#servers[node]!;
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }

  async stop(): Promise<void> {
    this.wake();
    for (const node of this.#servers.keys()) await this.kill(node);
  }

  #portOf(node: number): number {
    const address = this.#servers[node]!.address();
    // a node that was killed is still known by its address
    if (address === null || typeof address === 'string') return this.#lastPorts[node] ?? 1;
    this.#lastPorts[node] = address.port;
    return address.port;
  }
  readonly #lastPorts: number[] = [];

  #serve(node: number, socket: Socket): void {
    this.#sockets[node]!.add(socket);
    socket.on('close', () => this.#sockets[node]!.delete(socket));
    socket.on('error', () => socket.destroy());
    let waiting = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      waiting = Buffer.concat([waiting, chunk as Buffer]);
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readInt32BE(0)) {
        const frame = waiting.subarray(4, 4 + waiting.readInt32BE(0));
        waiting = waiting.subarray(4 + frame.length);
        void this.#answer(node, socket, frame);
      }
    });
  }

  async #answer(node: number, socket: Socket, frame: Buffer): Promise<void> {
    const request = new Decoder(frame);
    const apiKey = request.readInt16();
    request.readInt16();
    const correlationId = request.readInt32();
    request.readString();
    const body = await this.#bodyOf(apiKey, node, request);
    if (this.isSilent || socket.destroyed) return;
    const payload = new Encoder().writeInt32(correlationId).writeEncoder(body);
    socket.write(new Encoder().writeInt32(payload.size()).writeEncoder(payload).buffer);
  }

  async #bodyOf(apiKey: number, node: number, request: InstanceType<typeof Decoder>) {
    switch (apiKey) {
      case 0:
        return this.#produce(node, request);
      case 1:
        return await this.#fetch(node, request);
      case 3:
        return this.#metadata();
      case 10:
        return new Encoder()
          .writeInt32(0)
          .writeInt16(0)
          .writeString(null)
          .writeInt32(0)
          .writeString('127.0.0.1')
          .writeInt32(this.#portOf(0));
      case 18:
        return new Encoder().writeInt16(0).writeInt32(0).writeInt32(0);
      case 22:
        return new Encoder().writeInt32(0).writeInt16(0).writeInt64('7').writeInt16(0);
      case 24:
        return new Encoder().writeInt32(0).writeInt32(0);
      default:
        throw new Error(`the fake broker does not know API key ${apiKey}`);
    }
  }

  #metadata() {
    const body = new Encoder().writeInt32(0).writeInt32(this.#servers.length);
    for (const node of this.#servers.keys())
      body.writeInt32(node).writeString('127.0.0.1').writeInt32(this.#portOf(node)).writeString(null);
    body
      .writeString('fake')
      .writeInt32(0)
      .writeInt32(1)
      .writeInt16(0)
      .writeString('t')
      .writeBoolean(false)
      .writeInt32(2);
    for (const [partition, leader] of this.leaders.entries()) {
      body
        .writeInt16(leader === null ? 5 : 0)
        .writeInt32(partition)
        .writeInt32(leader ?? -1);
      for (let list = 0; list < 3; list++) body.writeInt32(0);
    }
    return body;
  }

  #produce(node: number, request: InstanceType<typeof Decoder>) {
    request.readString();
    request.readInt16();
    request.readInt32();
    const answers: [partition: number, errorCode: number][] = [];
    request.readArray((topic: typeof request) => {
      topic.readString();
      topic.readArray((one: typeof request) => {
        const partition = one.readInt32();
        answers.push([partition, this.#append(node, partition, Buffer.from(one.readBytes()))]);
      });
    });
    const told = answers.filter(([partition]) => !this.unacknowledged.has(partition));
    const body = new Encoder().writeInt32(1).writeString('t').writeInt32(told.length);
    for (const [partition, errorCode] of told) {
      body
        .writeInt32(partition)
        .writeInt16(errorCode)
        .writeInt64(errorCode === 0 ? `${this.log[partition]!.length - 1}` : '-1');
      body.writeInt64('-1').writeInt64('0').writeInt32(0).writeString(null);
    }
    return body.writeInt32(0);
  }

  #append(node: number, partition: number, bytes: Buffer): number {
    if (this.leaders[partition] !== node) return 6;
    const errorCode = this.errors.get(partition);
    if (errorCode !== undefined) return errorCode;
    const { baseSequence } = batchesOf(bytes)[0]!;
    if (baseSequence >= 0 && this.log[partition]!.includes(baseSequence)) return 0;
    this.log[partition]!.push(baseSequence);
    this.#bytes[partition]!.push(bytes);
    return 0;
  }

  async #fetch(node: number, request: InstanceType<typeof Decoder>) {
    this.fetches[node]!++;
    request.readInt32();
    const maxWaitMs = request.readInt32();
    for (const read of ['readInt32', 'readInt32', 'readInt8', 'readInt32', 'readInt32']) request[read]();
    const asked: [partition: number, offset: number][] = [];
    request.readArray((topic: typeof request) => {
      topic.readString();
      topic.readArray((one: typeof request) => {
        const partition = one.readInt32();
        one.readInt32();
        asked.push([partition, Number(one.readInt64())]);
        one.readInt64();
        one.readInt32();
      });
    });
    const hasNews = () => asked.some(([partition, offset]) => this.#bytes[partition]!.length > offset);
    if (!hasNews()) {
      const woken = new Promise<void>((resolve) => this.#waiting.push(resolve));
      const ended = new AbortController();
      await Promise.race([woken, systemClock.sleep(maxWaitMs, ended.signal)]);
      ended.abort();
    }
    const body = new Encoder()
      .writeInt32(0)
      .writeInt16(0)
      .writeInt32(0)
      .writeInt32(1)
      .writeString('t')
      .writeInt32(asked.length);
    for (const [partition, offset] of asked) {
      const end = `${this.#bytes[partition]!.length}`;
      body
        .writeInt32(partition)
        .writeInt16(this.leaders[partition] === node ? 0 : 6)
        .writeInt64(end)
        .writeInt64(end)
        .writeInt64('0');
      body
        .writeInt32(0)
        .writeInt32(-1)
        .writeBytes(Buffer.concat(this.#bytes[partition]!.slice(offset)));
    }
    return body;
  }
}
