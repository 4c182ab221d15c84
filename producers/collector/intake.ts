/** From the reports of one request to its answer: what is taken, what is left out and why, and who has to come back. */
import type { Clock } from '../../runtime/port.ts';
import { TenantAdmission } from './admission.ts';
import { addTo, type CollectorStats, TenantCounts } from './counts.ts';
import { type EventWriter, NotWritten } from './event-writer.ts';
import { type DroppedReport, FIX_OF_REASON, type Normalised } from './normalise.ts';
import { RequestError } from './request-body.ts';
import { type Tenant, tenantsByToken } from './settings.ts';

/** A tenant with what it has brought so far. */
export type TenantIntake = {
  readonly tenant: Tenant;
  readonly admission: TenantAdmission;
  readonly counts: TenantCounts;
};

/** 204 has no body. */
export type Reply = { readonly status: 200 | 204; readonly body: object | null };

export class Intake {
  readonly #clock: Clock;
  readonly #writer: EventWriter;
  readonly #intakes: readonly TenantIntake[];
  readonly #byToken: (token: string) => Tenant | null;
  readonly #requests = new Map<number, number>();

  constructor(tenants: readonly Tenant[], writer: EventWriter, clock: Clock) {
    this.#clock = clock;
    this.#writer = writer;
    this.#byToken = tenantsByToken(tenants);
    this.#intakes = tenants.map((tenant) => ({
      tenant,
      admission: new TenantAdmission(tenant, clock.nowMs()),
      counts: new TenantCounts(),
    }));
  }

  /**
   * Whose request it is and whether it may be read at all, before a byte of its body is. Throws a {@link RequestError}:
   * 401, 403, 410, 429 or 503.
   */
  admit(token: string | null, target: string, origin: string | undefined): TenantIntake {
    const tenant = token === null ? null : this.#byToken(token);
    if (tenant === null) throw token === null ? NO_TOKEN : UNKNOWN_TOKEN;
    if (
      origin !== undefined &&
      tenant.origins !== undefined &&
      !tenant.origins.some((one) => isOrigin(one, origin))
    )
      throw FOREIGN_ORIGIN;
    if (tenant.stopped || tenant.stoppedTargets.includes(target)) throw STOPPED;
    const intake = this.#intakes.find((one) => one.tenant === tenant)!;
    const admission = intake.admission.admit(this.#clock.nowMs());
    if (!admission.admitted) throw tooMany('rate-limit', Math.ceil(admission.waitMs / 1000));
    if (this.#writer.isFull) throw comeBack('overloaded');
    return intake;
  }

  /**
   * Takes what was made of a request's reports. Resolves when Kafka has acknowledged all events; rejects with a
   * {@link RequestError}: 400 when there was nothing to take, 429 or 503 when it has to come again.
   */
  async take({ admission, counts }: TenantIntake, { events, dropped }: Normalised): Promise<Reply> {
    const nowMs = this.#clock.nowMs();
    const reports = events.length + dropped.length;
    admission.charge(Math.max(1, reports));
    counts.reportsIn += reports;
    for (const { reason } of dropped) addTo(counts.dropped, reason);
    const admitted = events.filter(({ sessionKey }) => admission.admitSession(sessionKey, nowMs));
    const refused = events.length - admitted.length;
    if (refused > 0) addTo(counts.dropped, TOO_MANY_SESSIONS, refused);
    if (reports === 0) throw EMPTY;
    if (admitted.length === 0)
      throw refused > 0 ? tooMany(TOO_MANY_SESSIONS, SESSIONS_RETRY_S) : nothingTaken(dropped);

    try {
      await this.#writer.write(admitted);
    } catch (error) {
      if (!(error instanceof NotWritten)) throw error;
      addTo(counts.notWritten, error.reason, admitted.length);
      throw comeBack(error.reason);
    }
    counts.accepted += admitted.length;
    for (const { droppedKeys } of admitted) {
      if (droppedKeys.length > 0) counts.salvaged++;
      for (const key of droppedKeys) addTo(counts.lostValues, key);
    }
    if (dropped.length + refused === 0) return { status: 204, body: null };
    return {
      status: 200,
      body: { accepted: admitted.length, dropped: dropped.length + refused, ...explained(dropped) },
    };
  }

  countAnswer(status: number): void {
    addTo(this.#requests, status);
  }

  stats(): CollectorStats {
    return {
      tenants: new Map(
        this.#intakes.map(({ tenant, admission, counts }) => [
          tenant.tenant,
          { ...counts, sessions: admission.sessions },
        ]),
      ),
      requests: this.#requests,
      queuedEvents: this.#writer.queuedEvents,
      queuedBytes: this.#writer.queuedBytes,
    };
  }
}

const TOO_MANY_SESSIONS = 'too-many-sessions';
const SESSIONS_RETRY_S = 60;
const OVERLOAD_RETRY_S = 2;
const EXPLAINED_MAX = 5;

const HOW_TO_TELL_A_TOKEN =
  'send the tenant\'s token as "Authorization: Bearer TOKEN", as ?token=TOKEN, or in the path: /t/TOKEN/v2/events';
const NO_TOKEN = new RequestError(401, 'no-token', HOW_TO_TELL_A_TOKEN, { 'www-authenticate': 'Bearer' });
const UNKNOWN_TOKEN = new RequestError(
  401,
  'unknown-token',
  `no tenant has this token: ${HOW_TO_TELL_A_TOKEN}`,
  {
    'www-authenticate': 'Bearer error="invalid_token"',
  },
);
const FOREIGN_ORIGIN = new RequestError(
  403,
  'foreign-origin',
  "pages of this origin may not report: add it to the tenant's origins",
);
const STOPPED = new RequestError(
  410,
  'stopped',
  'nothing more is wanted here: report no more to this address',
);
const EMPTY = new RequestError(
  400,
  'empty',
  'the request holds no report: send at least one, see docs/events.md',
);

function tooMany(code: string, retryAfterS: number): RequestError {
  const fix = `this tenant has reached its limit: come again in ${retryAfterS} s, or raise the limit in the tenants file`;
  return new RequestError(429, code, fix, { 'retry-after': String(Math.max(1, retryAfterS)) });
}

function comeBack(code: string): RequestError {
  const fix = `the reports could not be kept: send them again in ${OVERLOAD_RETRY_S} s`;
  return new RequestError(503, code, fix, { 'retry-after': String(OVERLOAD_RETRY_S) });
}

function nothingTaken(dropped: readonly DroppedReport[]): RequestError {
  const [first] = dropped;
  return new RequestError(400, first!.reason, FIX_OF_REASON[first!.reason]);
}

function explained(dropped: readonly DroppedReport[]): object {
  if (dropped.length === 0) return {};
  const why = dropped
    .slice(0, EXPLAINED_MAX)
    .map(({ index, reason }) => ({ index, reason, fix: FIX_OF_REASON[reason] }));
  return { reports: why };
}

function isOrigin(allowed: string, origin: string): boolean {
  return URL.canParse(origin) && new URL(allowed).origin === new URL(origin).origin;
}
