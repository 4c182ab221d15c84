/**
 * The loopback fetcher: ffmpeg reads everything that lies on the network, and every local playlist, from here. It listens on
 * 127.0.0.1 only; each session has a token that cannot be guessed, and what its network rules and bounds allow is got by
 * this process, not by ffmpeg.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../runtime/port.ts';
import { FetchSession, type FetchSessionOptions } from './fetch-session.ts';
import type { Lookup } from './network-policy.ts';
import { FETCH_LIMITS, type FetchLimits } from './origin-client.ts';

export type FetcherOptions = {
  readonly clock: Clock;
  /** Resolves names; the machine's resolver when left out. */
  readonly lookup?: Lookup;
  readonly limits?: Partial<FetchLimits>;
};

export type SessionOptions = Pick<FetchSessionOptions, 'input' | 'allow' | 'rendition' | 'events'>;

export type Fetcher = {
  open(options: SessionOptions): Promise<FetchSession>;
  /** Ends all sessions. */
  close(): Promise<void>;
};

export function createFetcher(options: FetcherOptions): Fetcher {
  const sessions = new Map<string, FetchSession>();
  let listening: Promise<Server> | null = null;
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const [, token = '', path = ''] = /^\/([\w-]+)\/([^?#]*)/.exec(request.url ?? '') ?? [];
    const session = sessions.get(token);
    request.resume();
    if (session === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404).end();
      return;
    }
    session.serve(path, request.headers.range ?? null, response);
  };
  return {
    async open(session) {
      listening ??= listen(serve);
      const { port } = (await listening).address() as AddressInfo;
      const token = randomBytes(24).toString('base64url');
      const opened = new FetchSession(
        {
          ...session,
          clock: options.clock,
          lookup: options.lookup,
          limits: { ...FETCH_LIMITS, ...options.limits },
        },
        `http://127.0.0.1:${port}/${token}/`,
        () => sessions.delete(token),
      );
      sessions.set(token, opened);
      return opened;
    },
    async close() {
      for (const session of [...sessions.values()]) session.close();
      if (listening === null) return;
      const server = await listening;
      listening = null;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function listen(serve: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 30_000 }, serve);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
