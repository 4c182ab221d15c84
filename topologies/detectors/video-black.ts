/** `video-black`: at least 95 % of the picture at most 10 % luma and neutral in colour, for 2 s (definitions, section 1). */
import { GOOD, INTERVAL_DEFAULTS } from './interval-detector.ts';
import { frameDetector } from './sample-detector.ts';

export const videoBlack = frameDetector({
  type: 'video-black',
  version: 1,
  defaults: {
    ...INTERVAL_DEFAULTS,
    minMs: 2_000,
    joinMs: 0,
    /** Share of dark, neutral pixels from which a picture is black: leaves room for a logo and for sensor noise. */
    darkPermilleMin: 950,
    /** Below this an open defect ends: noise about the threshold is no change. */
    darkPermilleStay: 940,
  },
  // Where pictures are missing for longer, nobody knows what the screen shows: half a second is a frame drop.
  frameHoldMs: (intervalMs) => Math.max(500, 2 * intervalMs),
  judge(frame, settings, open) {
    const leastPermille = open ? settings.darkPermilleStay : settings.darkPermilleMin;
    if (frame.darkPermille < leastPermille) return GOOD;
    // The nearer to the threshold, the likelier a dark scene.
    const confidencePermille = Math.min(
      1_000,
      700 + 6 * Math.max(0, frame.darkPermille - settings.darkPermilleMin),
    );
    return { verdict: 'bad', confidencePermille, figure: frame.darkPermille };
  },
  goodUpTo({ darkPermille }, from, settings) {
    let index = from;
    while (index < darkPermille.length && darkPermille[index]! < settings.darkPermilleMin) index += 1;
    return index;
  },
  describe: (run, settings) =>
    `at least ${run.figureMin} of 1000 pixels dark and neutral (limit ${settings.darkPermilleMin}) in every picture ` +
    `for ${run.badToMs - run.startMs} ms`,
});
