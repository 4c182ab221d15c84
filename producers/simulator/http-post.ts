/** One HTTP request with a short answer, over connections that are kept. */
import * as http from 'node:http';
import * as https from 'node:https';

export type Answer = {
  readonly status: number;
  /** What the server asks for before the next try, ms; null when it says nothing. */
  readonly retryAfterMs: number | null;
  /** Beginning of the body. */
  readonly text: string;
};

export type HttpClient = {
  /** Rejects when there is no answer within the limit, or no connection. */
  send(
    method: 'GET' | 'POST',
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string,
  ): Promise<Answer>;
  close(): void;
};

const ANSWER_TIMEOUT_MS = 15_000;
const TEXT_CHARS_MAX = 2_000;

export function httpClient(baseUrl: URL, connectionsMax: number): HttpClient {
  const isTls = baseUrl.protocol === 'https:';
  const options = { keepAlive: true, maxSockets: connectionsMax };
  const agent = isTls ? new https.Agent(options) : new http.Agent(options);
  const begin = isTls ? https.request : http.request;
  const prefix = baseUrl.pathname.replace(/\/+$/, '');
  return {
    send(method, path, headers, body) {
      return new Promise((resolve, reject) => {
        const request = begin(
          {
            agent,
            method,
            protocol: baseUrl.protocol,
            hostname: baseUrl.hostname.replace(/^\[|\]$/g, ''),
            port: baseUrl.port,
            path: `${prefix}${path}`,
            headers: { ...headers, 'content-length': Buffer.byteLength(body) },
            timeout: ANSWER_TIMEOUT_MS,
          },
          (response) => void readAnswer(response).then(resolve, reject),
        );
        request.on('error', reject);
        request.on('timeout', () => request.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`)));
        request.end(body);
      });
    },
    close: () => agent.destroy(),
  };
}

async function readAnswer(response: http.IncomingMessage): Promise<Answer> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    if (text.length < TEXT_CHARS_MAX) text += chunk as string;
  }
  const seconds = Number(response.headers['retry-after']);
  return {
    status: response.statusCode ?? 0,
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null,
    text: text.slice(0, TEXT_CHARS_MAX),
  };
}
