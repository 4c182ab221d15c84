/** Packets in the order of their container, as pictures and sound on the timeline: order of presentation, blocks of 100 ms. */
import { AUDIO_BLOCK_MS } from './audio-analysis.ts';

/** A picture that was not decoded. */
export type PacketPicture = { readonly ptsMs: number; readonly bytes: number };
/** 100 ms of sound that was not decoded. */
export type PacketBlock = { readonly index: number; readonly bytes: number };

/** No codec holds more pictures back. */
const HELD_MAX = 64;
/** More of a block than this has to be there. */
const COVERED_MS_MIN = AUDIO_BLOCK_MS / 2;

/** Pictures that wait until no earlier one can come: one that follows is not presented before it is decoded. */
export class PictureOrder {
  #held: PacketPicture[] = [];

  /** Takes the next one by decoding time; gives out those whose turn has come, in the order of presentation. */
  push(picture: PacketPicture, dtsMs: number): PacketPicture[] {
    const at = this.#held.findLastIndex(({ ptsMs }) => ptsMs <= picture.ptsMs);
    this.#held.splice(at + 1, 0, picture);
    const isDue = this.#held.findIndex(({ ptsMs }) => ptsMs > dtsMs);
    const count = Math.max(isDue === -1 ? this.#held.length : isDue, this.#held.length - HELD_MAX);
    return this.#held.splice(0, count);
  }

  /** The rest, at the end of the input. */
  finish(): PacketPicture[] {
    return this.#held.splice(0);
  }
}

/** Sound by blocks: one is there when packets cover at least half of it, as with decoded sound. */
export class SoundCover {
  #index = 0;
  #coveredMs = 0;
  #bytes = 0;

  /** Takes the next packet, [startMs, endMs); gives out the blocks that are over and were there. */
  push(startMs: number, endMs: number, bytes: number): PacketBlock[] {
    const blocks: PacketBlock[] = [];
    const from = Math.max(startMs, this.#index * AUDIO_BLOCK_MS);
    for (let fromMs = from; fromMs < endMs; ) {
      const index = Math.floor(fromMs / AUDIO_BLOCK_MS);
      if (index > this.#index) this.#goTo(index, blocks);
      const toMs = Math.min(endMs, (index + 1) * AUDIO_BLOCK_MS);
      this.#coveredMs += toMs - fromMs;
      fromMs = toMs;
    }
    this.#bytes += bytes;
    if (endMs >= (this.#index + 1) * AUDIO_BLOCK_MS) this.#goTo(this.#index + 1, blocks);
    return blocks;
  }

  finish(): PacketBlock[] {
    const blocks: PacketBlock[] = [];
    this.#goTo(this.#index + 1, blocks);
    return blocks;
  }

  #goTo(index: number, blocks: PacketBlock[]): void {
    if (this.#coveredMs >= COVERED_MS_MIN) blocks.push({ index: this.#index, bytes: this.#bytes });
    this.#index = index;
    this.#coveredMs = 0;
    this.#bytes = 0;
  }
}
