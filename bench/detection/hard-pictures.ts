/** Pictures that only look like a defect. */
import { writeFileSync } from 'node:fs';
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import { CODECS, type PictureCodec, pickCodec } from './encode.ts';
import { contentPictures, loopOf, type Pictures, type Size, SMALL, stillOf, TINY } from './pictures.ts';
import type { Workshop } from './workshop.ts';

export type ShownPictures = {
  readonly inputs: readonly string[];
  readonly pictureFilters: readonly string[] | string;
  readonly codec: PictureCodec;
  readonly framesPerSecond: number;
};

export type HardPictures = {
  readonly name: string;
  make(workshop: Workshop, random: SeededRandom, seconds: number): Promise<ShownPictures>;
};

const GOOD = CODECS[0]!;
/** Grain survives it. */
const FINE: PictureCodec = {
  name: 'H.264, fine',
  args: ['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '17'],
};

export const HARD_PICTURES: readonly HardPictures[] = [
  { name: 'fades through black', make: (workshop, random, seconds) => fades(workshop, random, seconds) },
  { name: 'dark scenes', make: dark },
  { name: 'slides with grain', make: (workshop, random) => slides(workshop, random, 9, 16) },
  { name: 'held drawings with grain', make: (workshop, random) => slides(workshop, random, 2, 5) },
  { name: 'near-static faces', make: faces },
  { name: 'low bitrates, clean', make: lowRate },
  { name: 'letterbox and pillarbox', make: boxed },
  { name: 'pulldown and variable rates', make: cadences },
  { name: 'credits', make: credits },
  { name: 'dithered dark', make: dithered },
  { name: 'soft pictures, focus pulls', make: soft },
  { name: 'drawn on twos and threes', make: onTwos },
  { name: 'still with a ticker', make: ticker },
  { name: 'interlaced', make: interlaced },
  { name: 'cuts and flashes', make: flashes },
  { name: 'plain content', make: (workshop, random) => content(workshop, random, []) },
];

async function content(
  workshop: Workshop,
  random: SeededRandom,
  filters: readonly string[],
  codec: PictureCodec = pickCodec(random),
): Promise<ShownPictures> {
  const pictures = await contentPictures(
    workshop,
    random.pick(['film', 'city', 'pan']),
    sizeOf(random),
    random,
  );
  return shown(pictures, filters, codec);
}

/** Three of four as small as what the features are measured on. */
function sizeOf(random: SeededRandom): Size {
  return random.chance(750) ? TINY : SMALL;
}

function shown(pictures: Pictures, filters: readonly string[], codec: PictureCodec): ShownPictures {
  const { inputs, framesPerSecond } = pictures;
  return { inputs, framesPerSecond, codec, pictureFilters: [...pictures.filters, ...filters] };
}

/** Out and in every few seconds, black for 0.1 to 1 s between: with the dark ends of both fades less than 2 s. */
async function fades(workshop: Workshop, random: SeededRandom, seconds: number): Promise<ShownPictures> {
  const filters: string[] = [];
  for (let at = 3 + random.below(3); at < seconds - 8; at += 6 + random.below(5)) {
    const [out, hold, back] = [
      0.3 + random.below(20) / 10,
      0.1 + random.below(10) / 10,
      0.3 + random.below(15) / 10,
    ];
    const middle = at + out + hold / 2;
    const end = at + out + hold + back;
    filters.push(
      `fade=t=out:st=${at.toFixed(2)}:d=${out.toFixed(2)}:enable='between(t,${at.toFixed(2)},${middle.toFixed(2)})'`,
    );
    filters.push(
      `fade=t=in:st=${(end - back).toFixed(2)}:d=${back.toFixed(2)}:enable='between(t,${middle.toFixed(2)},${end.toFixed(2)})'`,
    );
  }
  return content(workshop, random, filters);
}

/** A night: most of it under 10 % luma, a lamp and what it lights above. */
async function dark(workshop: Workshop, random: SeededRandom): Promise<ShownPictures> {
  const k = (12 + random.below(20)) / 100;
  const lamp = `drawbox=x=iw*0.${1 + random.below(5)}:y=ih*0.2:w=iw*0.28:h=ih*0.3:color=0x6a5c40@0.75:t=fill`;
  return content(
    workshop,
    random,
    [`lutyuv=y='16+(val-16)*${k}'`, lamp, `noise=alls=${1 + random.below(4)}:allf=t`],
    FINE,
  );
}

/** A picture for some seconds, then another one; always with grain. */
async function slides(
  workshop: Workshop,
  random: SeededRandom,
  fromS: number,
  toS: number,
): Promise<ShownPictures> {
  const clip = await loopOf(workshop, random.pick(['film', 'city']));
  const every = fromS + random.below(toS - fromS + 1);
  const grain = `noise=alls=${4 + random.below(5)}:allf=t`;
  const filters = [...LIT, `fps=1/${every}`, 'scale=160:90', 'setsar=1', 'fps=25', grain];
  return {
    inputs: ['-stream_loop', '-1', '-i', clip],
    framesPerSecond: 25,
    codec: FINE,
    pictureFilters: filters,
  };
}

/** Without the pictures that are dark for more than a half: one that is held for seconds is black. */
const LIT = [
  'blackframe=amount=0:threshold=40',
  'metadata=mode=select:key=lavfi.blackframe.pblack:value=50:function=less',
  'setpts=N/FRAME_RATE/TB',
];

/** A still of which a mouth-sized part moves. */
async function faces(workshop: Workshop, random: SeededRandom): Promise<ShownPictures> {
  const still = await stillOf(workshop, random.below(1_000));
  const moving = await loopOf(workshop, 'city');
  const part = 9 + random.below(5);
  const [x, y] = [30 + random.below(30), 30 + random.below(30)];
  const grain = random.chance(500) ? `,noise=alls=${1 + random.below(3)}:allf=t` : '';
  const graph =
    `[0:v]scale=160:90,setsar=1,fps=25[s];[1:v]scale=160/${part}*2:90/${part}*2,setsar=1[m];` +
    `[s][m]overlay=x=W*${x}/100:y=H*${y}/100:shortest=0${grain}[v]`;
  const inputs = ['-loop', '1', '-framerate', '25', '-i', still, '-stream_loop', '-1', '-i', moving];
  return { inputs, framesPerSecond: 25, codec: GOOD, pictureFilters: graph };
}

async function lowRate(workshop: Workshop, random: SeededRandom): Promise<ShownPictures> {
  const rate = (kbps: number): string[] => [
    '-b:v',
    `${kbps}k`,
    '-maxrate',
    `${kbps}k`,
    '-bufsize',
    `${2 * kbps}k`,
  ];
  const codec = random.pick<PictureCodec>([
    { name: 'H.264', args: ['-c:v', 'libx264', '-preset', 'superfast', ...rate(40 + random.below(70))] },
    { name: 'MPEG-2', args: ['-c:v', 'mpeg2video', ...rate(200 + random.below(200)), '-bf', '2'] },
    { name: 'MPEG-4', args: ['-c:v', 'mpeg4', ...rate(120 + random.below(120))] },
  ]);
  return content(workshop, random, [], codec);
}

async function boxed(workshop: Workshop, random: SeededRandom): Promise<ShownPictures> {
  const filter = random.pick([
    'scale=160:68,pad=160:90:0:11',
    'scale=120:90,pad=160:90:20:0',
    'scale=50:90,pad=160:90:55:0',
    'scale=100:56,pad=160:90:30:17',
  ]);
  return content(workshop, random, [filter, 'setsar=1']);
}

async function cadences(workshop: Workshop, random: SeededRandom): Promise<ShownPictures> {
  const filter = random.pick([
    'telecine=pattern=23',
    'fps=30',
    "select='mod(n,5)'",
    "select='mod(n,4)'",
    `select='gt(random(${1 + random.below(99)}),0.25)'`,
    "select='if(lt(mod(t,20),10),mod(n,2),1)'",
  ]);
  const { inputs, framesPerSecond, codec, pictureFilters } = await content(
    workshop,
    random,
    [filter],
    CODECS[random.below(2)]!,
  );
  return { inputs, framesPerSecond, codec, pictureFilters };
}

/** White glyphs that climb over black: from 8 % of the picture on. */
async function credits(workshop: Workshop, random: SeededRandom, seconds: number): Promise<ShownPictures> {
  const [width, speed] = [TINY.widthPx * 2, 20 + random.below(25)];
  const height = 180 * 2 + Math.ceil(speed * seconds);
  const seed = random.next();
  const page = await workshop.made(['credits', width, height, seed], 'pgm', async (file) => {
    writeFileSync(file, glyphs(width, height, random.fork('glyphs')));
  });
  const crop = `crop=${width}:180:0:'min(ih-oh,${speed}*t)'`;
  const inputs = ['-loop', '1', '-framerate', '25', '-i', page];
  return { inputs, framesPerSecond: 25, codec: GOOD, pictureFilters: ['format=yuv420p', crop, 'setsar=1'] };
}

/** Rows of random glyphs of 5 by 7, doubled, in lines of different lengths about the middle. */
function glyphs(width: number, height: number, random: SeededRandom): Buffer {
  const pixels = Buffer.alloc(width * height);
  for (let top = 40; top + 14 < height; top += 20) {
    const count = 12 + random.below(11);
    const left = Math.floor((width - count * 12) / 2);
    for (let glyph = 0; glyph < count; glyph++) {
      for (let cell = 0; cell < 35; cell++) {
        if (!random.chance(520)) continue;
        const [x, y] = [left + glyph * 12 + (cell % 5) * 2, top + Math.floor(cell / 5) * 2];
        for (const at of [y * width + x, (y + 1) * width + x]) pixels.fill(235, at, at + 2);
      }
    }
  }
  return Buffer.concat([Buffer.from(`P5\n${width} ${height}\n255\n`), pixels]);
}

/** A ramp from black to dark grey with the noise that keeps it from banding; a fifth of it or more is above 10 % luma. */
async function dithered(workshop: Workshop, random: SeededRandom): Promise<ShownPictures> {
  const top = 76 + random.below(20);
  const drift = 5 + random.below(10);
  const graph =
    `[0:v]format=yuv420p,lutyuv=y='16+val*${top}/700':u=128:v=128,noise=alls=${3 + random.below(5)}:allf=t,` +
    `scroll=h=0.00${drift},setsar=1[v]`;
  const ramp = await workshop.made(['ramp'], 'pgm', async (file) => {
    const row = Buffer.from(Array.from({ length: 160 }, (_, x) => Math.round(255 * Math.abs(1 - x / 80))));
    writeFileSync(file, Buffer.concat([Buffer.from('P5\n160 90\n255\n'), ...Array<Buffer>(90).fill(row)]));
  });
  return {
    inputs: ['-loop', '1', '-framerate', '25', '-i', ramp],
    framesPerSecond: 25,
    codec: FINE,
    pictureFilters: graph,
  };
}

/** Never sharp, or out of focus for a moment. */
async function soft(workshop: Workshop, random: SeededRandom, seconds: number): Promise<ShownPictures> {
  if (random.chance(500)) return content(workshop, random, [`gblur=sigma=${1 + random.below(30) / 10}`]);
  const filters: string[] = [];
  for (let at = 4; at < seconds - 4; at += 6 + random.below(6)) {
    for (const [step, sigma] of [0.8, 1.6, 2.6, 1.6, 0.8].entries())
      filters.push(`gblur=sigma=${sigma}:enable='between(t,${at + step * 0.3},${at + step * 0.3 + 0.28})'`);
  }
  return content(workshop, random, filters);
}

async function onTwos(workshop: Workshop, random: SeededRandom): Promise<ShownPictures> {
  const pictures = await contentPictures(workshop, 'film', sizeOf(random), random);
  return shown(pictures, [`fps=${random.pick([12, 8, 6])}`, 'fps=24'], pickCodec(random));
}

async function ticker(workshop: Workshop, random: SeededRandom): Promise<ShownPictures> {
  const still = await stillOf(workshop, random.below(1_000));
  const page = await workshop.made(['ticker'], 'pgm', async (file) => {
    writeFileSync(file, glyphs(320, 60, random.fork('ticker')));
  });
  const graph =
    '[0:v]scale=160:90,setsar=1,fps=25[s];[1:v]format=yuv420p,crop=320:16:0:39,scroll=h=0.003[t];[s][t]overlay=x=0:y=H-h-4[v]';
  const inputs = [
    '-loop',
    '1',
    '-framerate',
    '25',
    '-i',
    still,
    '-loop',
    '1',
    '-framerate',
    '25',
    '-i',
    page,
  ];
  return { inputs, framesPerSecond: 25, codec: pickCodec(random), pictureFilters: graph };
}

async function interlaced(workshop: Workshop, random: SeededRandom): Promise<ShownPictures> {
  const codec: PictureCodec = {
    name: 'MPEG-2, interlaced',
    args: ['-c:v', 'mpeg2video', '-b:v', '1200k', '-bf', '2', '-flags', '+ildct+ilme+bitexact'],
  };
  const pictures = await contentPictures(workshop, random.pick(['city', 'pattern']), SMALL, random);
  // Of two pictures in a row the fields of one: 50 fields per second, whatever the content's rate.
  const fields = `tinterlace=mode=${random.pick(['interleave_top', 'interleave_bottom'])}`;
  const filters = ['settb=1/50', 'setpts=N', 'fps=50', fields, 'fps=25'];
  return { ...shown(pictures, filters, codec), framesPerSecond: 25 };
}

/** White for a picture or two, now and then, and pictures turned about. */
async function flashes(workshop: Workshop, random: SeededRandom): Promise<ShownPictures> {
  const period = (13 + random.below(30)) / 10;
  const white = `drawbox=color=white:t=fill:enable='lt(mod(t,${period}),0.07)'`;
  return content(workshop, random, [white, `negate=enable='lt(mod(t,${period * 4}),${period / 3})'`]);
}
