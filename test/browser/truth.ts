/** What happened in a player, from the media element's own events as the page noted them. */

/** `atMs`: Unix time of the page's clock. `mediaMs`: the playhead. */
export type Note = {
  readonly what: string;
  readonly atMs: number;
  readonly mediaMs: number;
  readonly bitrateBps?: number;
  readonly fatal?: boolean;
};

export type Truth = {
  readonly startupMs: number;
  /** Lengths of the waits after the start, 100 ms and longer, ms. */
  readonly stallsMs: readonly number[];
  readonly playingMs: number;
  /** Mean over the playing time of what was on screen. */
  readonly bitrateBps: number;
  readonly switches: number;
};

/** From the first play to the end. Throws when the player never got so far. */
export function truthOf(notes: readonly Note[]): Truth {
  const played = notes.findIndex(({ what }) => what === 'play');
  const first = notes.findIndex(({ what }) => what === 'playing');
  if (played < 0 || first < played || notes.at(-1)?.what !== 'ended') {
    throw new Error(`the player did not play to the end: ${notes.map(({ what }) => what).join(' ')}`);
  }
  const stallsMs: number[] = [];
  let [playingMs, bits, switches] = [0, 0, 0];
  // hls.js names what is on screen up to a quarter of a second after the first picture of it.
  const renditions = notes.filter(({ what }) => what === 'rendition');
  let bitrateBps =
    (renditions.findLast(({ atMs }) => atMs <= notes[first]!.atMs) ?? renditions[0])?.bitrateBps ?? 0;
  let isPlaying = true;
  let sinceMs = notes[first]!.atMs;
  for (const { what, atMs, bitrateBps: next } of notes.slice(first + 1)) {
    const durationMs = atMs - sinceMs;
    if (what === 'rendition') {
      if (isPlaying)
        [playingMs, bits, sinceMs] = [playingMs + durationMs, bits + durationMs * bitrateBps, atMs];
      if (next !== bitrateBps) switches++;
      bitrateBps = next!;
    } else if (isPlaying && ['waiting', 'pause', 'ended'].includes(what)) {
      [playingMs, bits, sinceMs, isPlaying] = [
        playingMs + durationMs,
        bits + durationMs * bitrateBps,
        atMs,
        false,
      ];
    } else if (!isPlaying && what === 'playing') {
      if (durationMs >= 100) stallsMs.push(durationMs);
      [sinceMs, isPlaying] = [atMs, true];
    }
  }
  return {
    startupMs: notes[first]!.atMs - notes[played]!.atMs,
    stallsMs,
    playingMs,
    bitrateBps: bits / playingMs,
    switches,
  };
}
