/**
 * A simulated audience that reports to a collector.
 *
 * ```ts
 * const running = startAudience({ collectorUrl, token, seed: 1, viewers: 50, programmes, clock: systemClock });
 * await running.done;
 * running.labels(); // what went wrong, for the comparison afterwards
 * ```
 */
import type { Clock } from '../../runtime/port.ts';
import { type AudienceCounts, audience } from './audience.ts';
import { placeFreezes, type StreamFreeze } from './freezes.ts';
import { HttpSender, type SenderCounts } from './http-sender.ts';
import type { LabelsFile } from './labels.ts';
import type { Population, Programme } from './population.ts';
import { NO_INCIDENTS, type Scenario } from './scenario.ts';

export type StartAudienceOptions = {
  readonly collectorUrl: string;
  readonly token: string;
  readonly seed: number | string;
  /** Who watch at the same time when the day is at its height. */
  readonly viewers: number;
  readonly programmes: readonly Programme[];
  readonly scenario?: Scenario;
  /** Where streams really freeze: incidents of that kind move there. They stay where the scenario has them when left out. */
  readonly freezes?: readonly StreamFreeze[];
  readonly population?: Population;
  readonly clock: Clock;
  /** Ends after this long, ms of the clock; until it is stopped when left out. */
  readonly forMs?: number;
  /** The audience lives this much faster than the clock; 1 when left out. For load only: log time is not sped up. */
  readonly speed?: number;
  readonly signal?: AbortSignal;
};

export type AudienceRun = {
  readonly startMs: number;
  readonly audience: Readonly<AudienceCounts>;
  readonly sender: Readonly<SenderCounts>;
  /** Why requests are being tried again, most recently; empty for never. */
  readonly lastFailure: string;
};

export type RunningAudience = {
  counts(): AudienceRun;
  /** The truth so far; complete once `done` has resolved. */
  labels(): LabelsFile;
  /** Resolves at the end, when every beacon has its outcome. Rejects with a `CollectorError`. */
  readonly done: Promise<AudienceRun>;
  /** Ends the audience without a word, as it would in life, and waits for `done`. */
  stop(): Promise<AudienceRun>;
};

/**
 * Throws `CollectorError` (http-sender.ts) for an address that cannot be one, and `ScenarioError` for a freeze that no
 * stream has.
 */
export function startAudience(options: StartAudienceOptions): RunningAudience {
  const { clock, seed } = options;
  const startMs = clock.nowMs();
  const given = options.scenario ?? NO_INCIDENTS;
  const scenario = options.freezes === undefined ? given : placeFreezes(given, startMs, options.freezes);
  const speed = options.speed ?? 1;
  const untilMs = options.forMs === undefined ? Number.POSITIVE_INFINITY : startMs + options.forMs * speed;
  const made = audience({ ...options, scenario, startMs, untilMs });
  const sender = new HttpSender(options);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  options.signal?.addEventListener('abort', stop, { once: true });
  if (options.signal?.aborted === true) stop();

  const counts = (): AudienceRun => ({
    startMs,
    audience: made.counts,
    sender: sender.counts,
    lastFailure: sender.lastFailure,
  });
  const run = async (): Promise<AudienceRun> => {
    try {
      let atOnce = 0;
      for (const beacon of made) {
        const dueMs = startMs + (beacon.dueMs - startMs) / speed;
        const aheadMs = dueMs - clock.nowMs();
        if (aheadMs > 0) await clock.sleep(aheadMs, stopping.signal);
        else if (++atOnce % AT_ONCE_MAX === 0) await clock.sleep(0);
        if (stopping.signal.aborted || sender.problem !== null) break;
        sender.take(beacon);
      }
      if (options.forMs !== undefined && !stopping.signal.aborted && sender.problem === null) {
        await clock.sleep(startMs + options.forMs - clock.nowMs(), stopping.signal);
      }
    } finally {
      await sender.close(sender.problem === null ? CLOSE_GRACE_MS : 0);
      options.signal?.removeEventListener('abort', stop);
    }
    if (sender.problem !== null) throw sender.problem;
    return counts();
  };
  const done = run();
  // Whoever stops an audience hears of it there; nobody has to listen twice.
  done.catch(() => {});
  return {
    counts,
    labels: () => ({
      version: 1,
      scenario: scenario.name,
      seed,
      audienceStartMs: startMs,
      incidents: made.keeper.labels(),
    }),
    done,
    async stop() {
      stop();
      return await done;
    },
  };
}

const CLOSE_GRACE_MS = 5_000;
/** Beacons that are late already go out in groups of this size, between which requests get their turn. */
const AT_ONCE_MAX = 64;
