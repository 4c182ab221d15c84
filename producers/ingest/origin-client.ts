/**
 * GET over HTTP for the loopback fetcher: the name is resolved here, the address is judged, and the connection goes to that
 * very address. Each redirect is judged anew. Sizes and times are bounded.
 */
import { lookup as systemLookup } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { FetchFailure } from './fetch-failure.ts';
import { type Address, type AllowRule, type Lookup, whyForbidden } from './network-policy.ts';

export type FetchLimits = {
  /** From asking to the head of the answer, ms. */
  readonly answerMs: number;
  /** Without a further byte, ms. */
  readonly idleMs: number;
  /** Waiting for the origin over one whole body, ms; not for media that is one endless or long file. */
  readonly bodyMs: number;
  readonly manifestBytes: number;
  readonly segmentBytes: number;
  readonly keyBytes: number;
  readonly redirects: number;
};

export const FETCH_LIMITS: FetchLimits = {
  answerMs: 10_000,
  idleMs: 10_000,
  bodyMs: 60_000,
  manifestBytes: 8 * 1024 * 1024,
  segmentBytes: 512 * 1024 * 1024,
  keyBytes: 64 * 1024,
  redirects: 5,
};

export type Answer = {
  readonly status: number;
  /** Where it came from after redirects. */
  readonly finalUrl: URL;
  /** Of the headers, those that matter to who reads media. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
};

export type GetRequest = {
  readonly url: URL;
  /** `Range` header; null for all of it. */
  readonly range: string | null;
  readonly signal: AbortSignal;
};

export type OriginClient = {
  /** Resolves with a 2xx answer whose body is still to come. Rejects with {@link FetchFailure}. */
  get(request: GetRequest): Promise<Answer>;
  /** Closes the connections that are kept open. */
  close(): void;
};

export type OriginClientOptions = {
  readonly allow: readonly AllowRule[];
  /** The machine's resolver when left out. */
  readonly lookup?: Lookup;
  readonly limits: FetchLimits;
};

export function createOriginClient(options: OriginClientOptions): OriginClient {
  const agents = {
    'http:': new http.Agent({ keepAlive: true, maxFreeSockets: 4 }),
    'https:': new https.Agent({ keepAlive: true, maxFreeSockets: 4 }),
  };
  return {
    async get({ url, range, signal }) {
      let next = url;
      for (let hop = 0; hop <= options.limits.redirects; hop++) {
        const address = await judged(next, options);
        const response = await ask({ url: next, range, signal }, address, agents, options.limits);
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) {
          return { status, finalUrl: next, headers: headersOf(response), body: response };
        }
        response.destroy();
        const { location } = response.headers;
        if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
          throw new FetchFailure('http-error', `${shown(next)} answers ${status}`, status);
        }
        if (!URL.canParse(location, next.href)) {
          throw new FetchFailure('http-error', `${shown(next)} redirects to no address`, status);
        }
        next = new URL(location, next);
      }
      throw new FetchFailure(
        'http-error',
        `${shown(url)} redirects more than ${options.limits.redirects} times`,
      );
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

/** An address for messages: without user, password, query. */
export function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

type WebProtocol = 'http:' | 'https:';

/** The address to connect to. Throws `forbidden` for schemes and addresses that must not be opened. */
async function judged(url: URL, options: OriginClientOptions): Promise<Address> {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new FetchFailure('forbidden', `${url.protocol} addresses are not read from the network`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = await addressesOf(host, options.lookup ?? resolveAll);
  const verdicts = addresses.map((address) => whyForbidden(options.allow, host, portOf(url), address));
  const open = addresses.find((_, i) => verdicts[i] === null);
  if (open === undefined) throw new FetchFailure('forbidden', verdicts[0] ?? `${host} has no address`);
  return open;
}

async function addressesOf(host: string, lookup: Lookup): Promise<readonly Address[]> {
  const family = isIP(host);
  if (family === 4 || family === 6) return [{ address: host, family }];
  let found: readonly Address[];
  try {
    found = await lookup(host);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new FetchFailure('unreachable', `the name ${host} does not resolve (${code})`);
  }
  if (found.length === 0) throw new FetchFailure('unreachable', `the name ${host} has no address`);
  return found;
}

async function resolveAll(hostname: string): Promise<readonly Address[]> {
  const found = await systemLookup(hostname, { all: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}

async function ask(
  request: GetRequest,
  address: Address,
  agents: Record<WebProtocol, http.Agent>,
  limits: FetchLimits,
): Promise<http.IncomingMessage> {
  try {
    return await askOnce(request, address, agents, limits);
  } catch (error) {
    // The origin closed a connection that was kept open at the moment when it was used again.
    if (error instanceof StaleConnection) return await askOnce(request, address, agents, limits);
    throw error;
  }
}

class StaleConnection extends Error {}

function askOnce(
  { url, range, signal }: GetRequest,
  address: Address,
  agents: Record<WebProtocol, http.Agent>,
  limits: FetchLimits,
): Promise<http.IncomingMessage> {
  const protocol = url.protocol as WebProtocol;
  const auth = `${unescaped(url.username)}:${unescaped(url.password)}`;
  const request = (protocol === 'https:' ? https : http).request({
    agent: agents[protocol],
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: portOf(url),
    path: `${url.pathname}${url.search}`,
    lookup: pinned(address),
    signal,
    headers: {
      'user-agent': 'EveryView',
      accept: '*/*',
      'accept-encoding': 'identity',
      ...(range === null ? {} : { range }),
      ...(auth === ':' ? {} : { authorization: `Basic ${Buffer.from(auth).toString('base64')}` }),
    },
  });
  return new Promise((resolve, reject) => {
    const fail = (failure: Error): void => {
      clearTimeout(timer);
      reject(failure);
      request.destroy();
    };
    const timer = setTimeout(
      () => fail(new FetchFailure('timeout', `${shown(url)} does not answer for ${limits.answerMs} ms`)),
      limits.answerMs,
    );
    request.on('response', (response) => {
      clearTimeout(timer);
      // Whoever reads the body is told of its failures; nobody need read that of a redirect.
      response.on('error', () => request.destroy());
      resolve(response);
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (request.reusedSocket && error.code === 'ECONNRESET') return fail(new StaleConnection());
      if (signal.aborted) return fail(new FetchFailure('abandoned', 'nobody waits for it any more'));
      fail(new FetchFailure('unreachable', whyUnreachable(url, error)));
    });
    request.end();
  });
}

/** Codes of OpenSSL for a certificate that nobody who is trusted has signed. */
const UNTRUSTED =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT(_LOCALLY)?|VERIFY_LEAF_SIGNATURE)|CERT_UNTRUSTED)$/;

function whyUnreachable(url: URL, { code, message }: NodeJS.ErrnoException): string {
  if (code !== undefined && UNTRUSTED.test(code)) {
    return `the certificate of ${url.host} is not trusted (${code}); if it is meant, name a file with the certificate of who signed it in NODE_EXTRA_CA_CERTS`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate of ${url.host} is for another name (${code}); ask for it under the name that the certificate has`;
  }
  return `${shown(url)} cannot be reached (${code ?? message})`;
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

/** Gives the address that was judged, whatever is asked. */
function pinned({ address, family }: Address): LookupFunction {
  return (_hostname, options, callback) => {
    if (options.all === true) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
}

const HEADERS_KEPT = [
  'content-type',
  'content-length',
  'content-range',
  'accept-ranges',
  'content-encoding',
  'date',
];

function headersOf(response: http.IncomingMessage): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of HEADERS_KEPT) {
    const value = response.headers[name];
    if (typeof value === 'string') kept[name] = value;
  }
  return kept;
}
