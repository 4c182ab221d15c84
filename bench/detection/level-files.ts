/** Programmes with a declared loudness, part of which is too loud or too quiet. Sound alone: it is cheap. */
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { type Container, pickSoundCodec } from './encode.ts';
import type { MediaFile, MediaOrder, Span } from './media-file.ts';
import { contentSound, type Sound, scaled, wavOf } from './sound.ts';
import { changeLevel } from './sound-faults.ts';
import type { Workshop } from './workshop.ts';

const SECONDS = 90;
const SLOTS_MS = [
  [8_000, 40_000],
  [46_000, 84_000],
] as const;

export function levelOrders(seed: string, instances: number): readonly MediaOrder[] {
  return Array.from({ length: Math.ceil(instances / SLOTS_MS.length) }, (_, round) => {
    const id = `${seed}/audio-loudness/${round}`;
    const targetLufs = new SeededRandom(`${id}/target`).pick([-23, -24, -18]);
    return {
      id,
      kind: 'faults',
      what: 'audio-loudness',
      types: ['audio-loudness'],
      config: { detectors: { 'audio-loudness': { targetCentiLufs: targetLufs * 100 } } },
      make: (workshop) => make(workshop, id, targetLufs),
    };
  });
}

async function make(workshop: Workshop, id: string, targetLufs: number): Promise<MediaFile> {
  const random = new SeededRandom(id);
  // What is even enough to keep to the target by itself.
  const content = await contentSound(workshop, random.pick(['speech', 'chords', 'crowd']), SECONDS, random);
  const sound = scaled(content, targetLufs - (await integratedLufs(workshop, content)));
  const truths: Span[] = SLOTS_MS.map(([fromMs, toMs]) => {
    const lengthMs = 11_500 + random.below(14_000);
    const startMs = random.between(fromMs, toMs - lengthMs);
    const endMs = startMs + lengthMs;
    const gainDb = random.chance(400) ? 9.5 + random.below(30) / 10 : -(9.5 + random.below(120) / 10);
    changeLevel(sound, startMs, endMs, gainDb);
    return { type: 'audio-loudness', startMs, endMs };
  });
  const container = random.pick<Container>(['mkv', 'mp4', 'ts']);
  const codec = pickSoundCodec(container, random);
  const wav = await wavOf(workshop, sound);
  const path = await workshop.made(['sound', wav, codec, container], container, async (file) => {
    await workshop.ffmpeg(['-i', wav, ...codec, '-fflags', '+bitexact', file]);
  });
  // What is raised above full scale is cut off there.
  const isCut = [sound.left, sound.right].some((channel) => channel.some((value) => Math.abs(value) > 1));
  return { path, durationMs: SECONDS * 1_000, truths, ...(isCut ? { besides: ['audio-clipping'] } : {}) };
}

/** By ffmpeg's own meter. */
async function integratedLufs(workshop: Workshop, sound: Sound): Promise<number> {
  const wav = await wavOf(workshop, sound);
  return workshop.found(['loudness', wav], async () => {
    const { stderr } = await workshop.ffmpeg(['-i', wav, '-af', 'ebur128', '-f', 'null', '-'], 'info');
    const figure = /Integrated loudness:\s+I:\s+(-?[\d.]+) LUFS/.exec(stderr)?.[1];
    if (figure === undefined) throw new Error(`ffmpeg's ebur128 gave no loudness for ${wav}`);
    return Number(figure);
  });
}
