/**
 * What two runs over the same range said, entity by entity: alerts, defects of streams, scores of sessions. Pure: records
 * go in as they come, {@link diffOf} says what was added, removed, moved or changed.
 */
import type { QosAlert, QosScore, StreamDefect } from '../../schemas/records.ts';

/** An alert or a defect as one run saw it in the end. Times are log time for alerts, presentation time for defects. */
export type Interval = {
  readonly id: string;
  /** What it is about; two with the same subject that overlap are one that moved. */
  readonly subject: string;
  readonly title: string;
  readonly startMs: number;
  /** Null while it lasts. */
  readonly endMs: number | null;
  /** For alerts: log time at which it fired; null when it did not. For defects: when it was detected. */
  readonly toldMs: number | null;
  readonly status: string;
  readonly severity: string;
};

/** The score of one session as one run saw it. */
export type SessionScore = {
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly programmeId: string;
  readonly isFinal: boolean;
  /** Null when nothing was judged. */
  readonly score: number | null;
  readonly windows: number;
  /** Most expensive first, as `cause -points`. */
  readonly causes: string;
};

export type Moved<T> = { readonly live: T; readonly candidate: T; readonly what: readonly string[] };

export type IntervalDiff = {
  readonly live: number;
  readonly candidate: number;
  readonly equal: number;
  readonly added: readonly Interval[];
  readonly removed: readonly Interval[];
  readonly moved: readonly Moved<Interval>[];
};

export type ScoreDiff = {
  readonly live: number;
  readonly candidate: number;
  readonly equal: number;
  readonly added: readonly SessionScore[];
  readonly removed: readonly SessionScore[];
  /** Largest change first. */
  readonly changed: readonly Moved<SessionScore>[];
  /** Mean over sessions that both runs scored, hundredths of a point; null when there are none. */
  readonly meanLiveCenti: number | null;
  readonly meanCandidateCenti: number | null;
};

export type BacktestDiff = {
  readonly alerts: IntervalDiff;
  readonly defects: IntervalDiff;
  readonly scores: ScoreDiff;
};

/** Folds the records of one run; the highest version or revision wins. */
export class RunFold {
  readonly #alerts = new Map<string, QosAlert>();
  readonly #defects = new Map<string, StreamDefect>();
  readonly #scores = new Map<string, { last: QosScore; windows: number }>();

  alert(alert: QosAlert): void {
    const known = this.#alerts.get(alert.alertId);
    if (known === undefined || alert.version > known.version) this.#alerts.set(alert.alertId, alert);
  }

  defect(defect: StreamDefect): void {
    if (defect.event === 'anchor') return;
    const known = this.#defects.get(defect.defectId);
    if (known === undefined || defect.revision > known.revision) this.#defects.set(defect.defectId, defect);
  }

  score(score: QosScore): void {
    const known = this.#scores.get(score.sessionKey);
    const windows = (known?.windows ?? 0) + (score.kind === 'window' ? 1 : 0);
    const isLater = known === undefined || score.kind === 'final' || known.last.kind !== 'final';
    this.#scores.set(score.sessionKey, { last: isLater ? score : known.last, windows });
  }

  /** Keys and ids for which one of the runs cannot be vouched. */
  forget(keys: ReadonlySet<string>): void {
    for (const key of keys) {
      this.#scores.delete(key);
      this.#alerts.delete(key);
    }
    for (const [id, { programmeId }] of this.#defects) if (keys.has(programmeId)) this.#defects.delete(id);
  }

  alerts(): ReadonlyMap<string, Interval> {
    return new Map([...this.#alerts].map(([id, alert]) => [id, intervalOfAlert(alert)]));
  }

  defects(): ReadonlyMap<string, Interval> {
    return new Map([...this.#defects].map(([id, defect]) => [id, intervalOfDefect(defect)]));
  }

  scores(): ReadonlyMap<string, SessionScore> {
    return new Map([...this.#scores].map(([key, { last, windows }]) => [key, sessionScoreOf(last, windows)]));
  }
}

export function diffOf(live: RunFold, candidate: RunFold): BacktestDiff {
  return {
    alerts: diffIntervals(live.alerts(), candidate.alerts()),
    defects: diffIntervals(live.defects(), candidate.defects()),
    scores: diffScores(live.scores(), candidate.scores()),
  };
}

export function isWithoutDifference({ alerts, defects, scores }: BacktestDiff): boolean {
  return (
    [alerts, defects].every((one) => one.added.length + one.removed.length + one.moved.length === 0) &&
    scores.added.length + scores.removed.length + scores.changed.length === 0
  );
}

function intervalOfAlert(alert: QosAlert): Interval {
  const labels = [
    alert.programmeId,
    alert.renditionId,
    alert.vantage,
    alert.cdn,
    alert.asn,
    alert.country,
    alert.device,
    alert.playerVersion,
  ].filter((label) => label !== '' && label !== 'main');
  return {
    id: alert.alertId,
    subject: alert.fingerprint,
    title: [alert.alertName, ...labels].join(' '),
    startMs: alert.startsAtMs,
    endMs: alert.endsAtMs,
    toldMs: alert.firedAtMs,
    status: alert.status,
    severity: alert.severity,
  };
}

function intervalOfDefect(defect: StreamDefect): Interval {
  const { programmeId, renditionId, vantage, type } = defect;
  const place = [programmeId, renditionId, vantage]
    .filter((part) => part !== '' && part !== 'main')
    .join(' ');
  return {
    id: defect.defectId,
    subject: `${type} ${programmeId} ${renditionId} ${vantage} ${defect.trackId}`,
    title: `${type} ${place}`,
    startMs: defect.startMs,
    endMs: defect.endMs,
    toldMs: null,
    status: defect.endMs === null ? 'open' : 'closed',
    severity: defect.severity,
  };
}

function sessionScoreOf(last: QosScore, windows: number): SessionScore {
  return {
    sessionKey: last.sessionKey,
    sessionId: last.sessionId,
    programmeId: last.programmeId,
    isFinal: last.kind === 'final',
    score: last.kind === 'final' ? last.score : last.sessionScore,
    windows,
    causes: last.causes.map((cause, i) => `${cause} -${last.causePoints[i]}`).join(', '),
  };
}

function diffIntervals(
  live: ReadonlyMap<string, Interval>,
  candidate: ReadonlyMap<string, Interval>,
): IntervalDiff {
  const moved: Moved<Interval>[] = [];
  let equal = 0;
  for (const [id, one] of live) {
    const other = candidate.get(id);
    if (other === undefined) continue;
    const what = changesOf(one, other);
    if (what.length === 0) equal += 1;
    else moved.push({ live: one, candidate: other, what });
  }
  const removed = [...live.values()].filter(({ id }) => !candidate.has(id)).sort(byStart);
  const added = [...candidate.values()].filter(({ id }) => !live.has(id)).sort(byStart);
  for (const one of [...removed]) {
    const other = added.find((found) => found.subject === one.subject && overlap(found, one));
    if (other === undefined) continue;
    removed.splice(removed.indexOf(one), 1);
    added.splice(added.indexOf(other), 1);
    moved.push({ live: one, candidate: other, what: changesOf(one, other) });
  }
  moved.sort((a, b) => byStart(a.live, b.live));
  return { live: live.size, candidate: candidate.size, equal, added, removed, moved };
}

function changesOf(live: Interval, candidate: Interval): string[] {
  const what: string[] = [];
  shift(what, 'starts', live.startMs, candidate.startMs);
  shift(what, 'fires', live.toldMs, candidate.toldMs);
  shift(what, 'ends', live.endMs, candidate.endMs);
  if (live.severity !== candidate.severity) what.push(`severity ${live.severity} -> ${candidate.severity}`);
  if (live.status !== candidate.status) what.push(`${live.status} -> ${candidate.status}`);
  return what;
}

function shift(what: string[], verb: string, liveMs: number | null, candidateMs: number | null): void {
  if (liveMs === candidateMs) return;
  if (liveMs === null) what.push(`${verb} now, did not before`);
  else if (candidateMs === null) what.push(`${verb} no more`);
  else
    what.push(`${verb} ${Math.abs(candidateMs - liveMs)} ms ${candidateMs < liveMs ? 'earlier' : 'later'}`);
}

function diffScores(
  live: ReadonlyMap<string, SessionScore>,
  candidate: ReadonlyMap<string, SessionScore>,
): ScoreDiff {
  const changed: Moved<SessionScore>[] = [];
  let [equal, both, sumLive, sumCandidate] = [0, 0, 0, 0];
  for (const [key, one] of live) {
    const other = candidate.get(key);
    if (other === undefined) continue;
    if (one.score !== null && other.score !== null) {
      both += 1;
      sumLive += one.score;
      sumCandidate += other.score;
    }
    const what = scoreChanges(one, other);
    if (what.length === 0) equal += 1;
    else changed.push({ live: one, candidate: other, what });
  }
  changed.sort((a, b) => distance(b) - distance(a) || (a.live.sessionKey < b.live.sessionKey ? -1 : 1));
  return {
    live: live.size,
    candidate: candidate.size,
    equal,
    added: [...candidate.values()].filter(({ sessionKey }) => !live.has(sessionKey)),
    removed: [...live.values()].filter(({ sessionKey }) => !candidate.has(sessionKey)),
    changed,
    meanLiveCenti: both === 0 ? null : Math.round((sumLive * 100) / both),
    meanCandidateCenti: both === 0 ? null : Math.round((sumCandidate * 100) / both),
  };
}

function scoreChanges(live: SessionScore, candidate: SessionScore): string[] {
  const what: string[] = [];
  if (live.score !== candidate.score)
    what.push(`score ${live.score ?? 'none'} -> ${candidate.score ?? 'none'}`);
  if (live.causes !== candidate.causes)
    what.push(`causes ${live.causes || 'none'} -> ${candidate.causes || 'none'}`);
  if (live.isFinal !== candidate.isFinal)
    what.push(candidate.isFinal ? 'has a final now' : 'has no final now');
  if (live.windows !== candidate.windows) what.push(`windows ${live.windows} -> ${candidate.windows}`);
  return what;
}

function distance({ live, candidate }: Moved<SessionScore>): number {
  return Math.abs((live.score ?? 0) - (candidate.score ?? 0));
}

function overlap(a: Interval, b: Interval): boolean {
  const end = ({ endMs }: Interval): number => endMs ?? Number.POSITIVE_INFINITY;
  return a.startMs < end(b) && b.startMs < end(a);
}

function byStart(a: Interval, b: Interval): number {
  return a.startMs - b.startMs || (a.id < b.id ? -1 : 1);
}
