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
  readonly decodedAtMs: number;
  /** From decoding to the log time of the record that caused it, ms; null when a deadline did. */
  readonly decodedToLogMs: number | null;
  readonly decodedToSeenMs: number | null;
};

export type SeenAlert = {
  latest: QosAlert;
  versions: number;
  /** Of the version that fired; null before, and where the record that led to it is not known. */
  decodedToLogMs: number | null;
  decodedToSeenMs: number | null;
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
  /** Chunks that came twice. */
  repeatedChunks = 0;
  /** When the first feature record was seen, Unix ms; null before there is one. */
  firstRecordAtMs: number | null = null;
  readonly #firstOffsets: ReadonlyMap<number, number>;
  readonly #alerts = new Map<string, SeenAlert>();
  readonly #carriedOverAlerts = new Set<string>();
  readonly #silenceDefects = new Set<string>();
  readonly #lastChunks = new Map<string, { readonly epochMs: number; readonly seq: number }>();
  #ingestEndedAtMs: number | null = null;

  /** `firstOffsets`: where the run begins in each partition of `frame-features`. */
  constructor(firstOffsets: ReadonlyMap<number, number>) {
    this.#firstOffsets = firstOffsets;
  }

  /** Alerts about this run's defects. */
  get alerts(): readonly SeenAlert[] {
    return [...this.#alerts.values()].filter(
      ({ latest }) => !this.#isCarriedOver(latest) && !this.#isOfSilence(latest),
    );
  }

  get carriedOverAlerts(): number {
    const begunNow = [...this.#alerts.values()].filter(({ latest }) => this.#isCarriedOver(latest));
    return this.#carriedOverAlerts.size + begunNow.length;
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
    stream.lastEvent = chunk.event;
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
      this.defects.set(defect.defectId, {
        latest: defect,
        decodedAtMs,
        decodedToLogMs: decodedAtMs > 0 ? detectedAtMs - decodedAtMs : null,
        decodedToSeenMs: decodedAtMs > 0 ? seenAtMs - decodedAtMs : null,
      });
    } else if (known !== undefined && defect.revision > known.latest.revision) known.latest = defect;
  }

  takeAlert(alert: QosAlert, seenAtMs: number): void {
    let known = this.#alerts.get(alert.alertId);
    if (known === undefined) {
      if (alert.version !== 1) {
        this.#carriedOverAlerts.add(alert.alertId);
        return;
      }
      known = { latest: alert, versions: 0, decodedToLogMs: null, decodedToSeenMs: null };
      this.#alerts.set(alert.alertId, known);
    } else if (alert.version <= known.latest.version) return;
    known.latest = alert;
    known.versions += 1;
    if (alert.status !== 'firing' || known.decodedToSeenMs !== null) return;
    const decodedAtMs = this.#decodedAtMsOf(alert);
    if (decodedAtMs === null) return;
    known.decodedToLogMs = alert.updatedAtMs - decodedAtMs;
    known.decodedToSeenMs = seenAtMs - decodedAtMs;
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

  #isCarriedOver({ defectIds }: QosAlert): boolean {
    return (
      defectIds.length > 0 &&
      defectIds.every((id) => this.carriedOverDefects.has(id) && !this.defects.has(id))
    );
  }

  #isOfSilence({ defectIds }: QosAlert): boolean {
    return defectIds.length > 0 && defectIds.every((id) => this.#silenceDefects.has(id));
  }

  /** When what fired the alert was decoded; where a timer fired it, when what opened its latest defect was. */
  #decodedAtMsOf(alert: QosAlert): number | null {
    if (alert.decodedAtMs > 0) return alert.decodedAtMs;
    const defect = this.defects.get(alert.defectIds.at(-1) ?? '');
    return defect === undefined || defect.decodedAtMs === 0 ? null : defect.decodedAtMs;
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
