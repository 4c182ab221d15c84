/**
 * The collector: reports of players over HTTP, decoded and in Kafka before they are answered. Addresses, tokens and URLs
 * of requests go into no log and no record; nothing here writes a line per request.
 */
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Clock, LogPort } from '../../runtime/port.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import type { CollectorStats } from './counts.ts';
import { cachedDevices } from './device.ts';
import { EventWriter } from './event-writer.ts';
import { Intake, type TenantIntake } from './intake.ts';
import type { Normalised, ReportContext } from './normalise.ts';
import { normaliseEventBody, normaliseHeaders, normaliseQuery } from './normalise-cmcd.ts';
import { normaliseJson } from './normalise-json.ts';
import { type PrivacyKeys, privacyKeys } from './privacy-keys.ts';
import { followProgrammes, type Programmes } from './programmes.ts';
import { bodyText, RequestError, tooLarge } from './request-body.ts';
import { LIMIT_DEFAULTS, type Limits, type Tenant } from './settings.ts';

export type CollectorOptions = {
  /** Stays open when the collector closes. */
  readonly port: LogPort;
  readonly codec: FetchingCodec;
  readonly clock: Clock;
  readonly tenants: readonly Tenant[];
  /** For the keyed hashes; see `secretFromFile`. */
  readonly secret: Uint8Array;
  /** Loopback unless given: TLS is a reverse proxy's business. */
  readonly host?: string;
  /** 0, any free one, unless given. */
  readonly listenPort?: number;
  /** Reverse proxies whose X-Forwarded-For is believed, as addresses or networks; none unless given. */
  readonly trustedProxies?: readonly string[];
  readonly limits?: Partial<Limits>;
  /** What somebody should look at. Holds nothing of any request. */
  readonly onProblem?: (message: string) => void;
  readonly onAcknowledged?: (durationMs: number, events: number) => void;
};

export type Collector = {
  readonly url: string;
  stats(): CollectorStats;
  /** Rejects when the catalogue can be followed no more; resolves on `close`. */
  readonly done: Promise<void>;
  /** Answers what is under way, writes what waits, and ends. */
  close(): Promise<void>;
};

/**
 * Listens once the catalogue has been read. Rejects with a `LogError` when the topics cannot be read, a `SecretError`,
 * or the system's error (`EADDRINUSE`, …).
 */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const { port, codec, clock } = options;
  const limits: Limits = { ...LIMIT_DEFAULTS, ...options.limits };
  const onProblem = options.onProblem ?? (() => {});
  const keys = privacyKeys(options.secret);
  const [description] = await port.describeTopics(['playback-events']);
  const programmes = await followProgrammes({ port, codec, clock, onProblem });
  const writer = new EventWriter({
    port,
    clock,
    partitions: description!.partitions,
    encode: (event) => codec.encode('playback-events', event),
    lingerMs: limits.lingerMs,
    queueBytesMax: limits.queueBytesMax,
    giveUpAfterMs: limits.giveUpAfterMs,
    ...(options.onAcknowledged === undefined ? {} : { onAcknowledged: options.onAcknowledged }),
  });
  const intake = new Intake(options.tenants, writer, clock);
  const app = newServer(options, limits);
  answerErrors(app, onProblem);
  addRoutes(app, { intake, writer, clock, limits, programmes, contextOf: contexts(keys, programmes, clock) });
  let isClosing = false;
  app.addHook('onSend', async (_request, reply) => {
    // Else a connection that is kept alive would keep the server open.
    if (isClosing) reply.header('connection', 'close');
  });
  app.addHook('onResponse', async (_request, reply) => intake.countAnswer(reply.statusCode));
  try {
    await app.listen({ host: options.host ?? LOOPBACK, port: options.listenPort ?? 0 });
  } catch (error) {
    await app.close();
    await programmes.close();
    throw error;
  }
  return {
    url: urlOf(app, options.host ?? LOOPBACK),
    stats: () => intake.stats(),
    done: programmes.done,
    async close() {
      isClosing = true;
      writer.hurry();
      await app.close();
      await writer.close();
      await programmes.close();
    },
  };
}

type ContextOf = (request: FastifyRequest, admitted: Admitted) => ReportContext;
type Admitted = { readonly intake: TenantIntake; readonly target: string; readonly token: string };

type Parts = {
  readonly intake: Intake;
  readonly writer: EventWriter;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly programmes: Programmes;
  readonly contextOf: ContextOf;
};

const LOOPBACK = '127.0.0.1';
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 65_000;
const NOT_READY_AFTER_MS = 5_000;
const PREFLIGHT_MAX_AGE_S = 86_400;
const URL_TOKEN_CHARS_MAX = 256;

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'retry-after',
  'cross-origin-resource-policy': 'cross-origin',
  'cache-control': 'no-store',
};
const PREFLIGHT = {
  'access-control-allow-methods': 'GET, POST, OPTIONS',
  'access-control-allow-headers':
    'authorization, content-type, content-encoding, cmcd-object, cmcd-request, cmcd-session, cmcd-status',
  'access-control-max-age': String(PREFLIGHT_MAX_AGE_S),
};

function newServer(options: CollectorOptions, limits: Limits): FastifyInstance {
  const app = fastify({
    // Its lines would hold addresses and URLs.
    logger: false,
    bodyLimit: limits.bodyBytesMax,
    trustProxy: options.trustedProxies === undefined ? false : [...options.trustedProxies],
    routerOptions: { maxParamLength: URL_TOKEN_CHARS_MAX },
    exposeHeadRoutes: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
  });
  app.server.maxConnections = limits.connectionsMax;
  // Types are judged by each route: players send what they like, or nothing.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async (_request, reply) => void reply.headers(CORS));
  return app;
}

function answerErrors(app: FastifyInstance, onProblem: (message: string) => void): void {
  app.setNotFoundHandler((_request, reply) =>
    refuse(
      reply,
      new RequestError(
        404,
        'no-such-path',
        'there are POST /v2/events, POST /events, and GET or POST /v1; see docs/events.md',
      ),
    ),
  );
  app.setErrorHandler((error: Error & { code?: string; statusCode?: number }, _request, reply) => {
    if (error instanceof RequestError) return refuse(reply, error);
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
      return refuse(reply, tooLarge(app.initialConfig.bodyLimit!));
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return refuse(
        reply,
        new RequestError(error.statusCode, 'bad-request', 'the request is no valid HTTP request'),
      );
    }
    // Messages of errors may quote the request.
    onProblem(`a request failed with ${error.code ?? error.name}; its sender was told to come back`);
    return refuse(
      reply,
      new RequestError(500, 'failed', 'the collector failed: send the reports again later'),
    );
  });
}

function refuse(reply: FastifyReply, error: RequestError): FastifyReply {
  return reply
    .code(error.status)
    .headers({ ...CORS, ...error.headers })
    .send({ error: error.code, fix: error.fix });
}

function addRoutes(app: FastifyInstance, parts: Parts): void {
  const admitted = new WeakMap<FastifyRequest, Admitted>();
  const onRequest = async (request: FastifyRequest): Promise<void> => {
    const token = tokenOf(request);
    const { target = '' } = request.params as { target?: string };
    if (target !== '' && !TARGET.test(target)) {
      throw new RequestError(400, 'bad-target', 'a target is named by at most 64 letters, digits and ._-');
    }
    const intake = parts.intake.admit(token, target, request.headers.origin);
    admitted.set(request, { intake, target, token: token ?? '' });
  };
  const route = (method: 'GET' | 'POST', path: string, normalise: NormaliseRequest): void => {
    for (const prefix of ['', '/t/:token']) {
      app.route({
        method,
        url: `${prefix}${path}`,
        onRequest,
        handler: async (request, reply) => {
          const whose = admitted.get(request)!;
          const normalised = await normalise(request, parts.contextOf(request, whose));
          const { status, body } = await parts.intake.take(whose.intake, normalised);
          return reply.code(status).send(body ?? undefined);
        },
      });
    }
  };
  const { bodyBytesMax } = parts.limits;
  const cmcd: NormaliseRequest = async (request, context) =>
    normaliseEventBody(await textOf(request, CMCD_TYPES, bodyBytesMax), context);
  route('POST', '/v2/events', cmcd);
  route('POST', '/v2/events/:target', cmcd);
  route('POST', '/events', async (request, context) =>
    normaliseJson(await textOf(request, JSON_TYPES, bodyBytesMax), context),
  );
  route('GET', '/v1', normaliseRequestMode);
  route('POST', '/v1', normaliseRequestMode);
  app.options('/*', (_request, reply) => reply.code(204).headers(PREFLIGHT).send());
  app.get('/healthz', (_request, reply) => reply.send({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    const status = readiness(parts);
    return reply.code(status === 'ok' ? 200 : 503).send({ status });
  });
}

function readiness({ writer, programmes, clock }: Parts): string {
  const { failingSinceMs, isFull } = writer;
  if (failingSinceMs !== null && clock.nowMs() - failingSinceMs >= NOT_READY_AFTER_MS)
    return 'kafka does not acknowledge';
  if (isFull) return 'the queue is full';
  return programmes.isFollowing ? 'ok' : 'the catalogue cannot be followed';
}

type NormaliseRequest = (request: FastifyRequest, context: ReportContext) => Promise<Normalised>;
type Types = { readonly accepted: ReadonlySet<string>; readonly fix: string };

const TARGET = /^[A-Za-z0-9._-]{1,64}$/;
/** '' is none at all; text/plain is what sendBeacon makes of a string. */
const CMCD_TYPES: Types = {
  accepted: new Set(['application/cmcd', 'text/cmcd', 'text/plain', 'application/octet-stream', '']),
  fix: 'send CMCD events with content-type application/cmcd; JSON events go to /events',
};
const JSON_TYPES: Types = {
  accepted: new Set([
    'application/json',
    'application/x-ndjson',
    'application/ndjson',
    'application/jsonl',
    'text/plain',
    '',
  ]),
  fix: 'send JSON events with content-type application/json or application/x-ndjson; CMCD events go to /v2/events',
};

async function textOf(request: FastifyRequest, types: Types, bytesMax: number): Promise<string> {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (!types.accepted.has(type)) throw new RequestError(415, 'unknown-type', types.fix);
  const body = request.body instanceof Uint8Array ? request.body : new Uint8Array(0);
  return bodyText(body, request.headers['content-encoding'], bytesMax);
}

const normaliseRequestMode: NormaliseRequest = async (request, context) => {
  const { CMCD } = request.query as { CMCD?: string | string[] };
  const value = CMCD === undefined ? '' : [CMCD].flat().join(',');
  if (value !== '') return normaliseQuery(value, context);
  const names = Object.keys(request.headers);
  if (names.some((name) => name.startsWith('cmcd-'))) return normaliseHeaders(request.headers, context);
  return { events: [], dropped: [] };
};

function contexts(keys: PrivacyKeys, programmes: Programmes, clock: Clock): ContextOf {
  const deviceOf = cachedDevices();
  return (request, { intake, target, token }) => {
    const { tenant } = intake.tenant;
    return {
      tenant,
      target,
      receivedAtMs: clock.nowMs(),
      addressHash: keys.addressHashOf(request.ip),
      forbidden: [request.ip, request.ip.replace(/^::ffff:/i, ''), token],
      device: deviceOf(request.headers['user-agent'] ?? ''),
      sessionKeyOf: (sessionId) => keys.sessionKeyOf(tenant, sessionId),
      programmeIdOf: (contentId) => programmes.programmeIdOf(tenant, contentId),
    };
  };
}

/** Players cannot set headers: a token may stand in the path or in the query as well. */
function tokenOf(request: FastifyRequest): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const inPath = (request.params as { token?: string }).token;
  const inQuery = (request.query as { token?: unknown }).token;
  return bearer ?? inPath ?? (typeof inQuery === 'string' ? inQuery : null);
}

function urlOf(app: FastifyInstance, host: string): string {
  const { port } = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
