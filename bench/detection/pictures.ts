/** Moving pictures: of the clips, and made up. Each is an input of ffmpeg and filters that bring it to size and rate. */
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import type { Workshop } from './workshop.ts';

export type Size = { readonly widthPx: number; readonly heightPx: number };

export type Pictures = {
  readonly what: string;
  readonly inputs: readonly string[];
  /** From the input to pictures of `size` at `framesPerSecond`. */
  readonly filters: readonly string[];
  readonly framesPerSecond: number;
  readonly size: Size;
};

export type PictureKind = (typeof PICTURE_KINDS)[number];
export const PICTURE_KINDS = ['film', 'city', 'pattern', 'fractal', 'pan'] as const;

export const SMALL: Size = { widthPx: 320, heightPx: 180 };
export const TINY: Size = { widthPx: 160, heightPx: 90 };
export const MEDIUM: Size = { widthPx: 480, heightPx: 270 };

export async function contentPictures(
  workshop: Workshop,
  kind: PictureKind,
  size: Size,
  random: SeededRandom,
): Promise<Pictures> {
  const scale = `scale=${size.widthPx}:${size.heightPx}:flags=bicubic,setsar=1,format=yuv420p`;
  const seed = random.below(1_000_000);
  if (kind === 'film' || kind === 'city') {
    const clip = await loopOf(workshop, kind);
    const fromS = (random.below(kind === 'film' ? 38_000 : 6_000) / 1_000).toFixed(3);
    const keep = 80 + random.below(21);
    const crop = `crop=iw*${keep}/100:ih*${keep}/100`;
    const mirror = random.chance(500) ? ['hflip'] : [];
    return {
      what: kind,
      inputs: ['-stream_loop', '-1', '-i', clip],
      // Cut by a filter: a seek is done anew in each round of the loop.
      filters: [`trim=start=${fromS}`, 'setpts=PTS-STARTPTS', crop, scale, ...mirror],
      framesPerSecond: FRAMES_PER_SECOND[kind],
      size,
    };
  }
  if (kind === 'pan') {
    const still = await stillOf(workshop, seed);
    const [speedX, speedY] = [7 + random.below(12), 5 + random.below(9)];
    const x = `(iw-ow)/2*(1+sin(t/${speedX}))`;
    const y = `(ih-oh)/2*(1+cos(t/${speedY}))`;
    return {
      what: 'still that the camera moves over',
      inputs: ['-loop', '1', '-framerate', '25', '-i', still],
      filters: ['scale=960:540', `crop=640:360:x='${x}':y='${y}'`, scale],
      framesPerSecond: 25,
      size,
    };
  }
  const framesPerSecond = random.pick([25, 30, 50]);
  const source =
    kind === 'pattern'
      ? `testsrc2=size=${size.widthPx}x${size.heightPx}:rate=${framesPerSecond}`
      : `mandelbrot=size=${size.widthPx}x${size.heightPx}:rate=${framesPerSecond}:maxiter=160:start_scale=${2 + (seed % 100) / 100}:end_pts=${300 + (seed % 300)}`;
  return {
    what: kind,
    inputs: ['-f', 'lavfi', '-i', source],
    filters: ['setsar=1', 'format=yuv420p'],
    framesPerSecond,
    size,
  };
}

const FRAMES_PER_SECOND = { film: 24, city: 25 } as const;

/** The part of a clip that has no defect by itself, in good quality, to be repeated as often as is needed. */
export function loopOf(workshop: Workshop, kind: 'film' | 'city'): Promise<string> {
  const [name, fromS, toS] =
    kind === 'film' ? ['big-buck-bunny-trailer-360p.mp4', 0.5, 40.5] : ['city-360p.mp4', 0, 7.6];
  const args = ['-i', workshop.media(name), '-ss', String(fromS), '-to', String(toS), '-an'];
  const encoder = [
    '-vf',
    'scale=480:270',
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-crf',
    '12',
    '-g',
    '24',
  ];
  return workshop.made(['loop', kind, encoder], 'mkv', async (file) => {
    await workshop.ffmpeg([...args, ...encoder, file]);
  });
}

/** A picture of the film, away from its fades. */
export function stillOf(workshop: Workshop, seed: number): Promise<string> {
  const atS = STILL_PLACES_S[seed % STILL_PLACES_S.length]!;
  return workshop.made(['still', atS], 'png', async (file) => {
    const clip = workshop.media('big-buck-bunny-trailer-360p.mp4');
    await workshop.ffmpeg(['-ss', String(atS), '-i', clip, '-frames:v', '1', '-vf', 'scale=640:360', file]);
  });
}

const STILL_PLACES_S = [3.5, 6, 12, 15.5, 18, 20, 23, 25, 27.5, 29, 33, 35, 37, 39] as const;
