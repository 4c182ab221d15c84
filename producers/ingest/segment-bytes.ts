/**
 * What the bytes of segments tell while they pass to the decoder: bytes of pictures, errors of the transport stream, steps of
 * its clock. Nothing is kept of a segment but figures.
 */
import type { SegmentTap } from './fetch-events.ts';
import { IsoSampleReader } from './iso-samples.ts';
import { TsCheck, type TsErrorAt } from './ts-check.ts';
import { type SignalledStep, TsStepFinder } from './ts-clock.ts';
import { TsPackets } from './ts-packets.ts';

/** What is known of a segment before its first byte. */
export type SegmentPlace = {
  /** Where it begins on the presentation timeline; null while nothing tells. */
  readonly ptsMs: number | null;
  readonly isDiscontinuity: boolean;
  readonly isEncrypted: boolean;
  readonly index: number;
};

export class SegmentBytes {
  /** By the playlist that lists them. */
  readonly #rows = new Map<string, Row>();
  readonly #videoBytes = new Map<string, number>();

  /** `place` is null for what is no media segment, as one that initialises a decoder. */
  tap(url: string, manifestUrl: string, place: SegmentPlace | null): SegmentTap | null {
    if (place?.isEncrypted === true) return null;
    let row = this.#rows.get(manifestUrl);
    if (row === undefined) {
      row = new Row();
      this.#rows.set(manifestUrl, row);
    }
    const segment = new OneSegment(row, place);
    return (bytes) => {
      if (bytes !== null) {
        segment.push(bytes);
        return;
      }
      const counted = segment.end();
      if (counted === null || place === null) return;
      this.#videoBytes.set(url, counted);
      if (this.#videoBytes.size > COUNTED_MAX) this.#videoBytes.delete(this.#videoBytes.keys().next().value!);
    };
  }

  /** Null when they were not counted. */
  videoBytesOf(url: string): number | null {
    return this.#videoBytes.get(url) ?? null;
  }

  /** Whether segments are transport streams; null before the first. */
  get isTransportStream(): boolean | null {
    const rows = [...this.#rows.values()];
    return rows.some(({ isTs }) => isTs !== null) ? rows.some(({ isTs }) => isTs === true) : null;
  }

  takeErrors(): readonly TsErrorAt[] {
    return [...this.#rows.values()].flatMap((row) => row.takeErrors());
  }

  takeSteps(): readonly SignalledStep[] {
    return [...this.#rows.values()].flatMap((row) => row.takeSteps());
  }
}

const COUNTED_MAX = 500;

/** The segments of one playlist, one after the other. */
class Row {
  readonly check = new TsCheck('segments');
  readonly videoTracks = new Set<number>();
  isTs: boolean | null = null;
  #finder = new TsStepFinder();
  /** Presentation time at which the finder began. */
  #finderPtsMs = 0;
  #lastIndex: number | null = null;
  #segmentPtsMs = 0;
  #segmentFromMs = 0;
  #steps: SignalledStep[] = [];
  /** Pictures: PIDs by which their bytes are counted. */
  readonly videoPids = new Set<number>();

  beginSegment(place: SegmentPlace | null): void {
    if (place === null) return;
    const follows = this.#lastIndex !== null && place.index === this.#lastIndex + 1 && !place.isDiscontinuity;
    this.#lastIndex = place.index;
    const ptsMs = place.ptsMs ?? this.#segmentPtsMs;
    if (!follows) {
      this.takeSteps();
      this.#finder = new TsStepFinder();
      this.#finderPtsMs = ptsMs;
    }
    this.#segmentPtsMs = ptsMs;
    this.#segmentFromMs = this.#finder.endMs;
    this.check.beginSegment(ptsMs);
  }

  packet(bytes: Uint8Array, at: number): void {
    this.#finder.push(bytes, at);
    this.check.advance(
      this.#segmentPtsMs + Math.max(0, Math.round(this.#finder.endMs - this.#segmentFromMs)),
    );
    this.check.packet(bytes, at);
  }

  takeErrors(): readonly TsErrorAt[] {
    return this.check.takeAll();
  }

  takeSteps(): readonly SignalledStep[] {
    for (const step of this.#finder.takeSteps())
      this.#steps.push({ ...step, atMs: step.atMs + this.#finderPtsMs });
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }
}

class OneSegment {
  readonly #row: Row;
  readonly #place: SegmentPlace | null;
  #packets: TsPackets | null = null;
  #boxes: IsoSampleReader | null = null;
  #isFirst = true;
  #videoBytes = 0;

  constructor(row: Row, place: SegmentPlace | null) {
    this.#row = row;
    this.#place = place;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#isFirst) this.#begin(bytes[0]!);
    this.#packets?.push(bytes);
    this.#boxes?.push(bytes);
  }

  /** Bytes of pictures; null when it is of a kind that is not read. */
  end(): number | null {
    if (this.#packets !== null) {
      this.#row.check.endSegment();
      return this.#videoBytes;
    }
    return this.#boxes?.videoBytes ?? null;
  }

  #begin(first: number): void {
    this.#isFirst = false;
    const isTs = first === 0x47;
    if (this.#place !== null) this.#row.isTs = isTs;
    if (!isTs) {
      this.#boxes = new IsoSampleReader(this.#row.videoTracks);
      return;
    }
    this.#row.beginSegment(this.#place);
    this.#packets = new TsPackets({
      sync: (isRight) => this.#row.check.sync(isRight),
      packet: (bytes, at) => {
        this.#row.packet(bytes, at);
        this.#count(bytes, at);
      },
    });
  }

  /** Payload of the PIDs whose PES packets are video (ISO/IEC 13818-1, table 2-22: stream_id 0xe0 to 0xef). */
  #count(bytes: Uint8Array, at: number): void {
    const flags = bytes[at + 3]!;
    if ((flags & 0x10) === 0) return;
    const payloadAt = at + 4 + ((flags & 0x20) === 0 ? 0 : 1 + bytes[at + 4]!);
    const pid = ((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!;
    const { videoPids } = this.#row;
    const begins = (bytes[at + 1]! & 0x40) !== 0;
    if (begins && bytes[payloadAt] === 0 && bytes[payloadAt + 1] === 0 && bytes[payloadAt + 2] === 1) {
      if ((bytes[payloadAt + 3]! & 0xf0) === 0xe0) videoPids.add(pid);
    }
    if (videoPids.has(pid)) this.#videoBytes += Math.max(0, at + 188 - payloadAt);
  }
}
