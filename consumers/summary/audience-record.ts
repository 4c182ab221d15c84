/** What one run said about its viewers, gathered record by record by a subscriber who saw nothing else. */
import type { QosScore } from '../../schemas/records.ts';
import { type LatencyFigures, latencyFigures } from './latency.ts';
import { tally } from './tally.ts';

export type AudienceSummary = {
  /** Reports in the log. */
  readonly beacons: number;
  /** Sessions that a score record told of; and those of them with a final one. */
  readonly sessions: number;
  readonly finals: number;
  readonly windows: number;
  /** Windows in which nothing could be judged. */
  readonly windowsUnscored: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** Mean over scored sessions of their latest score, hundredths of a point; null when none was scored. */
  readonly meanScoreCenti: number | null;
  /** Sessions that lost points to each cause, most frequent first. */
  readonly causes: readonly { readonly cause: string; readonly sessions: number }[];
  /** Sessions that saw a defect of their stream, and those that possibly did. */
  readonly sessionsWithDefects: number;
  readonly sessionsPossiblyAffected: number;
  /**
   * From the log time of the last report that a window holds to the log time of its score: the window's grace, and the
   * wait for the seals of the stream. Windows without a report are left out.
   */
  readonly beaconToScore: LatencyFigures;
};

type Session = {
  last: QosScore;
  hasFinal: boolean;
  hasDefects: boolean;
  possibly: boolean;
  readonly causes: Set<string>;
};

/** Sessions whose reports are remembered until their window is scored. */
const SESSIONS_MAX = 50_000;
const BEACONS_OF_ONE_MAX = 256;

export class AudienceRecord {
  readonly #sessions = new Map<string, Session>();
  /** By session: log times of reports, ascending. */
  readonly #beacons = new Map<string, number[]>();
  readonly #delaysMs: number[] = [];
  #beaconCount = 0;
  #windows = 0;
  #unscored = 0;

  get beacons(): number {
    return this.#beaconCount;
  }

  beacon(sessionKey: string, timestampMs: number): void {
    this.#beaconCount += 1;
    const known = this.#beacons.get(sessionKey);
    if (known !== undefined) {
      known.push(timestampMs);
      if (known.length > BEACONS_OF_ONE_MAX) known.shift();
    } else if (this.#beacons.size < SESSIONS_MAX) this.#beacons.set(sessionKey, [timestampMs]);
  }

  score(score: QosScore, timestampMs: number): void {
    const known = this.#sessions.get(score.sessionKey);
    const session = known ?? {
      last: score,
      hasFinal: false,
      hasDefects: false,
      possibly: false,
      causes: new Set<string>(),
    };
    this.#sessions.set(score.sessionKey, session);
    if (score.kind === 'final' || !session.hasFinal) session.last = score;
    session.hasFinal ||= score.kind === 'final';
    session.hasDefects ||= score.defectIds.length > 0;
    session.possibly ||= score.defectPossibleMs > 0;
    for (const cause of score.causes) session.causes.add(cause);
    if (score.kind !== 'window') return;
    this.#windows += 1;
    if (score.score === null) this.#unscored += 1;
    this.#time(score, timestampMs);
  }

  summary(): AudienceSummary {
    const sessions = [...this.#sessions.values()];
    const scores = sessions.flatMap(({ last }) => {
      const score = last.kind === 'final' ? last.score : last.sessionScore;
      return score === null ? [] : [score];
    });
    return {
      beacons: this.#beaconCount,
      sessions: sessions.length,
      finals: sessions.filter(({ hasFinal }) => hasFinal).length,
      windows: this.#windows,
      windowsUnscored: this.#unscored,
      outcomes: tally(sessions.map(({ last }) => last.outcome)),
      meanScoreCenti:
        scores.length === 0
          ? null
          : Math.round((scores.reduce((sum, score) => sum + score, 0) * 100) / scores.length),
      causes: Object.entries(tally(sessions.flatMap(({ causes }) => [...causes])))
        .map(([cause, count]) => ({ cause, sessions: count }))
        .sort((a, b) => b.sessions - a.sessions || (a.cause < b.cause ? -1 : 1)),
      sessionsWithDefects: sessions.filter(({ hasDefects }) => hasDefects).length,
      sessionsPossiblyAffected: sessions.filter(({ possibly }) => possibly).length,
      beaconToScore: latencyFigures(this.#delaysMs),
    };
  }

  #time({ sessionKey, windowStartMs, windowEndMs }: QosScore, timestampMs: number): void {
    const beacons = this.#beacons.get(sessionKey);
    if (beacons === undefined) return;
    const last = beacons.findLast((at) => at < windowEndMs);
    if (last !== undefined && last >= windowStartMs) this.#delaysMs.push(timestampMs - last);
  }
}
