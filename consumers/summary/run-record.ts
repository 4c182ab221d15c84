/** What one run put into the log, gathered record by record by a subscriber who saw nothing else. */
import type { FrameFeatures, QosAlert, StreamDefect } from '../../schemas/records.ts';

/** A stream is a programme's rendition seen at a vantage point. */
export type WatchedStream = {
  readonly programmeId: string;
  readonly renditionId: string;
  readonly vantage: string;
  chunks: number;
  frames: number;
  /** End of the last chunk on the stream's own timeline, ms. */
  watchedUpToMs: number;
  /** Media time that its chunks covered, ms. */
  mediaMs: number;
  /** What the probe said last: `features` while all is well. */
  lastEvent: string;
  decodeErrors: number;
};

export type SeenDefect = {
  /** The latest revision. */
  latest: StreamDefect;
  /** When what opened it was decoded; 0 when a deadline opened it. */
  readonly decodedAtMs: number;
};

/** How long a result took, ms: to the log time of what caused it, and until this subscriber had it in hand. */
export type Delay = { readonly toLogMs: number; readonly toSeenMs: number };

export type SeenAlert = {
  latest: QosAlert;
  /** Seen in this run. */
  versions: number;
  /** Its first version was among them. */
  readonly isNew: boolean;
};

/**
 * Folds the records of one run. Not everything that is said during a run is about it: what an earlier run left open is
 * closed now, and streams whose ingest ended fall silent. Both are counted apart and left out of everything else.
 */
export class RunRecord {
  readonly streams = new Map<string, WatchedStream>();
  readonly defects = new Map<string, SeenDefect>();
  /** Of an earlier run; by defectId. */
  readonly carriedOverDefects = new Set<string>();
  /** From decoding to a defect, to an alert about it (pending or firing), and to an alert that fires. */
  readonly detected: Delay[] = [];
  readonly raised: Delay[] = [];
  readonly fired: Delay[] = [];
  /** Chunks that came twice. */
  repeatedChunks = 0;
  /** When the first feature record was seen, Unix ms; null before there is one. */
  firstRecordAtMs: number | null = null;
  readonly #firstOffsets: ReadonlyMap<number, number>;
  readonly #alerts = new Map<string, SeenAlert>();
  readonly #silenceDefects = new Set<string>();
  readonly #lastChunks = new Map<string, { readonly epochMs: number; readonly seq: number }>();
  #ingestEndedAtMs: number | null = null;

  /** `firstOffsets`: where the run begins in each partition of `frame-features`. */
  constructor(firstOffsets: ReadonlyMap<number, number>) {
    this.#firstOffsets = firstOffsets;
  }

  /** Alerts about at least one defect of this run, by their latest version. */
  get alerts(): readonly SeenAlert[] {
    return [...this.#alerts.values()].filter((seen) => this.#isOurs(seen));
  }

  /** Alerts that changed, but tell of defects of an earlier run only. */
  get carriedOverAlerts(): number {
    const others = [...this.#alerts.values()].filter((seen) => !this.#isOurs(seen));
    return others.filter(({ latest }) => !latest.defectIds.some((id) => this.#silenceDefects.has(id))).length;
  }

  /** Whether an alert tells of what an earlier run left open, as far as the records until now show. */
  isOfEarlierRun({ defectIds }: QosAlert): boolean {
    return (
      defectIds.length > 0 && !defectIds.some((id) => this.defects.has(id) || this.#silenceDefects.has(id))
    );
  }

  /** Up to where each programme was watched, on its own timeline, ms. */
  watchedUpToMs(): ReadonlyMap<string, number> {
    const upToMs = new Map<string, number>();
    for (const { programmeId, watchedUpToMs } of this.streams.values()) {
      upToMs.set(programmeId, Math.max(upToMs.get(programmeId) ?? 0, watchedUpToMs));
    }
    return upToMs;
  }

  /** From here on, silence is our own doing. */
  endIngest(nowMs: number): void {
    this.#ingestEndedAtMs = nowMs;
  }

  takeFeatures(chunk: FrameFeatures, seenAtMs: number): void {
    const name = `${chunk.programmeId}\n${chunk.renditionId}\n${chunk.vantage}`;
    const last = this.#lastChunks.get(`${name}\n${chunk.probeId}`);
    if (last !== undefined && (chunk.probeEpochMs - last.epochMs || chunk.seq - last.seq) <= 0) {
      this.repeatedChunks += 1;
      return;
    }
    this.#lastChunks.set(`${name}\n${chunk.probeId}`, { epochMs: chunk.probeEpochMs, seq: chunk.seq });
    this.firstRecordAtMs ??= seenAtMs;
    const stream = this.streams.get(name) ?? newStream(chunk);
    this.streams.set(name, stream);
    stream.chunks += 1;
    stream.frames += chunk.framePtsMs.length;
    // What is seen of a manifest says nothing of how the stream goes.
    if (chunk.event !== 'transport') stream.lastEvent = chunk.event;
    stream.decodeErrors += chunk.decodeErrors;
    if (chunk.event !== 'features') return;
    stream.mediaMs += chunk.durationMs;
    stream.watchedUpToMs = Math.max(stream.watchedUpToMs, chunk.basePtsMs + chunk.durationMs);
  }

  takeDefect(defect: StreamDefect, seenAtMs: number): void {
    if (defect.event === 'anchor') return;
    if (defect.evidenceFirstOffset < (this.#firstOffsets.get(defect.evidencePartition) ?? 0)) {
      this.carriedOverDefects.add(defect.defectId);
      return;
    }
    const known = this.defects.get(defect.defectId);
    if (this.#isSilence(defect)) this.#silenceDefects.add(defect.defectId);
    else if (defect.event === 'open' || defect.event === 'point') {
      const { decodedAtMs, detectedAtMs } = defect;
      this.defects.set(defect.defectId, { latest: defect, decodedAtMs });
      if (decodedAtMs > 0) {
        this.detected.push({ toLogMs: detectedAtMs - decodedAtMs, toSeenMs: seenAtMs - decodedAtMs });
      }
    } else if (known !== undefined && defect.revision > known.latest.revision) known.latest = defect;
  }

  takeAlert(alert: QosAlert, seenAtMs: number): void {
    const known = this.#alerts.get(alert.alertId) ?? {
      latest: alert,
      versions: 0,
      isNew: alert.version === 1,
    };
    if (known.versions > 0 && alert.version <= known.latest.version) return;
    this.#alerts.set(alert.alertId, known);
    known.latest = alert;
    known.versions += 1;
    const decodedAtMs = this.#decodedAtMsOf(alert);
    if (decodedAtMs === null) return;
    const delay = { toLogMs: alert.updatedAtMs - decodedAtMs, toSeenMs: seenAtMs - decodedAtMs };
    if (alert.previousStatus === '' || alert.previousStatus === 'resolved') this.raised.push(delay);
    if (alert.status === 'firing' && alert.previousStatus !== 'firing') this.fired.push(delay);
  }

  /** Opened by a deadline, and not by a chunk, after ingest had ended. */
  #isSilence({ event, decodedAtMs, detectedAtMs }: StreamDefect): boolean {
    return (
      event === 'open' &&
      decodedAtMs === 0 &&
      this.#ingestEndedAtMs !== null &&
      detectedAtMs >= this.#ingestEndedAtMs
    );
  }

  #isOurs({ latest: { defectIds }, isNew }: SeenAlert): boolean {
    return defectIds.length === 0 ? isNew : defectIds.some((id) => this.defects.has(id));
  }

  /**
   * When what led to this version was decoded: for a timer, what opened the latest defect. Null where that is not a
   * defect of this run.
   */
  #decodedAtMsOf({ decodedAtMs, defectIds }: QosAlert): number | null {
    const defect = this.defects.get(defectIds.at(-1) ?? '');
    if (defect === undefined) return null;
    const ofDefect = defect.decodedAtMs > 0 ? defect.decodedAtMs : null;
    return decodedAtMs > 0 ? decodedAtMs : ofDefect;
  }
}

function newStream({ programmeId, renditionId, vantage }: FrameFeatures): WatchedStream {
  return {
    programmeId,
    renditionId,
    vantage,
    chunks: 0,
    frames: 0,
    watchedUpToMs: 0,
    mediaMs: 0,
    lastEvent: '',
    decodeErrors: 0,
  };
}
