/**
 * `video-missing`: a video track that was there, or is expected, has no packets for 2 s while sound goes on
 * (definitions, section 1). A track that is missing from the start is not watched unless it is expected.
 */
import { detectorOf } from './sample-detector.ts';
import { judgeTrack, MISSING_DEFAULTS, PicturesBySound, trackMemo } from './track-missing.ts';

export const videoMissing = detectorOf(
  {
    type: 'video-missing',
    version: 1,
    defaults: {
      ...MISSING_DEFAULTS,
      /** 1: pictures are expected, also where there never were any. */
      expectVideo: 0,
    },
    memo: trackMemo,
    judge: (sample, settings, _open, memo) => judgeTrack(sample, settings.expectVideo !== 0, memo),
    describe: (run) => `sound without any picture for ${run.badToMs - run.startMs} ms`,
  },
  () => new PicturesBySound(),
);
