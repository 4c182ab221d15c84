/**
 * Decides how deep a stream is looked at: as planned, and in full from the first sign of trouble at a shallower depth until
 * there was none for a while. It goes by the records alone, in their own time: the same records, the same depths.
 */
import type { Depth, DepthPlan } from '../../schemas/depths.ts';
import type { FrameFeatures } from '../../schemas/records.ts';

/** Seconds that what is usual is learned from. */
const HISTORY = 60;
/** Before so many nothing is usual. */
const HISTORY_MIN = 10;
/** Pictures are absent when the next one comes after this many times their usual distance, and after this time, ms. */
const GAP_FACTOR = 3;
const GAP_MS = 500;
const KEY_GAP_MS_MIN = 12_000;
/** So far from its median audio and video have drifted apart. */
const SKEW_MS_MAX = 200;
/** A picture is dark or flat here before the detectors call it black or flat. */
const DARK_PERMILLE_MIN = 900;
const FLAT_CENTI_MAX = 300;
/** As long as this pictures may stand still. */
const STILL_MS_MAX = 2_000;

export class DepthGovernor {
  #plan: DepthPlan;
  #deepUntilMs = Number.NEGATIVE_INFINITY;
  #nowMs = 0;
  /** Why it was deepened last. */
  reason = '';
  readonly #signs = new TroubleSigns();

  constructor(plan: DepthPlan) {
    this.#plan = plan;
  }

  get depth(): Depth {
    return this.isDeepened ? 'full' : this.#plan.depth;
  }

  get isDeepened(): boolean {
    return this.#nowMs < this.#deepUntilMs && this.#plan.depth !== 'full';
  }

  set plan(plan: DepthPlan) {
    this.#plan = plan;
  }

  /** Takes the next record of the stream. */
  take(record: FrameFeatures): void {
    if (record.event !== 'features') return;
    this.#nowMs = record.basePtsMs + record.durationMs;
    const sign = this.#signs.in(record);
    if (sign === null || this.#plan.depth === 'full') return;
    this.reason = sign;
    this.#deepUntilMs = this.#nowMs + this.#plan.deepenForMs;
  }
}

/** What in a record asks for a closer look. */
class TroubleSigns {
  readonly #videoBytes = new Recent();
  readonly #pictures = new Recent();
  readonly #skews = new Recent();
  readonly #keyGaps = new Recent();
  #lastPictureMs: number | null = null;
  #hadSound = false;
  #depth = '';

  /** The first sign in the record; null when it looks as ever. */
  in(record: FrameFeatures): string | null {
    const { depth, decodeErrors, stepPtsMs } = record;
    const isFirst = depth !== this.#depth;
    this.#depth = depth;
    // Whoever joins a stream in its middle has missed something.
    if (isFirst) this.#lastPictureMs = null;
    else if (decodeErrors > 0) return `${decodeErrors} errors of the decoder or demuxer`;
    else if (stepPtsMs.length > 0) return "a step of the source's clock";
    const sign = this.#missing(record);
    if (depth === 'packets') return sign ?? this.#inPackets(record);
    return sign ?? inPictures(record);
  }

  #missing(record: FrameFeatures): string | null {
    const { depth, basePtsMs, durationMs, framePtsMs, audioBlocks, hasAudio, frameIntervalUs } = record;
    const endMs = basePtsMs + durationMs;
    const gapLimitMs =
      depth === 'keyframes'
        ? Math.max(KEY_GAP_MS_MIN, GAP_FACTOR * (this.#keyGaps.median ?? 0))
        : Math.max(GAP_MS, (GAP_FACTOR * frameIntervalUs) / 1_000);
    let gapMs = 0;
    for (const offsetMs of framePtsMs) {
      const ptsMs = basePtsMs + offsetMs;
      if (this.#lastPictureMs !== null) {
        gapMs = Math.max(gapMs, ptsMs - this.#lastPictureMs);
        if (depth === 'keyframes') this.#keyGaps.push(ptsMs - this.#lastPictureMs);
      }
      this.#lastPictureMs = ptsMs;
    }
    if (this.#lastPictureMs !== null) gapMs = Math.max(gapMs, endMs - this.#lastPictureMs);
    if (gapMs >= gapLimitMs) return `no picture for ${gapMs} ms`;
    const isSilentTrack = hasAudio && this.#hadSound && audioBlocks === 0 && durationMs >= 1_000;
    this.#hadSound ||= audioBlocks > 0;
    return isSilentTrack ? 'no sound in a second' : null;
  }

  #inPackets({ durationMs, videoBytes, avSkewMs, framePtsMs }: FrameFeatures): string | null {
    if (durationMs < 1_000 || framePtsMs.length === 0) return null;
    const [bytes, pictures, skewMs] = [this.#videoBytes.median, this.#pictures.median, this.#skews.median];
    this.#pictures.push(framePtsMs.length);
    if (videoBytes !== null) this.#videoBytes.push(videoBytes);
    if (avSkewMs !== null) this.#skews.push(avSkewMs);
    if (bytes !== null && videoBytes !== null && 4 * videoBytes < bytes)
      return `${videoBytes} bytes of video in a second, ${bytes} are usual`;
    if (pictures !== null && 4 * framePtsMs.length < 3 * pictures)
      return `${framePtsMs.length} pictures in a second, ${pictures} are usual`;
    if (skewMs !== null && avSkewMs !== null && Math.abs(avSkewMs - skewMs) > SKEW_MS_MAX)
      return `audio less video ${avSkewMs} ms, ${skewMs} ms are usual`;
    return null;
  }
}

function inPictures(record: FrameFeatures): string | null {
  const { darkPermille, lumaSpreadCenti, chromaSpreadCenti, anchorAgeMs } = record;
  if (darkPermille.some((permille) => permille >= DARK_PERMILLE_MIN)) return 'a dark picture';
  const isFlat = (centi: number, at: number) => centi + chromaSpreadCenti[at]! < FLAT_CENTI_MAX;
  if (lumaSpreadCenti.some(isFlat)) return 'a picture without anything in it';
  const stillMs = Math.max(0, ...anchorAgeMs);
  return stillMs >= STILL_MS_MAX ? `pictures that are the same for ${stillMs} ms` : null;
}

/** The last figures of one kind, and their median once there are enough. */
class Recent {
  readonly #values: number[] = [];

  push(value: number): void {
    this.#values.push(value);
    if (this.#values.length > HISTORY) this.#values.shift();
  }

  get median(): number | null {
    if (this.#values.length < HISTORY_MIN) return null;
    return this.#values.toSorted((a, b) => a - b)[Math.floor(this.#values.length / 2)]!;
  }
}
