/**
 * What the console shows, folded from the topics as they come: the latest of every stream, alert and session, with a
 * bounded past. Nothing here is kept anywhere: a console that starts anew reads the last half hour again.
 */
import type { CohortWindow, QosAlert, QosScore, StreamDefect, StreamHealth } from '../../schemas/records.ts';
import { AudienceFold, type AudiencePoint } from './audience-fold.ts';
import { SessionFold } from './session-fold.ts';

export const CONSOLE_TOPICS = [
  'stream-health',
  'stream-defects',
  'qos-alerts',
  'qos-scores',
  'cohort-windows',
] as const;
export type ConsoleTopic = (typeof CONSOLE_TOPICS)[number];

/** A point of a stream's past: one roll-up of 10 s. */
export type HealthPoint = {
  readonly atMs: number;
  readonly status: string;
  readonly coveragePermille: number;
  readonly defectMs: number;
};

export type OpenDefect = Pick<
  StreamDefect,
  'defectId' | 'type' | 'severity' | 'reason' | 'startMs' | 'detectedAtMs' | 'announced'
>;

export type StreamTile = {
  readonly programmeId: string;
  readonly renditionId: string;
  readonly vantage: string;
  /** As in `stream-health`, but `defective` as soon as a defect is open that was not announced. */
  readonly status: string;
  readonly statusReason: string;
  readonly depth: string;
  readonly updatedAtMs: number;
  readonly frames: number;
  readonly decodeErrors: number;
  readonly defects: readonly OpenDefect[];
  readonly past: readonly HealthPoint[];
};

/** What changed since a client last asked: one counter for each page's data. */
export type Versions = { readonly streams: number; readonly alerts: number; readonly sessions: number };

const STREAMS_MAX = 5_000;
const POINTS_MAX = 180;
const ALERTS_MAX = 2_000;

type Stream = { health: StreamHealth | null; open: Map<string, StreamDefect>; past: HealthPoint[] };

export class ConsoleState {
  readonly sessions = new SessionFold();
  readonly #audience = new AudienceFold();
  readonly #streams = new Map<string, Stream>();
  readonly #alerts = new Map<string, QosAlert>();
  readonly #versions = { streams: 0, alerts: 0, sessions: 0 };

  get versions(): Versions {
    return { ...this.#versions };
  }

  health(health: StreamHealth): void {
    const stream = this.#streamOf(health);
    if (stream.health !== null && health.windowEndMs <= stream.health.windowEndMs) return;
    stream.health = health;
    const { windowEndMs: atMs, status, coveragePermille, defectMs } = health;
    stream.past.push({ atMs, status, coveragePermille, defectMs });
    if (stream.past.length > POINTS_MAX) stream.past.shift();
    this.#versions.streams += 1;
  }

  defect(defect: StreamDefect): void {
    if (defect.event === 'anchor' || defect.event === 'point') return;
    const { open } = this.#streamOf(defect);
    if (defect.event === 'close') open.delete(defect.defectId);
    else open.set(defect.defectId, defect);
    this.#versions.streams += 1;
  }

  alert(alert: QosAlert): void {
    const known = this.#alerts.get(alert.alertId);
    if (known !== undefined && known.version >= alert.version) return;
    this.#alerts.delete(alert.alertId);
    this.#alerts.set(alert.alertId, alert);
    if (this.#alerts.size > ALERTS_MAX) this.#forgetOldestOver();
    this.#versions.alerts += 1;
  }

  score(score: QosScore): void {
    this.sessions.take(score);
    this.#versions.sessions += 1;
  }

  cohort(window: CohortWindow): void {
    this.#audience.take(window);
    this.#versions.sessions += 1;
  }

  streams(): readonly StreamTile[] {
    return [...this.#streams.entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, stream]) => tileOf(name, stream));
  }

  /** Firing first, then pending, stale and resolved; the newest first in each. */
  alerts(): readonly QosAlert[] {
    const rank = ({ status }: QosAlert): number => ALERT_ORDER.indexOf(status);
    return [...this.#alerts.values()].sort((a, b) => rank(a) - rank(b) || b.startsAtMs - a.startsAtMs);
  }

  /** By programme; '' for all of them together. */
  audience(programmeId = ''): readonly AudiencePoint[] {
    return this.#audience.points(programmeId);
  }

  audienceNow(): ReadonlyMap<string, AudiencePoint> {
    return this.#audience.now();
  }

  #streamOf(scope: {
    readonly programmeId: string;
    readonly renditionId: string;
    readonly vantage: string;
  }): Stream {
    // a defect of the whole programme names no rendition: it stands on every tile of the programme's only one
    const name = `${scope.programmeId}\n${scope.renditionId}\n${scope.vantage}`;
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    if (this.#streams.size >= STREAMS_MAX) this.#streams.delete(this.#streams.keys().next().value!);
    const stream: Stream = { health: null, open: new Map(), past: [] };
    this.#streams.set(name, stream);
    return stream;
  }

  #forgetOldestOver(): void {
    for (const [id, { status }] of this.#alerts) {
      if (status !== 'resolved') continue;
      this.#alerts.delete(id);
      return;
    }
    this.#alerts.delete(this.#alerts.keys().next().value!);
  }
}

const ALERT_ORDER: readonly string[] = ['firing', 'pending', 'stale', 'resolved'];

function tileOf(name: string, { health, open, past }: Stream): StreamTile {
  const [programmeId = '', renditionId = '', vantage = ''] = name.split('\n');
  const defects = [...open.values()]
    .sort((a, b) => a.detectedAtMs - b.detectedAtMs)
    .map(({ defectId, type, severity, reason, startMs, detectedAtMs, announced }) => ({
      defectId,
      type,
      severity,
      reason,
      startMs,
      detectedAtMs,
      announced,
    }));
  const isDefective = defects.some(({ announced }) => announced === '');
  const told = health?.status ?? 'no-data';
  return {
    programmeId,
    renditionId,
    vantage,
    status: isDefective ? 'defective' : told === 'defective' ? 'good' : told,
    statusReason: health?.statusReason ?? 'no roll-up yet',
    depth: health?.depth ?? '',
    updatedAtMs: health?.windowEndMs ?? 0,
    frames: health?.frames ?? 0,
    decodeErrors: health?.decodeErrors ?? 0,
    defects,
    past,
  };
}
