/** The rungs of a ladder, and which of them is meant. */

export type Rendition = {
  /** Its renditionId: no two of a ladder share one, and it is the same at every reading of the manifest. */
  readonly name: string;
  /** What tells it apart within the manifest: the address of its playlist (HLS), the `id` of its representation (DASH). */
  readonly key: string;
  /** As the manifest says; 0 where it does not. */
  readonly bandwidthBps: number;
  /** 0 where it is not told. */
  readonly heightPx: number;
};

/** The rung that a word means: `best`, its name, or its own id. Null when there is none. */
export function chooseRendition(ladder: readonly Rendition[], word: string): Rendition | null {
  const best = ladder.toSorted((a, b) => b.bandwidthBps - a.bandwidthBps)[0];
  if (word === 'best') return best ?? null;
  return ladder.find(({ name }) => name === word) ?? ladder.find(({ key }) => key === word) ?? null;
}
