/** Which channels make a stereo pair: a record tells how many there are, in the order of ffmpeg's standard layouts. */

/**
 * Whether the first two channels are left and right of one mix: stereo, and 5.1 or more. What has three to five channels
 * is as often a row of single tracks.
 */
export function hasFrontPair(channels: number): boolean {
  return channels === 2 || channels >= 6;
}
