/** What is known of a cohort in a window, as sums: any two of them merge by addition, in any order. */
import { compareKeys } from '../../runtime/key-order.ts';
import { map, type StateOf } from '../../runtime/struct-codec.ts';
import type { CohortPartial } from '../../schemas/records.ts';

/** Single figures, named as in the records. */
const FIGURES = {
  sessions: 'long',
  concurrent: 'long',
  scoredSessions: 'long',
  scoreSum: 'long',
  attempts: 'long',
  plays: 'long',
  vsfTechnical: 'long',
  vsfBusiness: 'long',
  ebvs: 'long',
  unknownOutcomes: 'long',
  pendingOutcomes: 'long',
  endedPlays: 'long',
  vpfTechnical: 'long',
  vpfBusiness: 'long',
  startupCount: 'long',
  startupMsSum: 'long',
  playingMs: 'long',
  stallMs: 'long',
  stallMsSeek: 'long',
  stallCount: 'long',
  stalledSessions: 'long',
  sessionMs: 'long',
  adPlayingMs: 'long',
  adStallMs: 'long',
  bitrateMs: 'long',
  bitrateKilobits: 'long',
  switchesUp: 'long',
  switchesDown: 'long',
  droppedFrames: 'long',
  liveLatencyCount: 'long',
  liveLatencyMsSum: 'long',
  errorSessions: 'long',
  defectPossibleSessions: 'long',
  exposedMs: 'long',
  coveredMs: 'long',
  beyondHorizonSessions: 'long',
  eventCount: 'long',
  eventsLost: 'long',
} as const;

/** Figures by bucket, cause or type of defect. */
const TABLES = {
  scoreBuckets: map('long'),
  startupBuckets: map('long'),
  causePoints: map('long'),
  causeSessions: map('long'),
  defectSessions: map('long'),
  defectMs: map('long'),
} as const;

export const SUMS_FIELDS = { ...FIGURES, ...TABLES } as const;

export type CohortSums = StateOf<typeof SUMS_FIELDS>;
export type FigureName = keyof typeof FIGURES;
type TableName = keyof typeof TABLES;

export const FIGURE_NAMES = Object.keys(FIGURES) as readonly FigureName[];
const TABLE_NAMES = Object.keys(TABLES) as readonly TableName[];

/**
 * Lower bounds of the startup-time buckets, ms: bucket i holds `[bounds[i], bounds[i + 1])`, the last one everything from
 * its bound on. Fine where thresholds lie, coarse where nobody waits any more.
 */
export const STARTUP_BOUNDS_MS: readonly number[] = [
  0, 100, 200, 300, 400, 500, 750, 1_000, 1_250, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 6_000, 8_000,
  10_000, 12_500, 15_000, 20_000, 30_000, 45_000, 60_000,
];

export function startupBucketOf(startupMs: number): number {
  let bucket = 0;
  while (bucket + 1 < STARTUP_BOUNDS_MS.length && startupMs >= STARTUP_BOUNDS_MS[bucket + 1]!) bucket += 1;
  return bucket;
}

/** Score buckets are 5 points wide; 100 has one of its own. */
export function scoreBucketOf(score: number): number {
  return Math.floor(score / 5);
}

export function newSums(): CohortSums {
  return {
    sessions: 0,
    concurrent: 0,
    scoredSessions: 0,
    scoreSum: 0,
    attempts: 0,
    plays: 0,
    vsfTechnical: 0,
    vsfBusiness: 0,
    ebvs: 0,
    unknownOutcomes: 0,
    pendingOutcomes: 0,
    endedPlays: 0,
    vpfTechnical: 0,
    vpfBusiness: 0,
    startupCount: 0,
    startupMsSum: 0,
    playingMs: 0,
    stallMs: 0,
    stallMsSeek: 0,
    stallCount: 0,
    stalledSessions: 0,
    sessionMs: 0,
    adPlayingMs: 0,
    adStallMs: 0,
    bitrateMs: 0,
    bitrateKilobits: 0,
    switchesUp: 0,
    switchesDown: 0,
    droppedFrames: 0,
    liveLatencyCount: 0,
    liveLatencyMsSum: 0,
    errorSessions: 0,
    defectPossibleSessions: 0,
    exposedMs: 0,
    coveredMs: 0,
    beyondHorizonSessions: 0,
    eventCount: 0,
    eventsLost: 0,
    scoreBuckets: new Map(),
    startupBuckets: new Map(),
    causePoints: new Map(),
    causeSessions: new Map(),
    defectSessions: new Map(),
    defectMs: new Map(),
  };
}

/** Adds the second to the first. */
export function addSums(into: CohortSums, other: Readonly<CohortSums>): void {
  for (const name of FIGURE_NAMES) into[name] += other[name];
  for (const name of TABLE_NAMES) for (const [key, count] of other[name]) countIn(into[name], key, count);
}

export function countIn(table: Map<string, number>, key: string, count: number): void {
  table.set(key, (table.get(key) ?? 0) + count);
}

/** The columns of a record, the parallel ones each in their order. */
export type SumColumns = Pick<
  CohortPartial,
  | FigureName
  | 'scoreBuckets'
  | 'scoreBucketCounts'
  | 'startupBuckets'
  | 'startupBucketCounts'
  | 'causes'
  | 'causePoints'
  | 'causeSessions'
  | 'defectTypes'
  | 'defectSessions'
  | 'defectMs'
>;

export function columnsOf(sums: Readonly<CohortSums>): SumColumns {
  const { scoreBuckets, startupBuckets, causePoints, causeSessions, defectSessions, defectMs, ...figures } =
    sums;
  const scores = byNumber(scoreBuckets);
  const startups = byNumber(startupBuckets);
  const causes = [...causePoints.keys()].sort(compareKeys);
  const types = [...defectMs.keys()].sort(compareKeys);
  return {
    ...figures,
    scoreBuckets: scores.map(([bucket]) => bucket),
    scoreBucketCounts: scores.map(([, count]) => count),
    startupBuckets: startups.map(([bucket]) => bucket),
    startupBucketCounts: startups.map(([, count]) => count),
    causes,
    causePoints: causes.map((cause) => causePoints.get(cause)!),
    causeSessions: causes.map((cause) => causeSessions.get(cause) ?? 0),
    defectTypes: types,
    defectSessions: types.map((type) => defectSessions.get(type) ?? 0),
    defectMs: types.map((type) => defectMs.get(type)!),
  };
}

/** What {@link columnsOf} wrote. */
export function sumsOf(columns: SumColumns): CohortSums {
  const sums = newSums();
  for (const name of FIGURE_NAMES) sums[name] = columns[name];
  columns.scoreBuckets.forEach((bucket, i) => {
    sums.scoreBuckets.set(String(bucket), columns.scoreBucketCounts[i] ?? 0);
  });
  columns.startupBuckets.forEach((bucket, i) => {
    sums.startupBuckets.set(String(bucket), columns.startupBucketCounts[i] ?? 0);
  });
  columns.causes.forEach((cause, i) => {
    sums.causePoints.set(cause, columns.causePoints[i] ?? 0);
    sums.causeSessions.set(cause, columns.causeSessions[i] ?? 0);
  });
  columns.defectTypes.forEach((type, i) => {
    sums.defectSessions.set(type, columns.defectSessions[i] ?? 0);
    sums.defectMs.set(type, columns.defectMs[i] ?? 0);
  });
  return sums;
}

function byNumber(table: ReadonlyMap<string, number>): readonly (readonly [number, number])[] {
  return [...table].map(([key, count]) => [Number(key), count] as const).sort(([a], [b]) => a - b);
}
