/**
 * Beacons to a collector over HTTP, as players do it: one request at a time for each session, what comes meanwhile goes
 * along with the next one, and what was not acknowledged is sent again.
 */
import type { Clock } from '../../runtime/port.ts';
import type { Beacon } from './audience.ts';
import { type Answer, type HttpClient, httpClient } from './http-post.ts';
import type { ReportForm } from './reporter.ts';

export type HttpSenderOptions = {
  /** Of the collector, for example http://127.0.0.1:8090. */
  readonly collectorUrl: string;
  readonly token: string;
  readonly clock: Clock;
  /** Requests at a time. */
  readonly requestsMax?: number;
  /** Beacons that wait to be sent; further ones are left out. */
  readonly waitingMax?: number;
  /** Times that a beacon is sent before it is given up. */
  readonly attemptsMax?: number;
};

/** `taken` = `acknowledged` + `refused` + `stopped` + `givenUp` + `leftOut` + `waiting`. */
export type SenderCounts = {
  taken: number;
  acknowledged: number;
  /** The collector could not use them: a 4xx, or left out of a body that it took for the rest. */
  refused: number;
  /** Not sent, because the collector wants no more from this session (410). */
  stopped: number;
  /** Not acknowledged after all attempts, or when the run ended. */
  givenUp: number;
  /** More waited than may. */
  leftOut: number;
  waiting: number;
  requests: number;
  /** Beacons that were sent again. */
  retried: number;
};

/** The collector cannot be used like this; the message says what to do. */
export class CollectorError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CollectorError';
  }
}

const REQUESTS_MAX = 32;
const WAITING_MAX = 50_000;
const ATTEMPTS_MAX = 6;
const BATCH_MAX = 50;
const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 10_000;

type Waiting = { readonly beacon: Beacon; attempts: number };

/** Everything of one session that is on its way. */
type Lane = { readonly waiting: Waiting[]; isQueued: boolean; isStopped: boolean };

export class HttpSender {
  readonly counts: SenderCounts = {
    taken: 0,
    acknowledged: 0,
    refused: 0,
    stopped: 0,
    givenUp: 0,
    leftOut: 0,
    waiting: 0,
    requests: 0,
    retried: 0,
  };
  readonly #options: Required<HttpSenderOptions>;
  readonly #client: HttpClient;
  readonly #lanes = new Map<string, Lane>();
  #ready: string[] = [];
  #running = 0;
  readonly #closing = new AbortController();
  #onIdle: (() => void) | null = null;
  #problem: CollectorError | null = null;
  #lastFailure = '';

  constructor(options: HttpSenderOptions) {
    const url = URL.canParse(options.collectorUrl) ? new URL(options.collectorUrl) : null;
    if (url === null || !/^https?:$/.test(url.protocol)) {
      throw new CollectorError(
        `${options.collectorUrl} is no address of a collector: write for example http://127.0.0.1:8090`,
      );
    }
    this.#options = {
      requestsMax: REQUESTS_MAX,
      waitingMax: WAITING_MAX,
      attemptsMax: ATTEMPTS_MAX,
      ...options,
    };
    this.#client = httpClient(url, this.#options.requestsMax);
  }

  /** What makes going on pointless (an unknown token, another server), once it is known. */
  get problem(): CollectorError | null {
    return this.#problem;
  }

  /** Why the latest request failed that is tried again; empty for none. */
  get lastFailure(): string {
    return this.#lastFailure;
  }

  take(beacon: Beacon): void {
    const { counts } = this;
    counts.taken += 1;
    const lane = this.#laneOf(beacon.sessionId);
    if (lane.isStopped) counts.stopped += 1;
    else if (this.#closing.signal.aborted) counts.givenUp += 1;
    else if (counts.waiting >= this.#options.waitingMax) counts.leftOut += 1;
    else {
      counts.waiting += 1;
      lane.waiting.push({ beacon, attempts: 0 });
      this.#queue(beacon.sessionId, lane);
    }
  }

  /** Waits until everything has its outcome, for at most `graceMs`; then gives the rest up. */
  async close(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    if (this.counts.waiting > 0) {
      const waited = new AbortController();
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      await Promise.race([idle, clock.sleep(graceMs, waited.signal)]);
      waited.abort();
    }
    this.#closing.abort();
    this.#client.close();
    for (const lane of this.#lanes.values()) this.#drop(lane.waiting.splice(0), 'givenUp');
    while (this.#running > 0) await clock.sleep(5);
  }

  #laneOf(sessionId: string): Lane {
    let lane = this.#lanes.get(sessionId);
    if (lane === undefined) {
      lane = { waiting: [], isQueued: false, isStopped: false };
      this.#lanes.set(sessionId, lane);
    }
    return lane;
  }

  #queue(sessionId: string, lane: Lane): void {
    if (lane.isQueued) return;
    lane.isQueued = true;
    this.#ready.push(sessionId);
    this.#startMore();
  }

  #startMore(): void {
    while (this.#running < this.#options.requestsMax && this.#ready.length > 0) {
      const sessionId = this.#ready.shift()!;
      this.#running += 1;
      void this.#serve(sessionId, this.#lanes.get(sessionId)!);
    }
  }

  /** Sends what waits in a lane once, and says when it may be served again. */
  async #serve(sessionId: string, lane: Lane): Promise<void> {
    const batch = takeBatch(lane.waiting);
    let againMs: number | null = null;
    if (batch.length > 0) againMs = await this.#send(lane, batch);
    this.#running -= 1;
    this.#startMore();
    if (againMs !== null) await this.#options.clock.sleep(againMs, this.#closing.signal);
    lane.isQueued = false;
    if (lane.waiting.length > 0) this.#queue(sessionId, lane);
    else if (!lane.isStopped) this.#lanes.delete(sessionId);
    if (this.counts.waiting === 0) this.#onIdle?.();
  }

  /** How long to wait before the lane's next request; null for not at all. */
  async #send(lane: Lane, batch: Waiting[]): Promise<number | null> {
    const { counts } = this;
    counts.requests += 1;
    for (const waiting of batch) waiting.attempts += 1;
    let answer: Answer;
    try {
      answer = await this.#post(batch);
    } catch (error) {
      this.#lastFailure = error instanceof Error ? error.message || error.name : String(error);
      return this.#again(lane, batch, null);
    }
    const { status, retryAfterMs } = answer;
    if (status === 204) this.#settle(batch, 'acknowledged');
    else if (status === 200) this.#takePartly(batch, answer.text);
    else if (status === 410) {
      lane.isStopped = true;
      this.#drop([...batch, ...lane.waiting.splice(0)], 'stopped');
    } else if (status === 429 || status >= 500) {
      this.#lastFailure = `the collector answered ${status}`;
      return this.#again(lane, batch, retryAfterMs);
    } else {
      this.#settle(batch, 'refused');
      if (status === 401 || status === 403 || status === 404) this.#problem ??= problemOf(answer);
    }
    return null;
  }

  #post(batch: readonly Waiting[]): Promise<Answer> {
    const { beacon } = batch[0]!;
    const { form, viewer } = beacon;
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#options.token}`,
      'user-agent': viewer.device.userAgent,
      // As the reverse proxy in front of a collector tells it.
      'x-forwarded-for': viewer.address,
    };
    if (form === 'cmcd-query')
      return this.#client.send('GET', `/v1?CMCD=${encodeURIComponent(beacon.text)}`, headers, '');
    headers['content-type'] = CONTENT_TYPE[form];
    const lines = batch.map((waiting) => `${waiting.beacon.text}\n`);
    return this.#client.send('POST', PATH[form], headers, lines.join(''));
  }

  /** Puts them back in front; those that were sent often enough are given up. A media request is never made again. */
  #again(lane: Lane, batch: readonly Waiting[], retryAfterMs: number | null): number {
    const { attemptsMax } = this.#options;
    const isOver = (waiting: Waiting) =>
      waiting.attempts >= attemptsMax || waiting.beacon.form === 'cmcd-query' || this.#closing.signal.aborted;
    const kept = batch.filter((waiting) => !isOver(waiting));
    this.#drop(batch.filter(isOver), 'givenUp');
    this.counts.retried += kept.length;
    lane.waiting.unshift(...kept);
    const attempts = batch[0]!.attempts;
    return retryAfterMs ?? Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (attempts - 1));
  }

  /** A body of which some reports were left out: `{"accepted": n, "dropped": n, …}`. */
  #takePartly(batch: readonly Waiting[], text: string): void {
    let dropped = 0;
    try {
      dropped = Number((JSON.parse(text) as { dropped?: unknown }).dropped ?? 0);
    } catch (error) {
      this.#lastFailure = `the collector's answer is no JSON: ${String(error)}`;
    }
    const refused = Math.min(batch.length, Math.max(0, Number.isInteger(dropped) ? dropped : batch.length));
    this.#settle(batch.slice(0, refused), 'refused');
    this.#settle(batch.slice(refused), 'acknowledged');
  }

  #settle(batch: readonly Waiting[], outcome: 'acknowledged' | 'refused'): void {
    this.counts[outcome] += batch.length;
    this.counts.waiting -= batch.length;
  }

  #drop(batch: readonly Waiting[], outcome: 'givenUp' | 'stopped'): void {
    this.counts[outcome] += batch.length;
    this.counts.waiting -= batch.length;
  }
}

const PATH: Readonly<Record<Exclude<ReportForm, 'cmcd-query'>, string>> = {
  json: '/events',
  'cmcd-event': '/v2/events',
};
const CONTENT_TYPE: Readonly<Record<Exclude<ReportForm, 'cmcd-query'>, string>> = {
  json: 'application/x-ndjson',
  'cmcd-event': 'application/cmcd',
};

/** One request of a session has reports of one form; each media request has its own. */
function takeBatch(waiting: Waiting[]): Waiting[] {
  const isQuery = waiting[0]?.beacon.form === 'cmcd-query';
  return waiting.splice(0, isQuery ? 1 : BATCH_MAX);
}

function problemOf({ status, text }: Answer): CollectorError {
  const fix =
    status === 404
      ? 'nothing that takes reports is at this address: give the address that the collector printed'
      : 'it does not take this token: give the file that holds one of its tenants';
  return new CollectorError(
    `the collector answered ${status}: ${fix}${text === '' ? '' : ` (${text.trim()})`}`,
  );
}
