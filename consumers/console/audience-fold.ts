/** The audience over time, rolled up from merged cohort windows: all leaves of a window add up. */
import type { CohortWindow } from '../../schemas/records.ts';

export type AudiencePoint = {
  readonly atMs: number;
  readonly concurrent: number;
  readonly sessions: number;
  /** Mean over scored sessions, points; null when there were none. */
  readonly scoreMean: number | null;
  /** Stall time over playing and stall time, thousandths; null when nothing played. */
  readonly rebufferingPermille: number | null;
  /** Attempts of the window that failed, and all of them. */
  readonly startFailures: number;
  readonly attempts: number;
};

const POINTS_MAX = 180;
const PROGRAMMES_MAX = 5_000;

type Sums = {
  concurrent: number;
  sessions: number;
  scored: number;
  scoreSum: number;
  playingMs: number;
  stallMs: number;
  failures: number;
  attempts: number;
};

export class AudienceFold {
  /** By programme, then by window end. '' is everybody. */
  readonly #programmes = new Map<string, Map<number, Sums>>();

  take(window: CohortWindow): void {
    this.#add('', window);
    if (window.programmeId !== '') this.#add(window.programmeId, window);
  }

  points(programmeId: string): readonly AudiencePoint[] {
    const windows = this.#programmes.get(programmeId);
    return windows === undefined
      ? []
      : [...windows].sort(([a], [b]) => a - b).map(([atMs, sums]) => pointOf(atMs, sums));
  }

  /** The latest point of each programme. */
  now(): ReadonlyMap<string, AudiencePoint> {
    const latest = new Map<string, AudiencePoint>();
    for (const programmeId of this.#programmes.keys()) {
      const point = this.points(programmeId).at(-1);
      if (point !== undefined) latest.set(programmeId, point);
    }
    return latest;
  }

  #add(programmeId: string, window: CohortWindow): void {
    let windows = this.#programmes.get(programmeId);
    if (windows === undefined) {
      if (this.#programmes.size >= PROGRAMMES_MAX) return;
      windows = new Map();
      this.#programmes.set(programmeId, windows);
    }
    const sums = windows.get(window.windowEndMs) ?? newSums();
    windows.set(window.windowEndMs, sums);
    sums.concurrent += window.concurrent;
    sums.sessions += window.sessions;
    sums.scored += window.scoredSessions;
    sums.scoreSum += window.scoreSum;
    sums.playingMs += window.playingMs;
    sums.stallMs += window.stallMs;
    sums.failures += window.vsfTechnical + window.vsfBusiness;
    sums.attempts += window.attempts;
    if (windows.size > POINTS_MAX) windows.delete(Math.min(...windows.keys()));
  }
}

function newSums(): Sums {
  return {
    concurrent: 0,
    sessions: 0,
    scored: 0,
    scoreSum: 0,
    playingMs: 0,
    stallMs: 0,
    failures: 0,
    attempts: 0,
  };
}

function pointOf(atMs: number, sums: Sums): AudiencePoint {
  const watchedMs = sums.playingMs + sums.stallMs;
  return {
    atMs,
    concurrent: sums.concurrent,
    sessions: sums.sessions,
    scoreMean: sums.scored === 0 ? null : Math.round((sums.scoreSum * 10) / sums.scored) / 10,
    rebufferingPermille: watchedMs === 0 ? null : Math.round((sums.stallMs * 1_000) / watchedMs),
    startFailures: sums.failures,
    attempts: sums.attempts,
  };
}
