/** A small HTTP server for Prometheus and for whoever keeps the process alive: `/metrics` and `/healthz`. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';

/** `starting` is healthy as well: nothing is wrong yet. */
export type Health = { readonly status: 'ok' | 'starting' | 'failed'; readonly detail?: string };

export type MetricsServerOptions = {
  readonly registry: Registry;
  /** Loopback, unless somebody chose otherwise: there is no login. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly health: () => Health;
};

export type MetricsServer = {
  readonly url: string;
  close(): Promise<void>;
};

/** Rejects with the system's error (`EADDRINUSE`, `EACCES`, …) when it cannot listen there. */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0]!;
    void answer(options, request.method ?? 'GET', path, response);
  });
  await listening(server, options);
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : options.port;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, { host, port }: MetricsServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function answer(
  { registry, health }: MetricsServerOptions,
  method: string,
  path: string,
  response: ServerResponse,
): Promise<void> {
  const send = (status: number, type: string, body: string): void => {
    response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
    response.end(method === 'HEAD' ? '' : body);
  };
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    send(405, TEXT, 'Only GET and HEAD.\n');
    return;
  }
  if (path === '/metrics') {
    try {
      send(200, registry.contentType, await registry.metrics());
    } catch (error) {
      send(500, TEXT, `${error instanceof Error ? error.message : String(error)}\n`);
    }
    return;
  }
  if (path === '/healthz') {
    const state = health();
    send(state.status === 'failed' ? 503 : 200, 'application/json', `${JSON.stringify(state)}\n`);
    return;
  }
  send(404, TEXT, 'There are /metrics and /healthz.\n');
}

const TEXT = 'text/plain; charset=utf-8';
