/** How much one tenant may bring: reports per second, and sessions at a time. */
import type { Tenant } from './settings.ts';

/** `wait`: how long until there is room, in ms. */
export type Admission = { readonly admitted: true } | { readonly admitted: false; readonly waitMs: number };

export class TenantAdmission {
  readonly #reportsPerSecondMax: number;
  readonly #sessionsMax: number;
  /** Reports that may come at once; below 0 while a large body is being paid for. */
  #allowance: number;
  #paidUpToMs: number;
  /** Sessions by when they were last met: this span of time, and the one before. */
  #current = new Set<string>();
  #previous = new Set<string>();
  #spanStartMs: number;

  constructor(tenant: Pick<Tenant, 'reportsPerSecondMax' | 'sessionsMax'>, nowMs: number) {
    this.#reportsPerSecondMax = tenant.reportsPerSecondMax;
    this.#sessionsMax = tenant.sessionsMax;
    this.#allowance = tenant.reportsPerSecondMax * BURST_SECONDS;
    this.#paidUpToMs = nowMs;
    this.#spanStartMs = nowMs;
  }

  /** Sessions that were active within the last five to ten minutes. */
  get sessions(): number {
    return this.#current.size + this.#previous.size;
  }

  /** Whether a request may be read at all: yes, unless earlier ones are still being paid for. */
  admit(nowMs: number): Admission {
    const earned = (Math.max(0, nowMs - this.#paidUpToMs) / 1000) * this.#reportsPerSecondMax;
    this.#paidUpToMs = Math.max(nowMs, this.#paidUpToMs);
    this.#allowance = Math.min(this.#allowance + earned, this.#reportsPerSecondMax * BURST_SECONDS);
    if (this.#allowance >= 1) return { admitted: true };
    return { admitted: false, waitMs: Math.ceil(((1 - this.#allowance) / this.#reportsPerSecondMax) * 1000) };
  }

  /** To be told how many reports an admitted request brought. */
  charge(reports: number): void {
    this.#allowance -= reports;
  }

  /** Whether events of this session may be taken: always when it is known, else while there is room for another one. */
  admitSession(sessionKey: string, nowMs: number): boolean {
    if (nowMs - this.#spanStartMs >= SESSION_SPAN_MS) {
      this.#previous = nowMs - this.#spanStartMs >= 2 * SESSION_SPAN_MS ? new Set() : this.#current;
      this.#current = new Set();
      this.#spanStartMs = nowMs;
    }
    if (this.#current.has(sessionKey)) return true;
    const isKnown = this.#previous.delete(sessionKey);
    if (!isKnown && this.sessions >= this.#sessionsMax) return false;
    this.#current.add(sessionKey);
    return true;
  }
}

const BURST_SECONDS = 2;
const SESSION_SPAN_MS = 300_000;
