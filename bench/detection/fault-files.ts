/** Files with faults of every media type, at severities and lengths drawn by seed. */
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { damageOf, noised, thinned } from './damage.ts';
import { CODECS, type Container, pickCodec, pickSoundCodec, type Recording, recorded } from './encode.ts';
import { levelOrders } from './level-files.ts';
import type { MediaFile, MediaOrder, Span } from './media-file.ts';
import { droppedPictures, PICTURE_FAULTS, pictureFault } from './picture-faults.ts';
import { contentPictures, MEDIUM, PICTURE_KINDS, type PictureKind, SMALL } from './pictures.ts';
import { contentSound, SOUND_KINDS, type Sound, wavOf } from './sound.ts';
import { putSoundFault, SOUND_FAULTS, type SoundFault } from './sound-faults.ts';
import { stepOrders } from './step-files.ts';
import { syncOrders } from './sync-files.ts';
import { trackOrders } from './track-files.ts';
import type { Workshop } from './workshop.ts';

/** Types that are put in, in the order of the page. */
export const PUT_TYPES = [
  ...PICTURE_FAULTS,
  'video-frame-drop',
  'video-missing',
  'video-block-corruption',
  'video-decode-error',
  ...SOUND_FAULTS,
  'audio-missing',
  'audio-loudness',
  'av-sync-offset',
  'pts-discontinuity',
] as const;

const SECONDS = 36;
/** One fault in each, with content before and after. */
const SLOTS_MS = [
  [4_500, 12_500],
  [15_500, 23_000],
  [26_000, 33_000],
] as const;

/** Files that together hold at least `instances` faults of each type. */
export function faultOrders(seed: string, instances: number): readonly MediaOrder[] {
  const rounds = Math.ceil(instances / 3);
  const orders: MediaOrder[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [at, type] of PICTURE_FAULTS.entries())
      orders.push(
        pictureOrder(`${seed}/${type}/${round}`, type, SOUND_FAULTS[(at + round) % SOUND_FAULTS.length]!),
      );
    orders.push(dropOrder(`${seed}/video-frame-drop/${round}`));
  }
  for (let round = 0; round < Math.ceil(instances / 2); round++)
    orders.push(damageOrder(`${seed}/damage/${round}`, round));
  return [
    ...orders,
    ...trackOrders(seed, instances),
    ...levelOrders(seed, instances),
    ...stepOrders(seed, instances),
    ...syncOrders(seed, instances),
  ];
}

/** Three faults of one type in the pictures, and three of one type in the sound. */
function pictureOrder(id: string, type: (typeof PICTURE_FAULTS)[number], soundType: SoundFault): MediaOrder {
  return order(id, [type, soundType], async (workshop) => {
    const random = new SeededRandom(id);
    const size = random.chance(700) ? SMALL : MEDIUM;
    const pictures = await contentPictures(workshop, kindFor(type, random), size, random);
    const faults = SLOTS_MS.map(([fromMs, toMs]) => {
      const lengthMs = lengthOf(type, random);
      return pictureFault(type, random.between(fromMs, toMs - lengthMs), lengthMs, pictures, random);
    });
    const container = random.pick<Container>(['mkv', 'mp4', 'ts']);
    const { wav, truths } = await faultySound(workshop, soundType, random);
    const path = await recorded(workshop, {
      ...pictures,
      pictureFilters: [...pictures.filters, ...faults.flatMap(({ filters }) => filters)],
      codec: pickCodec(random),
      wav,
      soundCodec: pickSoundCodec(container, random),
      container,
      seconds: SECONDS,
    });
    return { path, durationMs: SECONDS * 1_000, truths: [...faults.map(({ truth }) => truth), ...truths] };
  });
}

/** The limits of the definitions at least, and somewhat more; long ones are rare. */
function lengthOf(type: string, random: SeededRandom): number {
  const leastMs = type === 'video-blur' ? 2_800 : 2_200;
  return leastMs + random.below(random.chance(300) ? 3_800 : 1_500);
}

/** What is drawn sharp and has some detail is blurred; a fractal has as much detail as one looks for. */
function kindFor(type: string, random: SeededRandom): PictureKind {
  return random.pick(type === 'video-blur' ? (['film', 'city', 'pan'] as const) : PICTURE_KINDS);
}

async function faultySound(
  workshop: Workshop,
  type: SoundFault,
  random: SeededRandom,
): Promise<{ readonly wav: string; readonly truths: readonly Span[] }> {
  // Noise that is cut off is noise again behind a codec: by definition it is not clipped.
  const kinds = SOUND_KINDS.filter((kind) => type !== 'audio-clipping' || kind !== 'crowd');
  const first = random.below(kinds.length);
  for (let attempt = 0; ; attempt++) {
    const kind = kinds[(first + attempt) % kinds.length]!;
    const sound: Sound = await contentSound(workshop, kind, SECONDS, random);
    const put = SLOTS_MS.map(([fromMs, toMs]) =>
      putSoundFault(sound, type, fromMs, toMs, lengthOf(type, random), random),
    );
    const truths = put.filter((truth) => truth !== null);
    // Where a part is too quiet for a fault to be heard, another content is taken.
    if (truths.length === SLOTS_MS.length || attempt === 3 * kinds.length)
      return { wav: await wavOf(workshop, sound), truths };
  }
}

function dropOrder(id: string): MediaOrder {
  return order(id, ['video-frame-drop'], async (workshop) => {
    const random = new SeededRandom(id);
    const recording = await plain(workshop, random, random.pick<Container>(['mkv', 'ts']), PICTURE_KINDS);
    const faults = SLOTS_MS.map(([fromMs, toMs]) => {
      const lengthMs = 2_400 + random.below(3_000);
      return droppedPictures(
        random.between(fromMs, toMs - lengthMs),
        lengthMs,
        recording.framesPerSecond,
        random,
      );
    });
    const pictureFilters = [...recording.pictureFilters, ...faults.map(({ filter }) => filter)];
    const path = await recorded(workshop, { ...recording, pictureFilters: oneSelect(pictureFilters) });
    return { path, durationMs: SECONDS * 1_000, truths: faults.map(({ truth }) => truth) };
  });
}

/** Each counts the pictures that it is given: they have to be one filter. */
function oneSelect(filters: readonly string[]): string[] {
  const selects = filters.filter((filter) => filter.startsWith("select='not("));
  const absent = selects.map((filter) => filter.slice("select='not(".length, -2)).join('+');
  return [...filters.filter((filter) => !selects.includes(filter)), `select='not(${absent})'`];
}

function damageOrder(id: string, round: number): MediaOrder {
  return order(id, ['video-block-corruption', 'video-decode-error'], async (workshop) => {
    const random = new SeededRandom(id);
    const isLoss = round % 3 === 2;
    const container: Container = isLoss || random.chance(500) ? 'ts' : 'mkv';
    const clean = await plain(workshop, random, container, ['film', 'city', 'pan', 'pattern']);
    const codec = CODECS[[0, 1, 2, 3, 3, 4][random.below(6)]!]!;
    const cleanPath = await recorded(workshop, { ...clean, codec });
    const stretches = [SLOTS_MS[0], SLOTS_MS[2]].map(([fromMs, toMs]) => {
      const lengthMs = 400 + random.below(3_000);
      const startMs = random.between(fromMs, toMs - lengthMs);
      const endMs = startMs + lengthMs;
      const everyBytes = Math.round(150 * 40 ** (random.below(1_000) / 1_000));
      return {
        startMs,
        endMs,
        everyBytes,
        lossPermille: 30 + random.below(250),
        burst: random.pick([1, 7, 30]),
      };
    });
    const path = isLoss
      ? await thinned(workshop, cleanPath, stretches, random)
      : await noised(workshop, cleanPath, container, stretches);
    const truths = await damageOf(workshop, cleanPath, path, clean.framesPerSecond);
    return { path, durationMs: SECONDS * 1_000, truths, besides: isLoss ? ['ts-error'] : [] };
  });
}

/** Content without a fault, in pictures and sound, as it is to be encoded. */
async function plain(
  workshop: Workshop,
  random: SeededRandom,
  container: Container,
  kinds: readonly PictureKind[],
): Promise<Recording & { readonly pictureFilters: readonly string[] }> {
  const pictures = await contentPictures(workshop, random.pick(kinds), SMALL, random);
  const sound = await contentSound(workshop, random.pick(SOUND_KINDS), SECONDS, random);
  return {
    ...pictures,
    pictureFilters: pictures.filters,
    codec: pickCodec(random),
    wav: await wavOf(workshop, sound),
    soundCodec: pickSoundCodec(container, random),
    container,
    seconds: SECONDS,
  };
}

function order(
  id: string,
  types: readonly string[],
  make: (workshop: Workshop) => Promise<MediaFile>,
): MediaOrder {
  return { id, kind: 'faults', what: types.join(', '), types, config: null, make };
}
