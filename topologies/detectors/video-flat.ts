/** `video-flat`: one even colour that is not black (bars' end, a lost source), for 2 s (definitions, section 1). */
import { GOOD, INTERVAL_DEFAULTS } from './interval-detector.ts';
import { frameDetector } from './sample-detector.ts';

export const videoFlat = frameDetector({
  type: 'video-flat',
  version: 1,
  defaults: {
    ...INTERVAL_DEFAULTS,
    minMs: 2_000,
    joinMs: 0,
    /** Standard deviation of luma up to which a picture is even, hundredths of a code value: noise comes to 110 at 720p. */
    lumaSpreadCentiMax: 200,
    /** The same for Cb and Cr together. */
    chromaSpreadCentiMax: 250,
    /** An open defect goes on up to these: noise about the threshold is no change. */
    lumaSpreadCentiStay: 240,
    chromaSpreadCentiStay: 300,
    /** From this share of dark pixels on the picture is black, and no longer flat, thousandths. */
    darkPermilleLimit: 950,
  },
  // As in video-black: where pictures are missing for longer, nobody knows what the screen shows.
  frameHoldMs: (intervalMs) => Math.max(500, 2 * intervalMs),
  judge(frame, settings, open) {
    const { lumaSpreadCenti, chromaSpreadCenti } = frame;
    const lumaCentiMax = open ? settings.lumaSpreadCentiStay : settings.lumaSpreadCentiMax;
    const chromaCentiMax = open ? settings.chromaSpreadCentiStay : settings.chromaSpreadCentiMax;
    if (lumaSpreadCenti > lumaCentiMax || chromaSpreadCenti > chromaCentiMax) return GOOD;
    if (frame.darkPermille >= settings.darkPermilleLimit) return GOOD;
    const spreadCenti = Math.max(lumaSpreadCenti, chromaSpreadCenti);
    // The nearer to the threshold, the likelier a sky or a fog.
    return {
      verdict: 'bad',
      confidencePermille: Math.max(600, 1_000 - 2 * spreadCenti),
      figure: spreadCenti,
    };
  },
  goodUpTo({ lumaSpreadCenti }, from, settings) {
    let index = from;
    while (index < lumaSpreadCenti.length && lumaSpreadCenti[index]! > settings.lumaSpreadCentiMax)
      index += 1;
    return index;
  },
  describe: (run, settings) =>
    `one even colour, not black, for ${run.badToMs - run.startMs} ms: a spread of at most ${run.figureMax} hundredths ` +
    `of a code value (limits ${settings.lumaSpreadCentiMax} in luma, ${settings.chromaSpreadCentiMax} in chroma)`,
});
