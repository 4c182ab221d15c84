/** For tests: an HTTP origin on the loopback that answers as it is told and counts who connects. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestCertificate } from './testing-certificate.ts';

export type TestAnswer = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
};

export type TestOrigin = {
  readonly port: number;
  /** `http://127.0.0.1:PORT`, or `https:` where it has a certificate. */
  readonly url: string;
  /** `127.0.0.1:PORT`, as an allow-list has it. */
  readonly allow: string;
  /** Connections that anybody made. */
  connections: number;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  /** Stops listening, and ends all connections. */
  pause(): Promise<void>;
  /** Listens again on the same port. */
  resume(): Promise<void>;
  stop(): Promise<void>;
};

/** Null means 404; undefined, that the handler answers by itself. */
export type TestHandler = (
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
) => TestAnswer | null | undefined;

export async function startTestOrigin(
  handler: TestHandler,
  certificate?: TestCertificate,
): Promise<TestOrigin> {
  let server: Server | null = null;
  const listen = async (port: number): Promise<number> => {
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      const path = request.url ?? '';
      origin.asked.push(path);
      const given = handler(path, request, response);
      if (given === undefined) return;
      response.writeHead(given === null ? 404 : (given.status ?? 200), { ...given?.headers });
      response.end(given?.body ?? '');
    };
    server = certificate === undefined ? createServer(answer) : createSecureServer(certificate, answer);
    server.on('connection', () => origin.connections++);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const close = async (): Promise<void> => {
    const closing = server;
    server = null;
    if (closing === null) return;
    closing.close();
    closing.closeAllConnections();
    await once(closing, 'close');
  };
  const origin: TestOrigin = {
    port: 0,
    url: '',
    allow: '',
    connections: 0,
    asked: [],
    pause: close,
    async resume() {
      await listen(origin.port);
    },
    stop: close,
  };
  const port = await listen(0);
  const scheme = certificate === undefined ? 'http' : 'https';
  return Object.assign(origin, { port, url: `${scheme}://127.0.0.1:${port}`, allow: `127.0.0.1:${port}` });
}
