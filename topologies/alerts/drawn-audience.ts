/** Windows of cohorts for tests: an audience by leaf, good but for what a test changes. */
import type { CohortWindow } from '../../schemas/records.ts';
import { type Leaf, leafKeyOf } from '../cohorts/leaf.ts';
import { columnsOf, newSums } from '../cohorts/sums.ts';

export const WINDOW_MS = 10_000;
/** Log time at which a window of the merge is there: after grace, after the shares of all tasks. */
export const MERGED_AFTER_MS = 8_000;

export const NEWS: Leaf = {
  programmeId: 'news',
  cdn: 'cdn-a',
  asn: 3320,
  country: 'DE',
  deviceClass: 'tv',
  playerVersion: 'hls.js 1.7.4',
  other: false,
};

/** `viewers` of them, all playing, one report each. */
export function cohort(
  leaf: Leaf,
  windowStartMs: number,
  viewers: number,
  changes: Partial<CohortWindow> = {},
): CohortWindow {
  const sums = newSums();
  sums.sessions = viewers;
  sums.concurrent = viewers;
  sums.scoredSessions = viewers;
  sums.scoreSum = 95 * viewers;
  sums.playingMs = WINDOW_MS * viewers;
  sums.eventCount = viewers;
  sums.exposedMs = WINDOW_MS * viewers;
  sums.coveredMs = WINDOW_MS * viewers;
  return {
    ...columnsOf(sums),
    ...leaf,
    tenant: 'acme',
    windowStartMs,
    windowEndMs: windowStartMs + WINDOW_MS,
    cardinalityCapped: false,
    partials: 1,
    sourcesExpected: 1,
    sourcesSealed: 1,
    coveragePermille: 1_000,
    configHash: 'default',
    ...changes,
  };
}

/** A share of them stalls for all of the window. */
export function stalled(viewers: number, sharePermille: number): Partial<CohortWindow> {
  const hit = Math.floor((viewers * sharePermille) / 1_000);
  return {
    stallMs: hit * WINDOW_MS,
    stalledSessions: hit,
    stallCount: hit,
    playingMs: (viewers - hit) * WINDOW_MS,
  };
}

/** Every leaf of an audience: two programmes, CDNs, countries, devices, providers and players each. */
export function everyLeaf(): readonly Leaf[] {
  const leaves: Leaf[] = [];
  for (const programmeId of ['news', 'sports'])
    for (const cdn of ['cdn-a', 'cdn-b'])
      for (const country of ['DE', 'FR'])
        for (const deviceClass of ['tv', 'phone'])
          for (const asn of [3320, 3215])
            for (const playerVersion of ['hls.js 1.7.4', 'shaka 5.2.12'])
              leaves.push({ ...NEWS, programmeId, cdn, country, deviceClass, asn, playerVersion });
  return leaves;
}

export const keyOf = (window: CohortWindow) => leafKeyOf({ ...window, asn: window.asn ?? null });
