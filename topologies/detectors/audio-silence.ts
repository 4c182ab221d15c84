/** `audio-silence`: every channel under -60 dBFS RMS per block of 100 ms, for 2 s, never joined (definitions, section 1). */
import { GOOD, INTERVAL_DEFAULTS, UNKNOWN } from './interval-detector.ts';
import { audioBlockDetector } from './sample-detector.ts';

export const audioSilence = audioBlockDetector({
  type: 'audio-silence',
  version: 1,
  defaults: {
    ...INTERVAL_DEFAULTS,
    minMs: 2_000,
    /** Pauses in speech stay pauses: two of them are never one. */
    joinMs: 0,
    /** A block is silent when the RMS level of every channel is below this, hundredths of dBFS. */
    rmsCentiDbfsLimit: -6_000,
  },
  judge(block, settings) {
    if (block.rmsCentiDbfs.length === 0) return UNKNOWN;
    let loudestCentiDbfs = block.rmsCentiDbfs[0]!;
    for (const level of block.rmsCentiDbfs) if (level > loudestCentiDbfs) loudestCentiDbfs = level;
    if (loudestCentiDbfs >= settings.rmsCentiDbfsLimit) return GOOD;
    // Digital silence is certain; the last 10 dB under the limit may be a quiet room.
    const underCenti = settings.rmsCentiDbfsLimit - loudestCentiDbfs;
    const confidencePermille = Math.min(1_000, 800 + Math.floor(underCenti / 5));
    return { verdict: 'bad', confidencePermille, figure: loudestCentiDbfs };
  },
  goodUpTo({ audioChannels, audioRmsCentiDbfs }, from, settings) {
    const count = audioRmsCentiDbfs.length;
    let at = from * audioChannels;
    while (at < count) {
      // one loud channel is enough
      let channel = 0;
      while (channel < audioChannels && audioRmsCentiDbfs[at + channel]! < settings.rmsCentiDbfsLimit)
        channel += 1;
      if (channel === audioChannels) break;
      at += audioChannels;
    }
    return at / audioChannels;
  },
  describe: (run, settings) =>
    `every channel at ${decibels(run.figureMax)} dBFS RMS or less (limit ${decibels(settings.rmsCentiDbfsLimit)}) ` +
    `for ${run.badToMs - run.startMs} ms`,
});

/** Hundredths of a decibel with one digit, rounded up: what is "or less" stays true. */
function decibels(centi: number): string {
  return (Math.ceil(centi / 10) / 10).toFixed(1);
}
