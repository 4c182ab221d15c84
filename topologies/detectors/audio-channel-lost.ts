/**
 * `audio-channel-lost`: one side of the stereo pair at least 50 dB under the other, which is above -50 dBFS, for 2 s
 * (definitions, section 1). The pair is front left and right; centre, LFE and surrounds may be silent for as long as the
 * mix wants them to be.
 */
import { type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import { hasFrontPair } from './audio-pair.ts';
import { GOOD, INTERVAL_DEFAULTS, UNKNOWN } from './interval-detector.ts';
import { audioBlockDetector } from './sample-detector.ts';

const MEMO = {
  /** The run of lost blocks under way: its beginning, and the end of its last one; null when there is none. */
  sinceMs: 'long?',
  lostToMs: 'long',
} as const;

export const audioChannelLost = audioBlockDetector({
  type: 'audio-channel-lost',
  version: 1,
  defaults: {
    ...INTERVAL_DEFAULTS,
    minMs: 2_000,
    joinMs: 500,
    /** A channel is lost when its RMS level is so far under its pair's, hundredths of a decibel. */
    belowPairCentiDbMin: 5_000,
    /** From so much down to less it cannot be told from codec noise next to quiet sound: not judged. */
    belowPairCentiDbStay: 4_000,
    /** Its pair has to be above this, hundredths of dBFS. */
    pairCentiDbfsMin: -5_000,
    /** A channel is there when it is above this, hundredths of dBFS; what is below may be noise in a pause. */
    presentCentiDbfsMin: -8_000,
  },
  memo: {
    codec: structCodec({ version: 1, fields: MEMO }),
    init: () => ({ sinceMs: null, lostToMs: 0 }),
  },
  judge(block, settings, _open, memo: StateOf<typeof MEMO>) {
    if (!hasFrontPair(block.rmsCentiDbfs.length)) return UNKNOWN;
    const [left, right] = block.rmsCentiDbfs as [number, number];
    const pairCentiDbfs = Math.max(left, right);
    const lowCentiDbfs = Math.min(left, right);
    const belowCentiDb = pairCentiDbfs - lowCentiDbfs;
    if (belowCentiDb < settings.belowPairCentiDbStay && lowCentiDbfs > settings.presentCentiDbfsMin) {
      memo.sinceMs = null;
      return GOOD;
    }
    if (pairCentiDbfs <= settings.pairCentiDbfsMin || belowCentiDb < settings.belowPairCentiDbMin)
      return UNKNOWN;
    // A short pause in the channel that is left belongs to the run.
    if (memo.sinceMs === null || block.startMs - memo.lostToMs > settings.joinMs)
      memo.sinceMs = block.startMs;
    memo.lostToMs = block.startMs + block.durationMs;
    // Digital silence next to loud sound is certain.
    const beyondCentiDb = belowCentiDb - settings.belowPairCentiDbMin;
    const confidencePermille = Math.min(1_000, 800 + Math.floor(beyondCentiDb / 10));
    return { verdict: 'bad', confidencePermille, figure: belowCentiDb, sinceMs: memo.sinceMs };
  },
  goodUpTo({ audioChannels, audioRmsCentiDbfs }, from, settings, memo) {
    if (!hasFrontPair(audioChannels)) return from;
    const count = audioRmsCentiDbfs.length;
    let at = from * audioChannels;
    while (at < count) {
      const left = audioRmsCentiDbfs[at]!;
      const right = audioRmsCentiDbfs[at + 1]!;
      const low = Math.min(left, right);
      if (left + right - 2 * low >= settings.belowPairCentiDbStay || low <= settings.presentCentiDbfsMin)
        break;
      at += audioChannels;
    }
    const index = at / audioChannels;
    if (index > from) memo.sinceMs = null;
    return index;
  },
  describe: (run) =>
    `one channel at least ${Math.floor(run.figureMin / 100)} dB under its pair for ${run.badToMs - run.startMs} ms`,
});
