/**
 * Content that only looks like a defect, in small pictures: what decides is measured on small pictures anyhow, and hours
 * of it are cheap. Each file has one kind of picture and one kind of sound, both drawn anew for each seed.
 */
import { renameSync, rmSync } from 'node:fs';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { type Container, recorded } from './encode.ts';
import { HARD_PICTURES, type HardPictures } from './hard-pictures.ts';
import { HARD_SOUNDS, type HardSound } from './hard-sounds.ts';
import type { MediaFile, MediaOrder } from './media-file.ts';
import { wavOf } from './sound.ts';
import type { Workshop } from './workshop.ts';

const SECONDS = 150;
/** Goes up when other files are made from the same seed. */
const VERSION = 3;

/** Files of together at least `hours`, each kind of picture and of sound about as often as every other. */
export function negativeOrders(seed: string, hours: number): readonly MediaOrder[] {
  const count = Math.floor((hours * 3_600) / SECONDS) + 1;
  return Array.from({ length: count }, (_, at) => {
    const pictures = HARD_PICTURES[at % HARD_PICTURES.length]!;
    const round = Math.floor(at / HARD_PICTURES.length);
    const sound = HARD_SOUNDS[(at + round) % HARD_SOUNDS.length]!;
    const id = `${seed}/negative/${pictures.name}/${round}`;
    return {
      id,
      kind: 'negative',
      what: `${pictures.name}; ${sound.name}`,
      types: [],
      config: null,
      make: (workshop) => make(workshop, id, pictures, sound),
    };
  });
}

async function make(
  workshop: Workshop,
  id: string,
  pictures: HardPictures,
  sound: HardSound,
): Promise<MediaFile> {
  const random = new SeededRandom(id);
  const container = random.pick<Container>(['mkv', 'mp4', 'ts']);
  const path = await workshop.made(['negative', VERSION, id, SECONDS], container, async (file) => {
    const shown = await pictures.make(workshop, random, SECONDS);
    const wav = await wavOf(workshop, await sound.make(workshop, random, SECONDS));
    const soundCodec = ['-c:a', 'aac', '-b:a', random.pick(['96k', '128k', '160k'])];
    renameSync(await recorded(workshop, { ...shown, wav, soundCodec, container, seconds: SECONDS }), file);
    // Hours of it would be gigabytes.
    rmSync(wav);
  });
  return { path, durationMs: SECONDS * 1_000, truths: [] };
}
