/** For tests: an HTTP origin on the loopback that answers as it is told and counts who connects. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type TestAnswer = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
};

export type TestOrigin = {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
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

export async function startTestOrigin(handler: TestHandler): Promise<TestOrigin> {
  let server: Server | null = null;
  const listen = async (port: number): Promise<number> => {
    server = createServer((request, response) => {
      const path = request.url ?? '';
      origin.asked.push(path);
      const answer = handler(path, request, response);
      if (answer === undefined) return;
      response.writeHead(answer === null ? 404 : (answer.status ?? 200), { ...answer?.headers });
      response.end(answer?.body ?? '');
    });
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
  return Object.assign(origin, { port, url: `http://127.0.0.1:${port}`, allow: `127.0.0.1:${port}` });
}
