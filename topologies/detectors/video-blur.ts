/**
 * `video-blur`: detail is lost as by a Gaussian with a sigma of 1.1 % of the picture's height or more, relative to the
 * stream's own sharpness, for 2.5 s (definitions, section 1).
 *
 * Sharpness here is a ratio (`lookSharpPermille`): such a Gaussian divides it by 4.5 to 8, whatever the content; one of
 * half the sigma by 2. From scene to scene of one stream it varies as much by itself. So there are two ways to see blur:
 *
 * - **It falls while the scene goes on.** The blocks' means stay, and detail is gone from one look to the next: content
 *   does not do that, a shift of focus takes longer. The scene before it is the measure, until it recovers or is cut.
 * - **It is low altogether**, lower than soft content is, and far below what this stream usually shows. Half of the
 *   blocks with texture have to be so, and the strongest edges as well: with shallow focus something stays sharp.
 *
 * Where too little has texture nothing is judged: black, flat, fog and title cards that fade.
 */
import { type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import { GOOD, INTERVAL_DEFAULTS, type Judgement, UNKNOWN } from './interval-detector.ts';
import { type Look, Looks } from './looks.ts';
import { detectorOf } from './sample-detector.ts';

const DEFAULTS = {
  ...INTERVAL_DEFAULTS,
  minMs: 2_500,
  joinMs: 500,
  /** Blocks of 144 that need texture for a look to be judged. */
  texturedBlocksMin: 8,
  /** And once it was seen to fall: blur takes some of the texture with it. */
  texturedBlocksStay: 4,
  /** And for a picture that was not seen to fall: a scene of smooth shades has no detail to lose. */
  texturedBlocksLow: 36,
  /** Sharpness divided by so much is blur, hundredths: within a scene, or against what the stream usually shows. */
  lostCenti: 330,
  /** An open blur goes on down to this loss. */
  lostCentiStay: 240,
  /** Sharpness of whole pictures up to which they are blurred without a fall that was seen, thousandths. */
  sharpPermilleMax: 125,
  sharpPermilleStay: 160,
  /** A change of the blocks' means up to this is no cut, hundredths of a code value. */
  sceneCentiMax: 1_500,
};

/** Remembered from look to look. */
const MEMO = {
  /** The scene while it was whole, means in which the latest look has half the weight; null before its first look. */
  sceneSharp: 'long?',
  sceneMedian: 'long?',
  sceneTextured: 'long',
  /** It fell while the scene went on, and has not recovered. */
  fell: 'bool',
  /** What the stream usually shows, a slow mean over looks that are not blurred, thousandths of a permille. */
  usualMilli: 'long?',
  usualLooks: 'int',
} as const;
type Memo = StateOf<typeof MEMO>;

/** So many looks that are not blurred tell what a stream usually shows: about 3 s. */
const USUAL_LOOKS_MIN = 20;

export const videoBlur = detectorOf(
  {
    type: 'video-blur',
    version: 1,
    defaults: DEFAULTS,
    memo: {
      codec: structCodec({ version: 1, fields: MEMO }),
      init: (): Memo => ({
        sceneSharp: null,
        sceneMedian: null,
        sceneTextured: 0,
        fell: false,
        usualMilli: null,
        usualLooks: 0,
      }),
    },
    judge(look: Look, settings: typeof DEFAULTS, open: boolean, memo: Memo): Judgement {
      if (look.texturedBlocks < (memo.fell ? settings.texturedBlocksStay : settings.texturedBlocksMin)) {
        // It went through black or flat: what comes is measured anew.
        if (!memo.fell) memo.sceneSharp = memo.sceneMedian = null;
        return UNKNOWN;
      }
      const isCut = look.afterLoss || look.sceneCenti > settings.sceneCentiMax;
      const fell = fallOf(look, isCut, settings, memo);
      const lostCenti = open ? settings.lostCentiStay : settings.lostCenti;
      const usual = Math.floor((memo.usualMilli ?? 0) / 1_000);
      const isLow =
        memo.usualLooks >= USUAL_LOOKS_MIN &&
        look.texturedBlocks >= settings.texturedBlocksLow &&
        look.sharpPermille <= (open ? settings.sharpPermilleStay : settings.sharpPermilleMax) &&
        look.medianSharpPermille <= look.sharpPermille * 2 &&
        look.sharpPermille * lostCenti <= usual * 100;
      if (fell || isLow) {
        // Against the scene where its fall was seen, else against the stream.
        const whole = fell ? (memo.sceneSharp ?? usual) : usual;
        return {
          verdict: 'bad',
          confidencePermille: fell ? 900 : 750,
          figure: Math.floor((100 * whole) / Math.max(1, look.sharpPermille)),
        };
      }
      getUsedTo(look, isCut, memo);
      return GOOD;
    },
    describe: (run) =>
      `detail lost for ${run.badToMs - run.startMs} ms: sharpness divided by ` +
      `${Math.floor(run.figureMin / 100)}.${String(Math.floor((run.figureMin % 100) / 10))} or more`,
  },
  () => new Looks(),
);

/** Whether the scene has fallen from what it was: seen in the fall, and until it recovers. */
function fallOf(look: Look, isCut: boolean, settings: typeof DEFAULTS, memo: Memo): boolean {
  const { sceneSharp, sceneMedian } = memo;
  if (sceneSharp === null || sceneMedian === null) return false;
  const { sharpPermille, medianSharpPermille, texturedBlocks } = look;
  if (memo.fell && isCut) {
    // Of another scene the last one is no measure any more, what the stream usually shows is.
    const usual = Math.floor(memo.usualMilli! / 1_000);
    memo.fell = Math.max(sharpPermille, medianSharpPermille) * settings.lostCenti <= usual * 100;
  } else if (memo.fell) {
    memo.fell =
      sharpPermille * settings.lostCentiStay <= sceneSharp * 100 ||
      medianSharpPermille * settings.lostCenti <= sceneMedian * 100;
  } else if (!isCut) {
    memo.fell =
      medianSharpPermille * settings.lostCenti <= sceneMedian * 100 &&
      sharpPermille * FALL_OF_EDGES_CENTI <= sceneSharp * 100 &&
      // Blur takes detail, not what carries it: a title that goes takes both, a fade from black brings both.
      texturedBlocks * 100 >= memo.sceneTextured * TEXTURE_KEPT_CENTI &&
      texturedBlocks * TEXTURE_KEPT_CENTI <= memo.sceneTextured * 100;
  }
  return memo.fell;
}

const TEXTURE_KEPT_CENTI = 60;
/** A logo that stays sharp keeps the strongest edges up: they have to fall by this much at least, hundredths. */
const FALL_OF_EDGES_CENTI = 180;

function getUsedTo(look: Look, isCut: boolean, memo: Memo): void {
  const { sharpPermille, medianSharpPermille, texturedBlocks } = look;
  const isFresh = isCut || memo.sceneSharp === null || memo.sceneMedian === null;
  const half = (before: number, now: number) => (isFresh ? now : Math.floor((before + now) / 2));
  memo.sceneSharp = half(memo.sceneSharp ?? 0, sharpPermille);
  memo.sceneMedian = half(memo.sceneMedian ?? 0, medianSharpPermille);
  memo.sceneTextured = half(memo.sceneTextured, texturedBlocks);
  const milli = sharpPermille * 1_000;
  memo.usualMilli = memo.usualMilli === null ? milli : Math.floor((63 * memo.usualMilli + milli) / 64);
  memo.usualLooks = Math.min(memo.usualLooks + 1, USUAL_LOOKS_MIN);
}
