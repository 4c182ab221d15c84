/** Faults that are put into pictures by filters, on whole pictures. */
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import type { Span } from './media-file.ts';
import type { Pictures } from './pictures.ts';

export const PICTURE_FAULTS = ['video-black', 'video-flat', 'video-freeze', 'video-blur'] as const;
export type PictureFault = (typeof PICTURE_FAULTS)[number];

/** Filters that make the fault, behind those of the content, and where it is. */
export type PutFault = { readonly filters: readonly string[]; readonly truth: Span };

/** One fault of `lengthMs` that begins at `startMs`, or up to a picture later. */
export function pictureFault(
  type: PictureFault,
  startMs: number,
  lengthMs: number,
  { framesPerSecond, size }: Pictures,
  random: SeededRandom,
): PutFault {
  const first = Math.ceil((startMs * framesPerSecond) / 1_000);
  const count = Math.ceil((lengthMs * framesPerSecond) / 1_000);
  const during = `enable='between(n,${first},${first + count - 1})'`;
  const at = (picture: number): number => Math.round((picture * 1_000) / framesPerSecond);
  const truth = { type, startMs: at(first), endMs: at(first + count) };
  const box = (colour: string): string => `drawbox=color=${colour}:t=fill:${during}`;
  const grain = (most: number): string[] => {
    const strength = random.below(most + 1);
    return strength === 0 ? [] : [`noise=alls=${strength}:allf=t:${during}`];
  };
  if (type === 'video-freeze') return { filters: [frozen(first, count), `fps=${framesPerSecond}`], truth };
  if (type === 'video-flat') return { filters: [box(random.pick(COLOURS)), ...grain(4)], truth };
  if (type === 'video-blur') {
    const sigmaPx = (size.heightPx * (11 + random.below(25))) / 1_000;
    return { filters: [`gblur=sigma=${sigmaPx.toFixed(2)}:steps=2:${during}`], truth };
  }
  const level = random.below(0x15).toString(16).padStart(2, '0');
  const logo = random.chance(400)
    ? [`drawbox=x=iw*0.86:y=ih*0.06:w=iw*0.1:h=ih*0.16:color=white@0.8:t=fill:${during}`]
    : [];
  if (random.chance(300)) {
    // What fades is black by definition when about nine tenths of the fade are over.
    const fadeMs = 400;
    const fade = `fade=t=out:st=${((truth.startMs - 0.9 * fadeMs) / 1_000).toFixed(3)}:d=${fadeMs / 1_000}`;
    const span = `enable='between(t,${((truth.startMs - fadeMs) / 1_000).toFixed(3)},${((truth.endMs - 8) / 1_000).toFixed(3)})'`;
    return { filters: [`${fade}:${span}`, ...logo], truth };
  }
  return { filters: [box(`0x${level.repeat(3)}`), ...grain(7), ...logo], truth };
}

const COLOURS = [
  '0x808080',
  '0x0000ff',
  '0x009000',
  '0xc8c8c8',
  '0xffffff',
  '0x406080',
  '0xa03030',
  '0x303038',
];

/** Pictures behind the first go; a constant rate puts the first in their places. */
function frozen(first: number, count: number): string {
  return `select='not(between(n,${first + 1},${first + count - 1}))'`;
}

export type Dropped = { readonly filter: string; readonly truth: Span };

/**
 * Leaves pictures out: one gap of 500 ms to 1.9 s, or a share of the pictures from an eighth to a half, evenly or at random,
 * for at least two seconds. From the first that is absent to the next that is there.
 */
export function droppedPictures(
  startMs: number,
  lengthMs: number,
  framesPerSecond: number,
  random: SeededRandom,
): Dropped {
  const first = Math.ceil((startMs * framesPerSecond) / 1_000);
  const absent: number[] = [];
  if (random.chance(350)) {
    const count = Math.ceil(((520 + random.below(1_300)) * framesPerSecond) / 1_000);
    for (let picture = first; picture < first + count; picture++) absent.push(picture);
  } else {
    const count = Math.ceil((Math.max(2_400, lengthMs) * framesPerSecond) / 1_000);
    const isEven = random.chance(400);
    const every = 2 + random.below(6);
    const permille = 180 + random.below(320);
    for (let picture = first; picture < first + count; picture++)
      if (isEven ? (picture - first) % every === 0 : picture === first || random.chance(permille))
        absent.push(picture);
  }
  const at = (picture: number): number => Math.round((picture * 1_000) / framesPerSecond);
  return {
    filter: `select='not(${sumOf(absent.map((picture) => `eq(n,${picture})`))})'`,
    truth: { type: 'video-frame-drop', startMs: at(absent[0]!), endMs: at(absent.at(-1)! + 1) },
  };
}

/** In pairs of pairs: ffmpeg takes no more than about a hundred terms in a row. */
function sumOf(terms: readonly string[]): string {
  if (terms.length <= 1) return terms[0] ?? '0';
  const middle = terms.length >> 1;
  return `(${sumOf(terms.slice(0, middle))}+${sumOf(terms.slice(middle))})`;
}
