/** Packets that nobody decodes: when they are presented, how large they are, and which come side by side. */
import type { FrameFeatures } from '../../schemas/records.ts';
import type { Decoder } from './decoder.ts';
import { isDue, type MediaContext, type MediaReader } from './media-context.ts';
import { PictureOrder, SoundCover } from './packet-order.ts';
import { type MediaPacket, PacketReader } from './packet-reader.ts';

/** Packets of sound are shorter than this; what is longer was made up by a container. */
const AUDIO_PACKET_MS_MAX = 1_000;
const MS_PER_S = 1_000;

export class PacketMedia implements MediaReader {
  readonly #media: MediaContext;
  #order = new PictureOrder();
  #sound = new SoundCover();
  #frameIntervalUs = 0;
  /** Presentation time of the latest packet of sound, ms. */
  #audioMs: number | null = null;

  constructor(media: MediaContext) {
    this.#media = media;
  }

  async *read(decoder: Decoder): AsyncGenerator<readonly FrameFeatures[]> {
    const reader = new PacketReader();
    const media = this.#media;
    const seen = { video: 0, audio: 0, other: 0 };
    for await (const bytes of decoder.output) {
      await media.heard();
      for (const packet of reader.push((bytes as Buffer).toString('latin1'))) {
        const { kind } = packet.track;
        const number = seen[kind]++;
        if (number === 0) this.#setTracks(reader, packet, decoder);
        const track = TRACK_NUMBERS[kind];
        if (number < (media.taken[track] ?? 0)) continue;
        const records = kind === 'video' ? await this.#takePicture(packet) : await this.#takeSound(packet);
        media.taken[track] = number + 1;
        yield records;
      }
    }
    yield this.finish();
  }

  finish(): readonly FrameFeatures[] {
    const { chunker, clock } = this.#media;
    const records = chunker.addPackets(this.#order.finish(), this.#sound.finish(), clock.nowMs());
    this.#order = new PictureOrder();
    this.#sound = new SoundCover();
    return records;
  }

  #setTracks({ kinds }: PacketReader, packet: MediaPacket, decoder: Decoder): void {
    const { declared } = decoder.messages;
    const [deliversVideo, deliversAudio] = [kinds.includes('video'), kinds.includes('audio')];
    if (packet.track.kind === 'video') this.#frameIntervalUs = Math.round(usOf(packet, packet.duration));
    this.#media.chunker.setTracks({
      hasVideo: deliversVideo || declared.video,
      hasAudio: deliversAudio || declared.audio,
      frameIntervalUs: this.#frameIntervalUs,
      deliversVideo,
      deliversAudio,
    });
  }

  async #takePicture(packet: MediaPacket): Promise<readonly FrameFeatures[]> {
    const { timeline, chunker, counts, clock } = this.#media;
    const { pts, dts, track, bytes, isCorrupt } = packet;
    const ptsMs = timeline.toMs(pts, track.timeBase, usOf(packet, packet.duration));
    if (!(await isDue(this.#media, ptsMs))) return NOTHING;
    counts.pictures++;
    if (isCorrupt) chunker.addDecodeErrors(1);
    const dtsMs = ptsMs - Math.round(usOf(packet, pts - dts) / 1_000);
    if (this.#audioMs !== null) chunker.addSkew(this.#audioMs - dtsMs);
    return chunker.addPackets(this.#order.push({ ptsMs, bytes }, dtsMs), [], clock.nowMs());
  }

  async #takeSound(packet: MediaPacket): Promise<readonly FrameFeatures[]> {
    if (packet.track.kind !== 'audio') return NOTHING;
    const { timeline, chunker, counts, clock } = this.#media;
    const { pts, track, bytes, isCorrupt } = packet;
    const durationMs = Math.min(usOf(packet, packet.duration) / 1_000, AUDIO_PACKET_MS_MAX);
    const startMs = timeline.toSample(pts, track.timeBase, MS_PER_S, durationMs * 1_000);
    if (!(await isDue(this.#media, startMs))) return NOTHING;
    if (isCorrupt) chunker.addDecodeErrors(1);
    this.#audioMs = startMs;
    const blocks = this.#sound.push(startMs, startMs + durationMs, bytes);
    counts.audioBlocks += blocks.length;
    return chunker.addPackets([], blocks, clock.nowMs());
  }
}

const NOTHING: readonly FrameFeatures[] = [];
const TRACK_NUMBERS = { video: 0, audio: 1, other: 2 } as const;

function usOf({ track }: MediaPacket, ticks: number): number {
  return (ticks * track.timeBase.num * 1e6) / track.timeBase.den;
}
