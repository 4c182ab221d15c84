/**
 * Reads what ffmpeg's muxer `framecrc` writes of packets that nobody decodes, line by line: time bases and kinds of the
 * tracks first, then a line for each packet: `track, dts, pts, duration, bytes, checksum[, F=flags…]`.
 */
import type { TimeBase } from './stream-timeline.ts';

export type PacketTrack = { readonly kind: 'video' | 'audio' | 'other'; readonly timeBase: TimeBase };

export type MediaPacket = {
  readonly track: PacketTrack;
  /** Decoding and presentation time and length in ticks of the track's time base. */
  readonly dts: number;
  readonly pts: number;
  readonly duration: number;
  readonly bytes: number;
  /** The demuxer says that parts of it are missing. */
  readonly isCorrupt: boolean;
};

/** Longest line that is kept until its end comes. */
const LINE_CHARS_MAX = 1_000;
const FLAG_CORRUPT = 0x2;
const NO_TICKS = -(2 ** 63);

export class PacketReader {
  #partial = '';
  readonly #bases = new Map<number, TimeBase>();
  readonly #tracks = new Map<number, PacketTrack>();

  /** Kinds of the tracks that were announced so far. */
  get kinds(): readonly PacketTrack['kind'][] {
    return [...this.#tracks.values()].map(({ kind }) => kind);
  }

  /** Packets whose lines are complete now, in the order of the container. Lines that make no sense are left out. */
  push(text: string): MediaPacket[] {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop()!.slice(0, LINE_CHARS_MAX);
    return lines.flatMap((line) => {
      if (line.startsWith('#')) {
        this.#readHeader(line);
        return [];
      }
      return this.#packetOf(line) ?? [];
    });
  }

  #readHeader(line: string): void {
    const base = /^#tb (\d+): (\d+)\/(\d+)$/.exec(line);
    if (base !== null) this.#bases.set(Number(base[1]), { num: Number(base[2]), den: Number(base[3]) });
    const type = /^#media_type (\d+): (\w+)$/.exec(line);
    const timeBase = this.#bases.get(Number(type?.[1]));
    if (type === null || timeBase === undefined) return;
    const kind = type[2] === 'video' || type[2] === 'audio' ? type[2] : 'other';
    this.#tracks.set(Number(type[1]), { kind, timeBase });
  }

  #packetOf(line: string): MediaPacket | null {
    const fields = line.split(',');
    const track = this.#tracks.get(Number(fields[0]));
    const [dts, pts, duration, bytes] = fields.slice(1, 5).map(Number);
    if (track === undefined || bytes === undefined) return null;
    const time = pts! > NO_TICKS ? pts! : dts!;
    if (![time, duration, bytes].every((value) => Number.isSafeInteger(value))) return null;
    const flags = /F=(0x[0-9A-F]+)/i.exec(line)?.[1];
    return {
      track,
      dts: dts! > NO_TICKS ? dts! : time,
      pts: time,
      duration: Math.max(0, duration!),
      bytes,
      isCorrupt: (Number(flags ?? 0) & FLAG_CORRUPT) !== 0,
    };
  }
}
