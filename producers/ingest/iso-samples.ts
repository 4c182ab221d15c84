/**
 * Sizes of the samples in fragmented MP4 (ISO/IEC 14496-12: `moof`, `traf`, `trun`), read as the bytes pass. Media data is
 * skipped; of what is read, no box is kept that is longer than {@link BOX_BYTES_MAX}.
 */

export class IsoSampleReader {
  readonly #videoTracks: Set<number>;
  #header: Uint8Array = new Uint8Array(0);
  #box: {
    readonly type: string;
    readonly parts: Uint8Array[];
    left: number;
    readonly isKept: boolean;
  } | null = null;
  #videoBytes = 0;
  #allBytes = 0;

  /** `videoTracks` are the numbers of tracks with pictures; those that a `moov` names are added. */
  constructor(videoTracks: Set<number>) {
    this.#videoTracks = videoTracks;
  }

  /** Bytes of samples with pictures so far; of all samples where nothing says which those are. */
  get videoBytes(): number {
    return this.#videoTracks.size === 0 ? this.#allBytes : this.#videoBytes;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#box === null) {
        const part = bytes.subarray(at, at + headerBytesOf(this.#header) - this.#header.length);
        this.#header = joined([this.#header, part]);
        at += part.length;
        if (this.#header.length === headerBytesOf(this.#header)) this.#begin();
        continue;
      }
      const part = bytes.subarray(at, at + Math.min(this.#box.left, bytes.length - at));
      if (this.#box.isKept) this.#box.parts.push(part.slice());
      this.#box.left -= part.length;
      at += part.length;
      if (this.#box.left === 0) this.#end();
    }
  }

  #begin(): void {
    const { size, type, bytes } = boxAt(this.#header, 0);
    this.#header = new Uint8Array(0);
    // 0: up to the end; less than the header is none, and nothing tells where the next one is.
    const left = size < bytes ? Number.POSITIVE_INFINITY : size - bytes;
    const isRead = type === 'moof' || type === 'moov';
    this.#box = { type, parts: [], left, isKept: isRead && left <= BOX_BYTES_MAX };
    if (left === 0) this.#end();
  }

  #end(): void {
    const { type, parts, isKept } = this.#box!;
    this.#box = null;
    if (!isKept) return;
    const payload = joined(parts);
    if (type === 'moov') this.#takeTracks(payload);
    else for (const traf of boxesIn(payload, 'traf')) this.#takeFragment(traf);
  }

  #takeTracks(moov: Uint8Array): void {
    for (const trak of boxesIn(moov, 'trak')) {
      const header = boxesIn(trak, 'tkhd')[0];
      const handler = boxesIn(trak, 'mdia').flatMap((mdia) => boxesIn(mdia, 'hdlr'))[0];
      if (header === undefined || handler === undefined || handler.length < 12) continue;
      const id = word(header, header[0] === 1 ? 20 : 12);
      if (textAt(handler, 8) === 'vide') this.#videoTracks.add(id);
    }
  }

  #takeFragment(traf: Uint8Array): void {
    const header = boxesIn(traf, 'tfhd')[0];
    if (header === undefined || header.length < 8) return;
    const usual = usualSize(header);
    let total = 0;
    for (const trun of boxesIn(traf, 'trun')) total += sampleBytes(trun, usual);
    this.#allBytes += total;
    if (this.#videoTracks.has(word(header, 4))) this.#videoBytes += total;
  }
}

/** Size and type; behind them the size again, where 32 bits do not hold it. */
function headerBytesOf(beginning: Uint8Array): number {
  return beginning.length >= 8 && word(beginning, 0) === 1 ? 16 : 8;
}

const BOX_BYTES_MAX = 4 * 1024 * 1024;

/** `default_sample_size` of a `tfhd`; 0 where it has none. */
function usualSize(header: Uint8Array): number {
  const flags = word(header, 0) & 0xffffff;
  let at = 8;
  if ((flags & 0x1) !== 0) at += 8;
  if ((flags & 0x2) !== 0) at += 4;
  if ((flags & 0x8) !== 0) at += 4;
  return (flags & 0x10) !== 0 ? word(header, at) : 0;
}

function sampleBytes(trun: Uint8Array, usual: number): number {
  if (trun.length < 8) return 0;
  const flags = word(trun, 0) & 0xffffff;
  const count = word(trun, 4);
  if ((flags & 0x200) === 0) return usual * Math.min(count, SAMPLES_MAX);
  const before = (flags & 0x100) === 0 ? 0 : 4;
  const each = before + 4 + ((flags & 0x400) === 0 ? 0 : 4) + ((flags & 0x800) === 0 ? 0 : 4);
  let at = 8 + ((flags & 0x1) === 0 ? 0 : 4) + ((flags & 0x4) === 0 ? 0 : 4);
  let total = 0;
  for (; at + each <= trun.length; at += each) total += word(trun, at + before);
  return total;
}

const SAMPLES_MAX = 1_000_000;

function boxesIn(bytes: Uint8Array, type: string): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const box = boxAt(bytes, at);
    if (box.size < box.bytes) break;
    if (box.type === type) found.push(bytes.subarray(at + box.bytes, at + box.size));
    at += box.size;
  }
  return found;
}

/** Size with the header, and how long that is. */
function boxAt(bytes: Uint8Array, at: number): { size: number; type: string; bytes: number } {
  const size = word(bytes, at);
  const type = textAt(bytes, at + 4);
  if (size !== 1) return { size, type, bytes: 8 };
  return { size: word(bytes, at + 8) * 2 ** 32 + word(bytes, at + 12), type, bytes: 16 };
}

function textAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) * 2 ** 24 +
    ((bytes[at + 1] ?? 0) << 16) +
    ((bytes[at + 2] ?? 0) << 8) +
    (bytes[at + 3] ?? 0)
  );
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
