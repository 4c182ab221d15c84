/**
 * `caption-missing`: captions that have to be there are absent for 60 s: no CEA-608 or CEA-708 but padding in the pictures,
 * and nothing on a track of subtitles. Where the probe was not told to look for them it is not judged.
 */
import { GOOD, INTERVAL_DEFAULTS, UNKNOWN } from './interval-detector.ts';
import { detectorOf } from './sample-detector.ts';
import { WholeChunks } from './whole-chunks.ts';

export const captionMissing = detectorOf(
  {
    type: 'caption-missing',
    version: 1,
    defaults: {
      ...INTERVAL_DEFAULTS,
      minMs: 60_000,
      joinMs: 0,
      // Nobody is called out for captions before they are gone for minutes.
      highAfterMs: 300_000,
      criticalAfterMs: 1_800_000,
    },
    judge(chunk) {
      if (chunk.captionUnits === null) return UNKNOWN;
      if (chunk.captionUnits > 0) return GOOD;
      return { verdict: 'bad', confidencePermille: 900, figure: 0 };
    },
    describe: (run) => `no captions for ${run.badToMs - run.startMs} ms`,
  },
  () => new WholeChunks('captions'),
);
