/**
 * `audio-missing`: an audio track that was there, or is expected, has no packets for 2 s while pictures go on
 * (definitions, section 1). A track that is missing from the start is not watched unless it is expected.
 */
import { detectorOf } from './sample-detector.ts';
import { judgeTrack, MISSING_DEFAULTS, SoundByPictures, trackMemo } from './track-missing.ts';

export const audioMissing = detectorOf(
  {
    type: 'audio-missing',
    version: 1,
    defaults: {
      ...MISSING_DEFAULTS,
      /** 1: sound is expected, also where it never was. */
      expectAudio: 0,
      /**
       * For so long after the last sound black pictures do not tell that it is missing, ms: so programmes end, with a sound
       * track that is shorter than the pictures.
       */
      endingMs: 5_000,
    },
    memo: trackMemo,
    judge: (sample, settings, _open, memo) =>
      judgeTrack(sample, settings.expectAudio !== 0, memo, settings.endingMs),
    describe: (run) => `pictures without any sound packet for ${run.badToMs - run.startMs} ms`,
  },
  () => new SoundByPictures(),
);
