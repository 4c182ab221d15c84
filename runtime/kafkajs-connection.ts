/**
 * One connection to one broker. kafkajs does what it does well: TCP, TLS, SASL, framing of answers, matching them to
 * requests, timeouts. This file and its `kafkajs-*` neighbours are the only ones that know its inside.
 */
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import type { WireRequest } from './kafka-wire.ts';
import { LogError } from './port.ts';
import { SpareBuffers } from './spare-buffers.ts';

/** As in kafkajs's own configuration. */
export type Security = {
  readonly ssl?: object;
  readonly sasl?: { readonly mechanism: string } & Readonly<Record<string, unknown>>;
};

export type ConnectionOptions = Security & {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
};

export class KafkaConnection {
  readonly address: string;
  readonly #inner: KafkajsConnection;
  readonly #clientId: Buffer;
  #underWay = 0;
  #isRetired = false;
  #isClosed = false;

  /** Connects, asks for the broker's versions and authenticates. Nothing was asked of the broker when this rejects. */
  static async open(options: ConnectionOptions): Promise<KafkaConnection> {
    const connection = new KafkaConnection(options);
    try {
      await connection.#connect();
      return connection;
    } catch (error) {
      connection.close();
      throw connection.#connectFailure(error);
    }
  }

  private constructor(options: ConnectionOptions) {
    this.address = `${options.host}:${options.port}`;
    // not from Node's pool, of which a connection would keep 64 KiB for these few bytes
    this.#clientId = Buffer.from(new TextEncoder().encode(options.clientId).buffer);
    this.#inner = new Connection({
      host: options.host,
      port: options.port,
      ssl: options.ssl ?? null,
      sasl: options.sasl ?? null,
      clientId: options.clientId,
      connectionTimeout: options.connectTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      enforceRequestTimeout: true,
      socketFactory:
        options.ssl === undefined
          ? (where: SocketOptions) =>
              framingSocket(where, () => {
                // what kafkajs keeps of the answer before is empty; it would copy this one to join the two
                this.#inner.chunks = [];
              })
          : createSocketFactory(),
      logger: SILENT,
    });
    // nothing ever waits in kafkajs's own queue here, and its timer for that asks Node for a negative delay
    this.#inner.requestQueue.scheduleCheckPendingRequests = () => {};
  }

  get isClosed(): boolean {
    return this.#isClosed || !this.#inner.isConnected();
  }

  /**
   * Whether it takes requests. A session that is about to expire (KIP-368) does not: kafkajs could authenticate again on
   * the same connection, but would then take the answers to requests under way for answers to that.
   */
  get isOpen(): boolean {
    if (this.isClosed) return false;
    return this.#inner.sasl === null || this.#inner.isAuthenticated();
  }

  /**
   * The payload of the answer. Rejects with `unreachable` or `timed-out`, after which the connection is closed: whether
   * the broker did what it was asked is not known then.
   *
   * @param longestMs for requests that the broker holds back, instead of the request timeout
   */
  async ask(request: WireRequest, longestMs = 0): Promise<Buffer> {
    this.#underWay++;
    try {
      return await this.#exchange(request, longestMs);
    } catch (error) {
      this.close();
      throw this.#requestFailure(request, error);
    } finally {
      this.#underWay--;
      if (this.#isRetired) this.retire();
    }
  }

  /** Closes once no request waits for an answer any more. */
  retire(): void {
    this.#isRetired = true;
    if (this.#underWay === 0) this.close();
  }

  /** Requests that wait for an answer fail with `unreachable`. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#inner.rejectRequests(new Error('the connection was closed'));
    // the promise waits for a goodbye from a broker that may never answer
    this.#inner.disconnect().catch(ignoreFailedGoodbye);
    this.#inner.socket?.destroy();
  }

  async #connect(): Promise<void> {
    await this.#inner.connect();
    const { request, response } = requests.ApiVersions.protocol({ version: 2 })();
    const { apiVersions } = (await response.decode(
      await this.#exchange(await wireRequest(request), 0),
    )) as ApiVersions;
    const versions: Record<number, ApiVersion> = {};
    for (const one of apiVersions) versions[one.apiKey] = one;
    this.#inner.setVersions(versions);
    this.#inner.setSupportAuthenticationProtocol(versions[SASL_AUTHENTICATE] !== undefined);
    await this.#inner.authenticate();
  }

  async #exchange({ apiKey, apiName, apiVersion, body }: WireRequest, longestMs: number): Promise<Buffer> {
    const correlationId = this.#inner.nextCorrelationId();
    const head = Buffer.allocUnsafe(14 + this.#clientId.length);
    head.writeInt32BE(head.length - 4 + body.length, 0);
    head.writeInt16BE(apiKey, 4);
    head.writeInt16BE(apiVersion, 6);
    head.writeInt32BE(correlationId, 8);
    head.writeInt16BE(this.#clientId.length, 12);
    this.#clientId.copy(head, 14);
    const answer = await new Promise<{ readonly payload: Buffer }>((resolve, reject) => {
      if (!this.#inner.isConnected()) throw new Error('the connection is closed');
      this.#inner.requestQueue.push({
        entry: { apiKey, apiName, apiVersion, correlationId, resolve, reject },
        expectResponse: true,
        requestTimeout: longestMs,
        sendRequest: () => {
          this.#inner.socket.cork();
          this.#inner.socket.write(head);
          this.#inner.socket.write(body);
          this.#inner.socket.uncork();
        },
      });
    });
    return answer.payload;
  }

  #connectFailure(error: unknown): LogError {
    const { message, code, type } = detailsOf(error);
    if (type === 'SASL_AUTHENTICATION_FAILED' || /sasl|authenticat/i.test(message)) {
      return new LogError(
        'unauthorized',
        `The Kafka broker at ${this.address} refused the credentials: ${message}. Check user, password and mechanism.`,
        { cause: error },
      );
    }
    const [why, advice] =
      code === 'ECONNREFUSED'
        ? ['nothing listens there', 'start it, or give the right address in KAFKA_BROKERS']
        : [message, 'check the address in KAFKA_BROKERS, and whether the broker expects TLS or a login'];
    const text = `The Kafka broker at ${this.address} cannot be reached (${why}): ${advice}.`;
    return new LogError('unreachable', text, { cause: error });
  }

  #requestFailure({ apiName }: WireRequest, error: unknown): LogError {
    const { name, message } = detailsOf(error);
    if (name === 'KafkaJSRequestTimeoutError') {
      return new LogError(
        'timed-out',
        `${apiName}: the Kafka broker at ${this.address} did not answer in time.`,
        {
          cause: error,
        },
      );
    }
    return new LogError(
      'unreachable',
      `${apiName}: the connection to the Kafka broker at ${this.address} was lost (${message}).`,
      { cause: error },
    );
  }
}

/**
 * A socket that reads into one buffer and says `data` once for each whole answer. Node and kafkajs would make a buffer of
 * 64 KiB for every read and join them, over and over for a large answer: more garbage than the fetched records are.
 */
function framingSocket({ host, port, onConnect }: SocketOptions, beforeEach: () => void): Socket {
  const size = Buffer.alloc(4);
  let sizeFilled = 0;
  let frame: Buffer | null = null;
  let filled = 0;
  const take = (read: number, buffer: Uint8Array): boolean => {
    for (let at = 0; at < read; ) {
      if (frame === null) {
        size[sizeFilled++] = buffer[at++]!;
        if (sizeFilled < 4) continue;
        const bytes = size.readUInt32BE();
        if (bytes > ANSWER_BYTES_MAX) {
          socket.destroy(new Error(`what it says is not Kafka's protocol: an answer of ${bytes} bytes`));
          return false;
        }
        frame = ANSWERS.take(4 + bytes).subarray(0, 4 + bytes);
        frame.set(size);
        filled = 4;
        sizeFilled = 0;
      }
      const count = Math.min(read - at, frame.length - filled);
      frame.set(buffer.subarray(at, at + count), filled);
      at += count;
      filled += count;
      if (filled < frame.length) continue;
      const whole = frame;
      frame = null;
      beforeEach();
      socket.emit('data', whole);
    }
    return true;
  };
  const onread = { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: take };
  const socket = connect({ host, port, onread }, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
}

type SocketOptions = {
  readonly host: string;
  readonly port: number;
  readonly ssl: object | null;
  readonly onConnect: () => void;
};

/** Takes the memory of an answer back, whole, once nobody looks at any part of it any more. */
export function recycleAnswer(payload: Uint8Array): void {
  ANSWERS.give(payload);
}

const ANSWERS = new SpareBuffers(16);
const READ_BYTES = 128 * 1024;
/** Far above what is ever asked for; four letters, or the first bytes of TLS, are more. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
const KEEP_ALIVE_MS = 60_000;

/** A request that kafkajs encodes, and what decodes its answer; error codes are left for the caller to see. */
export type KafkajsExchange = {
  readonly request: KafkajsRequest;
  readonly response: { decode(payload: Buffer): Promise<unknown> };
};

/** kafkajs's definition of a request, at a version that all supported brokers know. */
export function kafkajsExchange(name: RequestName, args: object): KafkajsExchange {
  return requests[name].protocol({ version: VERSIONS[name] })(args);
}

export async function wireRequest(request: KafkajsRequest): Promise<WireRequest> {
  const { apiKey, apiName, apiVersion } = request;
  return { apiKey, apiName, apiVersion, body: (await request.encode()).buffer };
}

/** The newest that kafkajs has; Kafka 2.4 and all later ones know them. */
const VERSIONS = {
  ApiVersions: 2,
  Metadata: 6,
  GroupCoordinator: 2,
  ListOffsets: 3,
  CreateTopics: 3,
  DescribeConfigs: 2,
  InitProducerId: 1,
  AddPartitionsToTxn: 1,
  AddOffsetsToTxn: 1,
  EndTxn: 1,
  TxnOffsetCommit: 1,
  JoinGroup: 5,
  SyncGroup: 3,
  Heartbeat: 3,
  LeaveGroup: 3,
  DescribeGroups: 2,
  DeleteRecords: 1,
} as const;

export type RequestName = keyof typeof VERSIONS;

const SASL_AUTHENTICATE = 36;

type ApiVersion = { readonly apiKey: number; readonly minVersion: number; readonly maxVersion: number };
type ApiVersions = { readonly apiVersions: readonly ApiVersion[] };

type KafkajsRequest = {
  readonly apiKey: number;
  readonly apiName: string;
  readonly apiVersion: number;
  encode(): Promise<{ readonly buffer: Buffer }>;
};

type RequestDefinition = {
  protocol(options: { readonly version: number }): (args?: object) => KafkajsExchange;
};

type QueuedRequest = {
  readonly entry: {
    readonly apiKey: number;
    readonly apiName: string;
    readonly apiVersion: number;
    readonly correlationId: number;
    readonly resolve: (answer: { readonly payload: Buffer }) => void;
    readonly reject: (error: unknown) => void;
  };
  readonly expectResponse: true;
  readonly requestTimeout: number;
  readonly sendRequest: () => void;
};

/** kafkajs 2.2.4, `src/network/connection.js`: what is used of it. */
type KafkajsConnection = {
  readonly sasl: object | null;
  readonly socket: Socket;
  /** What was read and belongs to no whole answer yet. */
  chunks: Buffer[];
  readonly requestQueue: { push(request: QueuedRequest): void; scheduleCheckPendingRequests: () => void };
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
  authenticate(): Promise<void>;
  isConnected(): boolean;
  isAuthenticated(): boolean;
  setVersions(versions: Readonly<Record<number, ApiVersion>>): void;
  setSupportAuthenticationProtocol(isSupported: boolean): void;
  nextCorrelationId(): number;
  rejectRequests(error: Error): void;
};

const require = createRequire(import.meta.url);
const Connection = require('kafkajs/src/network/connection') as new (options: object) => KafkajsConnection;
const createSocketFactory = require('kafkajs/src/network/socketFactory') as () => unknown;
const { requests } = require('kafkajs/src/protocol/requests') as {
  readonly requests: Readonly<Record<RequestName, RequestDefinition>>;
};

/** Failures are thrown, with all there is to say; kafkajs would log them as well. */
const SILENT = {
  namespace: () => SILENT,
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};

function ignoreFailedGoodbye(): void {
  // the socket is destroyed in any case
}

function detailsOf(error: unknown): {
  readonly name: string;
  readonly message: string;
  readonly code?: unknown;
  readonly type?: unknown;
} {
  return error instanceof Error
    ? (error as Error & { code?: unknown; type?: unknown })
    : { name: '', message: String(error) };
}
