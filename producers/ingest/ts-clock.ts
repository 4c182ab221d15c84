/**
 * Reads the timestamps of a transport stream in a file, beside the decoder: ffmpeg takes steps of the clock out without a
 * word, and does not tell whether they were signalled (discontinuity_indicator, ISO/IEC 13818-1, 2.4.3.5).
 *
 * A step is one of all tracks by the same size, of 500 ms or more. Timestamps have 33 bits; that they wrap is no step.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { ClockStep } from './chunker.ts';
import { LONE_STEP_MS_MIN, STEP_MS_MIN } from './stream-timeline.ts';
import { TsCheck, type TsErrorAt } from './ts-check.ts';

export type SignalledStep = ClockStep & { readonly isSignalled: boolean };

const PACKET_BYTES = 188;
const SYNC = 0x47;
const BLOCK_BYTES = PACKET_BYTES * 4_096;
const CLOCK_HZ = 90_000;
/** A step of one track is one of all when the others follow within this, ms of the timeline. */
const FOLLOW_MS = 3_000;
/** A PES packet of sound holds up to half a second, more or less: so inexact is a step as one track sees it. */
const TRACK_STEP_MS_MIN = 250;
const SIZE_SLACK_MS = 500;
/** No track has its timestamps further apart. */
const INTERVAL_MS_MAX = 1_000;
/** Subtitles have timestamps now and then: what has fewer than this at usual intervals is no witness of the clock. */
const REGULAR_MIN = 5;
/** A track without a timestamp for this long is not waited for, ms. */
const IDLE_MS = 2_000;
/** The file is read this much further than asked for, so that a step is known when its first picture comes. */
const AHEAD_MS = FOLLOW_MS + 2_000;

type Track = {
  lastTicks: number;
  intervalMs: number;
  /** Its last timestamp on the timeline, without the steps. */
  lastMs: number;
  packetsAtLast: number;
  /** Timestamps that it had at usual intervals. */
  regular: number;
  step: (SignalledStep & { /** Its timestamps came so far apart. */ readonly intervalMs: number }) | null;
};

/** Finds steps in packets that are fed in order. */
export class TsStepFinder {
  readonly #tracks = new Map<number, Track>();
  #steps: SignalledStep[] = [];
  #packets = 0;
  #indicatorAt = -1;
  #originTicks: number | null = null;
  /** Up to here the timeline was read, ms. */
  endMs = 0;
  #hasCaughtUp = false;

  /** One packet of 188 bytes that begins at `at`. */
  push(bytes: Uint8Array, at: number): void {
    this.#packets++;
    if (bytes[at] !== SYNC) return;
    const flags = bytes[at + 3]!;
    let payloadAt = at + 4;
    if ((flags & 0x20) !== 0) {
      const length = bytes[at + 4]!;
      if (length > 0 && (bytes[at + 5]! & 0x80) !== 0) this.#indicatorAt = this.#packets;
      payloadAt += 1 + length;
    }
    const beginsUnit = (bytes[at + 1]! & 0x40) !== 0;
    if (!beginsUnit || (flags & 0x10) === 0 || payloadAt + 19 > at + PACKET_BYTES) return;
    const ticks = timestampOf(bytes, payloadAt);
    if (ticks !== null) this.#take(((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!, ticks);
  }

  /** Whether a track has caught up since this was asked last, that was held back for a step which was none: no time passed. */
  takeCatchUp(): boolean {
    const has = this.#hasCaughtUp;
    this.#hasCaughtUp = false;
    return has;
  }

  takeSteps(): readonly SignalledStep[] {
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }

  #take(pid: number, ticks: number): void {
    this.#originTicks ??= ticks;
    const track = this.#tracks.get(pid);
    if (track === undefined) {
      // A track that comes later, perhaps after steps, begins where the others are.
      const sinceMs = ticksBetween(this.#originTicks, ticks) / (CLOCK_HZ / 1_000);
      const lastMs = Math.abs(sinceMs - this.endMs) < IDLE_MS ? sinceMs : this.endMs;
      const fresh = {
        lastTicks: ticks,
        intervalMs: 0,
        lastMs,
        packetsAtLast: this.#packets,
        regular: 0,
        step: null,
      };
      this.#tracks.set(pid, fresh);
      return;
    }
    const deltaMs = ticksBetween(track.lastTicks, ticks) / (CLOCK_HZ / 1_000);
    const sizeMs = deltaMs - track.intervalMs;
    const isKnown = track.intervalMs > 0 && track.regular >= REGULAR_MIN;
    if (isKnown && (sizeMs >= TRACK_STEP_MS_MIN || deltaMs <= -TRACK_STEP_MS_MIN)) {
      const isSignalled = this.#indicatorAt >= track.packetsAtLast;
      this.#giveUp(track);
      track.lastMs += track.intervalMs;
      const { lastMs: atMs, intervalMs } = track;
      track.step = { atMs, sizeMs: Math.round(sizeMs), isSignalled, intervalMs };
    } else track.lastMs += deltaMs;
    if (deltaMs > 0 && deltaMs <= INTERVAL_MS_MAX) {
      track.intervalMs = deltaMs;
      track.regular += 1;
    }
    track.lastTicks = ticks;
    track.packetsAtLast = this.#packets;
    this.endMs = Math.max(this.endMs, track.lastMs);
    this.#settle();
  }

  #settle(): void {
    const tracks = [...this.#tracks.values()].filter(({ regular }) => regular >= REGULAR_MIN);
    const stepped = tracks.filter(({ step }) => step !== null);
    if (stepped.length === 0) return;
    const running = tracks.filter(({ step, lastMs }) => step !== null || this.endMs - lastMs < IDLE_MS);
    // The track whose timestamps come most often tells it best.
    const steps = stepped.map(({ step }) => step!).sort((a, b) => a.intervalMs - b.intervalMs);
    const { sizeMs, atMs } = steps[0]!;
    const alike = steps.every((one) => Math.abs(one.sizeMs - sizeMs) < SIZE_SLACK_MS);
    const leastMs = running.length === 1 && sizeMs > 0 ? LONE_STEP_MS_MIN : STEP_MS_MIN;
    if (stepped.length === running.length && alike && Math.abs(sizeMs) >= leastMs) {
      const isSignalled = steps.some((step) => step.isSignalled);
      this.#steps.push({ atMs: Math.round(atMs), sizeMs, isSignalled });
      for (const track of stepped) track.step = null;
      return;
    }
    // The others did not follow.
    for (const track of stepped) {
      if (this.endMs - track.step!.atMs >= FOLLOW_MS) this.#giveUp(track);
    }
  }

  /** It was a gap in this track, or sound in larger packets: time that has passed. */
  #giveUp(track: Track): void {
    if (track.step !== null && track.step.sizeMs > 0) track.lastMs += track.step.sizeMs;
    track.step = null;
    if (track.lastMs <= this.endMs) return;
    this.endMs = track.lastMs;
    this.#hasCaughtUp = true;
  }
}

/** The steps of a transport stream file, as far as the timeline was asked for. */
export class TsClock {
  readonly #file: FileHandle;
  readonly #packetBytes: number;
  readonly #finder = new TsStepFinder();
  readonly #check = new TsCheck('continuous');
  #atByte: number;
  #ended = false;

  private constructor(file: FileHandle, packetBytes: number, atByte: number) {
    this.#file = file;
    this.#packetBytes = packetBytes;
    this.#atByte = atByte;
  }

  /** Null when the file is no transport stream. */
  static async open(path: string): Promise<TsClock | null> {
    const file = await open(path);
    const head = new Uint8Array(5 * 204);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    for (const packetBytes of [PACKET_BYTES, 192, 204]) {
      for (let at = 0; at < packetBytes; at++) {
        const rows = [0, 1, 2, 3].map((row) => at + row * packetBytes);
        if (rows.every((row) => row < bytesRead && head[row] === SYNC))
          return new TsClock(file, packetBytes, at);
      }
    }
    await file.close();
    return null;
  }

  /** Steps before `timelineMs` (0 is where the file begins) that were not told yet, and perhaps some after it. */
  async stepsUpTo(timelineMs: number): Promise<readonly SignalledStep[]> {
    while (!this.#ended && this.#finder.endMs < timelineMs + AHEAD_MS) {
      const block = new Uint8Array(Math.floor(BLOCK_BYTES / PACKET_BYTES) * this.#packetBytes);
      const { bytesRead } = await this.#file.read(block, 0, block.length, this.#atByte);
      this.#ended = bytesRead < this.#packetBytes;
      let at = 0;
      for (; at + this.#packetBytes <= bytesRead; at += this.#packetBytes) {
        if (block[at] !== SYNC) at = this.#skipDamage(block, at, bytesRead);
        if (at + this.#packetBytes > bytesRead) break;
        this.#finder.push(block, at);
        const nowMs = Math.round(this.#finder.endMs);
        if (this.#finder.takeCatchUp()) this.#check.leap(nowMs);
        else this.#check.advance(nowMs);
        if (this.#check.sync(true)) this.#check.packet(block, at);
      }
      this.#atByte += Math.min(at, Math.max(bytesRead, 1));
    }
    return this.#finder.takeSteps();
  }

  /** What the check of the packets found so far, by the same time. */
  takeErrors(): readonly TsErrorAt[] {
    return this.#ended ? this.#check.takeAll() : this.#check.take();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Where packets begin again; each place on the way at which one should have begun counts. */
  #skipDamage(block: Uint8Array, at: number, bytesRead: number): number {
    const foundAt = nextSync(block, at, bytesRead, this.#packetBytes);
    for (let dueAt = at; dueAt < foundAt; dueAt += this.#packetBytes) this.#check.sync(false);
    return foundAt;
  }
}

/** After damage: where two packets begin one after the other. */
function nextSync(block: Uint8Array, from: number, endAt: number, packetBytes: number): number {
  for (let at = from; at < endAt; at++) {
    const next = at + packetBytes;
    if (block[at] === SYNC && (next >= endAt || block[next] === SYNC)) return at;
  }
  return endAt;
}

/** What has AC-3, E-AC-3, DTS or subtitles, and later codecs (ISO/IEC 13818-1, table 2-22). */
const PRIVATE_STREAM = 0xbd;
const EXTENDED_STREAM = 0xfd;

/** Decoding time of the PES packet that begins here, else its presentation time; null for other than picture or sound. */
function timestampOf(bytes: Uint8Array, at: number): number | null {
  if (bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) return null;
  const streamId = bytes[at + 3]!;
  const isMedia =
    (streamId >= 0xc0 && streamId <= 0xef) || streamId === PRIVATE_STREAM || streamId === EXTENDED_STREAM;
  if (!isMedia) return null;
  const flags = bytes[at + 7]! >> 6;
  if (flags === 2) return ticksAt(bytes, at + 9);
  return flags === 3 ? ticksAt(bytes, at + 14) : null;
}

function ticksAt(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! >> 1) & 7;
  const middle = (bytes[at + 1]! << 7) | (bytes[at + 2]! >> 1);
  const low = (bytes[at + 3]! << 7) | (bytes[at + 4]! >> 1);
  return high * 2 ** 30 + middle * 2 ** 15 + low;
}

/** From one timestamp to another, the shorter way round. */
function ticksBetween(from: number, to: number): number {
  const half = 2 ** 32;
  return ((((to - from + half) % (2 * half)) + 2 * half) % (2 * half)) - half;
}
