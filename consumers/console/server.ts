/**
 * The console: a small HTTP server with a page for the wall, the sessions, one session and the alerts. It reads the log as
 * any subscriber does and says what changed by server-sent events. There is no login, so it listens on loopback, and
 * answers only to names of loopback unless told otherwise.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { decodeFollowed, type FollowedRecord, followLog, recentPositions } from '../../runtime/follow-log.ts';
import type { Clock, LogPort } from '../../runtime/port.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import { SchemaError } from '../../schemas/errors.ts';
import type { CohortWindow, QosAlert, QosScore, StreamDefect, StreamHealth } from '../../schemas/records.ts';
import { type Asset, assetAt } from './assets.ts';
import { CONSOLE_TOPICS, ConsoleState, type ConsoleTopic } from './console-state.ts';

export type ConsoleOptions = {
  readonly port: LogPort & Parameters<typeof recentPositions>[0];
  readonly codec: FetchingCodec;
  readonly clock: Clock;
  readonly host: string;
  /** 0 takes any free port. */
  readonly listenPort: number;
  /** How much of the past is read at start. */
  readonly pastMs?: number;
  /** Told of a record that cannot be decoded; it is left out. */
  readonly onUndecodable: (record: FollowedRecord, error: SchemaError) => void;
};

export type Console = {
  readonly url: string;
  readonly state: ConsoleState;
  /** Resolves when everything that was there at the start was read. */
  readonly caughtUp: Promise<void>;
  /** Rejects when the log cannot be read any more; never resolves. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
};

const PAST_MS = 30 * 60_000;
const TELL_EVERY_MS = 1_000;
const CLIENTS_MAX = 100;
const ROWS_MAX = 500;

/** Rejects with the system's error (`EADDRINUSE`, …) when it cannot listen there. */
export async function startConsole(options: ConsoleOptions): Promise<Console> {
  const { port, clock, host, listenPort, pastMs = PAST_MS } = options;
  const state = new ConsoleState();
  const clients = new Set<ServerResponse>();
  const server = createServer((request, response) => answer(request, response, state, clients, host));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: listenPort, exclusive: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const ending = new AbortController();
  const caughtUp = Promise.withResolvers<void>();
  const done = (async () => {
    const positions = await recentPositions(port, CONSOLE_TOPICS, clock.nowMs() - pastMs);
    await followLog({
      port,
      clock,
      positions,
      signal: ending.signal,
      onRecord: (record) => take(options, state, record),
      onCaughtUp: (isCaughtUp) => {
        if (isCaughtUp) caughtUp.resolve();
      },
    });
  })();
  const failed = new Promise<never>((_resolve, reject) => done.catch(reject));
  failed.catch(() => {});
  const telling = tellClients(state, clients, clock, ending.signal);
  const address = server.address();
  const bound = address !== null && typeof address === 'object' ? address.port : listenPort;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/`,
    state,
    caughtUp: caughtUp.promise,
    failed,
    async close() {
      ending.abort();
      for (const client of clients) client.end();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      // `failed` has told how it ended
      await Promise.allSettled([done, telling]);
    },
  };
}

async function take(options: ConsoleOptions, state: ConsoleState, record: FollowedRecord): Promise<boolean> {
  if (record.value === null) return false;
  const topic = record.topic as ConsoleTopic;
  const value = await decodeFollowed(options.codec, options.clock, topic, record.value);
  if (value instanceof SchemaError) options.onUndecodable(record, value);
  else if (topic === 'stream-health') state.health(value as StreamHealth);
  else if (topic === 'stream-defects') state.defect(value as StreamDefect);
  else if (topic === 'qos-alerts') state.alert(value as QosAlert);
  else if (topic === 'qos-scores') state.score(value as QosScore);
  else state.cohort(value as CohortWindow);
  return false;
}

/** One line a second to every client, when something changed: which pages have news. */
async function tellClients(
  state: ConsoleState,
  clients: ReadonlySet<ServerResponse>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let told = '';
  while (!signal.aborted) {
    const news = JSON.stringify(state.versions);
    // a comment keeps proxies from closing a quiet connection
    const text = news === told ? ':\n\n' : `data: ${news}\n\n`;
    told = news;
    for (const client of clients) client.write(text);
    await clock.sleep(TELL_EVERY_MS, signal);
  }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  state: ConsoleState,
  clients: Set<ServerResponse>,
  host: string,
): void {
  const url = new URL(request.url ?? '/', 'http://console');
  if (!isNameOfOurs(request.headers.host ?? '', host)) {
    sendJson(response, 403, { error: 'this console answers to the name that it listens on only' });
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    sendJson(response, 405, { error: 'the console only reads: use GET' });
  } else if (url.pathname === '/api/live') live(response, state, clients);
  else if (url.pathname.startsWith('/api/')) api(url, response, state);
  else sendAsset(response, assetAt(url.pathname));
}

/** Against pages elsewhere that point a name of theirs at this address. */
function isNameOfOurs(header: string, host: string): boolean {
  const name = header.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return (
    name === host || name === 'localhost' || name === '127.0.0.1' || name === '::1' || host === '0.0.0.0'
  );
}

function live(response: ServerResponse, state: ConsoleState, clients: Set<ServerResponse>): void {
  if (clients.size >= CLIENTS_MAX) {
    sendJson(response, 503, { error: `${CLIENTS_MAX} pages are open already: close some` });
    return;
  }
  response.writeHead(200, { ...SECURITY, 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write(`retry: 2000\ndata: ${JSON.stringify(state.versions)}\n\n`);
  clients.add(response);
  response.on('close', () => clients.delete(response));
}

function api(url: URL, response: ServerResponse, state: ConsoleState): void {
  const [, , what = '', key = ''] = url.pathname.split('/');
  if (what === 'streams')
    sendJson(response, 200, { streams: state.streams(), audience: Object.fromEntries(state.audienceNow()) });
  else if (what === 'alerts') sendJson(response, 200, { alerts: state.alerts() });
  else if (what === 'audience')
    sendJson(response, 200, { points: state.audience(url.searchParams.get('programme') ?? '') });
  else if (what === 'sessions' && key === '') {
    const sort = url.searchParams.get('sort') === 'latest' ? 'latest' : 'worst';
    const text = (url.searchParams.get('q') ?? '').slice(0, 200);
    sendJson(response, 200, {
      ...state.sessions.list({ text, sort, max: ROWS_MAX }),
      known: state.sessions.size,
    });
  } else if (what === 'sessions') {
    const found = state.sessions.find(decodeURIComponent(key));
    if (found === null)
      sendJson(response, 404, {
        error: 'this session is not among those of the last half hour: try everyview session',
      });
    else sendJson(response, 200, found);
  } else sendJson(response, 404, { error: `there is no ${url.pathname}` });
}

const SECURITY = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
};

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, {
    ...SECURITY,
    'content-type': 'application/json',
    'content-length': body.length,
    'cache-control': 'no-store',
  });
  response.end(body);
}

function sendAsset(response: ServerResponse, asset: Asset | null): void {
  if (asset === null) {
    sendJson(response, 404, { error: 'there is no such page' });
    return;
  }
  response.writeHead(200, {
    ...SECURITY,
    'content-type': asset.type,
    'content-length': asset.body.length,
    'content-security-policy': asset.policy,
    'cache-control': 'no-cache',
  });
  response.end(asset.body);
}
