/** Sessions by their score records: the latest of each, and a bounded past of windows for the timeline. */
import type { QosScore } from '../../schemas/records.ts';

export type SessionRow = Pick<
  QosScore,
  | 'sessionKey'
  | 'sessionId'
  | 'tenant'
  | 'programmeId'
  | 'contentId'
  | 'cdn'
  | 'asn'
  | 'country'
  | 'deviceClass'
  | 'playerVersion'
  | 'outcome'
  | 'playerState'
  | 'ended'
  | 'stallCount'
  | 'stallMs'
  | 'bitrateBps'
  | 'joinTimeMs'
> & {
  /** Of the session so far; null when nothing was judged. */
  readonly score: number | null;
  /** Of the latest window. */
  readonly windowScore: number | null;
  readonly updatedAtMs: number;
  readonly causes: readonly { readonly cause: string; readonly points: number }[];
};

export type SessionDetail = {
  readonly row: SessionRow;
  /** Windows by start, the latest revision of each. */
  readonly windows: readonly QosScore[];
  /** The highest revision; null while the session goes on. */
  readonly final: QosScore | null;
};

export type SessionQuery = {
  /** Part of a session id, programme, CDN, country, device or player. */
  readonly text: string;
  readonly sort: 'worst' | 'latest';
  readonly max: number;
};

const SESSIONS_MAX = 20_000;
const WINDOWS_MAX = 200_000;
const WINDOWS_OF_ONE_MAX = 720;

type Session = { latest: QosScore; windows: QosScore[]; final: QosScore | null };

export class SessionFold {
  /** Least recently updated first. */
  readonly #sessions = new Map<string, Session>();
  #windows = 0;

  get size(): number {
    return this.#sessions.size;
  }

  take(score: QosScore): void {
    const known = this.#sessions.get(score.sessionKey);
    const session: Session = known ?? { latest: score, windows: [], final: null };
    if (known !== undefined) this.#sessions.delete(score.sessionKey);
    this.#sessions.set(score.sessionKey, session);
    session.latest = score;
    if (score.kind === 'final') {
      if (session.final === null || score.revision >= session.final.revision) session.final = score;
    } else this.#takeWindow(session, score);
    while (this.#sessions.size > SESSIONS_MAX || this.#windows > WINDOWS_MAX) this.#forgetOldest();
  }

  /** Rows that match, and how many there are of them. */
  list({ text, sort, max }: SessionQuery): {
    readonly rows: readonly SessionRow[];
    readonly matching: number;
  } {
    const wanted = text.trim().toLowerCase();
    const rows: SessionRow[] = [];
    for (const session of this.#sessions.values()) {
      const row = rowOf(session);
      if (wanted === '' || searchTextOf(row).includes(wanted)) rows.push(row);
    }
    const worst = (row: SessionRow): number => row.score ?? 101;
    rows.sort((a, b) => (sort === 'worst' ? worst(a) - worst(b) : 0) || b.updatedAtMs - a.updatedAtMs);
    return { rows: rows.slice(0, max), matching: rows.length };
  }

  find(sessionKey: string): SessionDetail | null {
    const session = this.#sessions.get(sessionKey);
    if (session === undefined) return null;
    return { row: rowOf(session), windows: session.windows, final: session.final };
  }

  #takeWindow(session: Session, score: QosScore): void {
    const at = session.windows.findIndex(({ windowStartMs }) => windowStartMs === score.windowStartMs);
    if (at >= 0) {
      if (session.windows[at]!.revision <= score.revision) session.windows[at] = score;
      return;
    }
    session.windows.push(score);
    this.#windows += 1;
    if (session.windows.length <= WINDOWS_OF_ONE_MAX) return;
    session.windows.shift();
    this.#windows -= 1;
  }

  #forgetOldest(): void {
    const [key, session] = this.#sessions.entries().next().value!;
    this.#sessions.delete(key);
    this.#windows -= session.windows.length;
  }
}

function rowOf({ latest, final, windows }: Session): SessionRow {
  const told = final ?? latest;
  return {
    sessionKey: told.sessionKey,
    sessionId: told.sessionId,
    tenant: told.tenant,
    programmeId: told.programmeId,
    contentId: told.contentId,
    cdn: told.cdn,
    asn: told.asn,
    country: told.country,
    deviceClass: told.deviceClass,
    playerVersion: told.playerVersion,
    outcome: told.outcome,
    playerState: told.playerState,
    ended: told.ended,
    stallCount: final?.stallCount ?? windows.reduce((sum, { stallCount }) => sum + stallCount, 0),
    stallMs: final?.stallMs ?? windows.reduce((sum, { stallMs }) => sum + stallMs, 0),
    bitrateBps: told.bitrateBps,
    joinTimeMs: told.joinTimeMs,
    score: final === null ? latest.sessionScore : final.score,
    windowScore: windows.at(-1)?.score ?? null,
    updatedAtMs: latest.windowEndMs,
    causes: told.causes.map((cause, index) => ({ cause, points: told.causePoints[index] ?? 0 })),
  };
}

function searchTextOf(row: SessionRow): string {
  const { sessionId, programmeId, contentId, cdn, asn, country, deviceClass, playerVersion, outcome } = row;
  return [
    sessionId,
    programmeId,
    contentId,
    cdn,
    `as${asn ?? ''}`,
    country,
    deviceClass,
    playerVersion,
    outcome,
  ]
    .join(' ')
    .toLowerCase();
}
