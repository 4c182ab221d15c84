/**
 * Two points of one programme for tests: pictures and sound that change as a film and speech do, from a seed, seen at the
 * reference and once more with sound or pictures shifted.
 */
import { SeededRandom } from '../../runtime/seeded-random.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { cut, draw, everySecond } from './drawn-stream.ts';

export type View = {
  readonly fps: number;
  readonly seconds: number;
  /** What the view shows at its time `ms`: the time of the picture in the film, and of the sound. Null for none. */
  readonly pictureAt: (ms: number) => number | null;
  readonly soundAt: (ms: number) => number | null;
};

const LENGTH_MS = 200_000;
const BIT_MS = 6.25;

/** A film of which every point shows a part: mean luma and motion by time, and whether its sound swells. */
export class Film {
  readonly #luma: number[] = [];
  readonly #motion: number[] = [];
  readonly #bits: boolean[] = [];

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.#drawPictures(random);
    while (this.#bits.length * BIT_MS < LENGTH_MS) {
      const swells = random.between(2, 12);
      const falls = random.between(6, 50);
      for (let i = 0; i < swells; i++) this.#bits.push(true);
      for (let i = 0; i < falls; i++) this.#bits.push(false);
    }
  }

  /** In steps of 10 ms: drifts, with a cut now and then. */
  #drawPictures(random: SeededRandom): void {
    let luma = 9_000;
    let motion = 200;
    for (let ms = 0; ms < LENGTH_MS; ms += 10) {
      if (random.between(0, 400) === 0) luma = random.between(4_000, 16_000);
      luma += random.between(-12, 12);
      motion = Math.max(20, motion + random.between(-25, 25));
      this.#luma.push(luma);
      this.#motion.push(motion);
    }
  }

  /** Chunks of what a view shows. */
  seenBy({ fps, seconds, pictureAt, soundAt }: View): readonly FrameFeatures[] {
    const recording = draw('..'.repeat(seconds), { '.': {} });
    const frames = [];
    let before: number | null = null;
    for (let n = 0; n < fps * seconds; n++) {
      const ptsMs = Math.round((n * 1_000) / fps);
      const filmMs = pictureAt(ptsMs);
      if (filmMs === null) continue;
      const at = Math.floor(filmMs / 10);
      const lumaMeanCenti = this.#luma[at]!;
      const jump = before === null ? 0 : Math.abs(lumaMeanCenti - before);
      before = lumaMeanCenti;
      const diffMeanCenti = jump + Math.floor(this.#motion[at]! / 4);
      frames.push({ ...recording.frames[0]!, ptsMs, lumaMeanCenti, diffMeanCenti, anchorAgeMs: 0 });
    }
    return cut({ ...recording, frames }, everySecond(recording)).map((chunk) => ({
      ...chunk,
      frameIntervalUs: Math.round(1_000_000 / fps),
      audioOnsets: this.#onsets(chunk.basePtsMs, soundAt),
    }));
  }

  #onsets(fromMs: number, soundAt: View['soundAt']): Uint8Array {
    const bytes = new Uint8Array(20);
    for (let bit = 0; bit < 160; bit++) {
      const filmMs = soundAt(fromMs + bit * BIT_MS);
      if (filmMs === null || !this.#bits[Math.round(filmMs / BIT_MS)]) continue;
      bytes[bit >> 3]! |= 0x80 >> (bit & 7);
    }
    return bytes;
  }
}
