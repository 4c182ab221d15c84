/**
 * How segments came, in the order in which they were asked for. One that failed is asked for once more before it counts as
 * failed (definitions, section 1: segment-error).
 */
import type { FetchOutcome, SegmentFetch } from './fetch-events.ts';

/** What a number below 0 means in place of an HTTP status. */
export const NO_STATUS = {
  /** No connection. */
  unreachable: -1,
  /** No answer, or not all of it in time. */
  timeout: -2,
  /** The body ended too early. */
  truncated: -3,
  /** An answer that is not what was asked for: an error page, a broken manifest. */
  garbage: -4,
  /** The manifest above it does not name it any more. */
  undeclared: -5,
  /** Our own network rules forbid it. */
  forbidden: -6,
} as const;

/** HTTP status of an answer, or one of {@link NO_STATUS}; 2xx only when all is well. */
export function statusOf({ outcome, status }: { outcome: FetchOutcome; status: number }): number {
  switch (outcome) {
    case 'ok':
      return status >= 200 && status < 300 ? status : 200;
    case 'http-error':
      return status === 0 ? NO_STATUS.unreachable : status;
    case 'unreachable':
      return NO_STATUS.unreachable;
    case 'timeout':
      return NO_STATUS.timeout;
    case 'truncated':
      return NO_STATUS.truncated;
    case 'forbidden':
      return NO_STATUS.forbidden;
    default:
      return NO_STATUS.garbage;
  }
}

export function isOk(status: number): boolean {
  return status >= 200 && status < 300;
}

export type SegmentResult = {
  readonly url: string;
  readonly manifestUrl: string;
  readonly range: SegmentFetch['range'];
  readonly status: number;
  /** All of it was got, not only its beginning. */
  readonly isWhole: boolean;
  readonly bytes: number;
  readonly atMs: number;
};

type Entry = SegmentResult & { readonly attempts: number };

export class SegmentResults {
  #waiting: Entry[] = [];

  /** An attempt is over. `isEncrypted`: its bytes tell nothing. `isWhole`: not just its beginning was asked for. */
  take(fetch: SegmentFetch, isEncrypted: boolean, isWhole: boolean): void {
    const { url, manifestUrl, range, bytes, atMs } = fetch;
    const isMedia = isEncrypted || bytes === 0 || looksLikeMedia(fetch.head);
    const answered = statusOf(fetch);
    const empty = isOk(answered) && bytes === 0;
    const status = isOk(answered) && (!isMedia || empty) ? NO_STATUS.garbage : answered;
    const at = this.#waiting.findIndex((one) => one.url === url && startOf(one.range) === startOf(range));
    // What is forbidden stays so.
    const attempts = status === NO_STATUS.forbidden ? ATTEMPTS : (this.#waiting[at]?.attempts ?? 0) + 1;
    const entry: Entry = { url, manifestUrl, range, status, isWhole, bytes, atMs, attempts };
    if (at >= 0) this.#waiting[at] = entry;
    else this.#waiting.push(entry);
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
  }

  /** Those that failed once and that nobody asked for again since: they are worth another attempt. */
  toRetry(nowMs: number): readonly SegmentResult[] {
    return this.#waiting.filter(
      ({ status, attempts, atMs }) => !isOk(status) && attempts < ATTEMPTS && nowMs - atMs >= RETRY_AFTER_MS,
    );
  }

  /** Those that are decided, up to the first one that is not. */
  takeDecided(nowMs: number): readonly SegmentResult[] {
    const undecided = this.#waiting.findIndex(
      ({ status, attempts, atMs }) => !isOk(status) && attempts < ATTEMPTS && nowMs - atMs < RETRY_WAIT_MS,
    );
    return this.#waiting.splice(0, undecided === -1 ? this.#waiting.length : undecided);
  }
}

/** With the one retry. */
const ATTEMPTS = 2;
/** An attempt that nobody repeated counts by itself after this. */
const RETRY_WAIT_MS = 15_000;
/** Whoever asked first may ask again by itself within this time. */
const RETRY_AFTER_MS = 1_500;
const WAITING_MAX = 500;

function startOf(range: SegmentFetch['range']): number {
  return range?.start ?? 0;
}

/** Whether bytes begin as a segment of media does: transport stream, ISO base media, packed audio, WebVTT, Matroska. */
function looksLikeMedia(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  const [a, b, c, d] = head as unknown as [number, number, number, number];
  if (a === 0x47 && (head.length <= 188 || head[188] === 0x47)) return true;
  if (a === 0xff && (b & 0xf0) === 0xf0) return true;
  if (a === 0x0b && b === 0x77) return true;
  if (a === 0x1a && b === 0x45 && c === 0xdf && d === 0xa3) return true;
  const text = String.fromCharCode(...head.subarray(0, 12));
  if (text.startsWith('ID3') || /^(?:ï»¿)?WEBVTT/.test(text)) return true;
  return BOXES.has(text.slice(4, 8));
}

const BOXES: ReadonlySet<string> = new Set(
  'ftyp styp moof moov mdat sidx ssix emsg prft free skip uuid'.split(' '),
);
