/** Columns of features as lines over time, in plain SVG. */
import type { FrameFeatures } from '../../schemas/records.ts';
import type { AnalysedDefect } from './analysis.ts';

export const PLOT_WIDTH_PX = 1_100;
const HEIGHT_PX = 110;
/** Time begins here, in every plot and in the lanes of the timeline. */
export const LEFT_PX = 132;
const RIGHT_PX = 6;
/** Marks of time: as many as fit, at round times. */
const MARKS_MAX = 12;
const MARK_STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200];
/** Buckets over the whole duration: each draws its least and its greatest value. */
const BUCKETS_MAX = 900;

export type Series = {
  readonly label: string;
  /** Of the page's palette. */
  readonly colour: string;
  readonly figureOf: (sample: Sample) => number | null;
};

/** A picture or a block of sound: presentation time, and where its columns are. */
export type Sample = { readonly atMs: number; readonly chunk: FrameFeatures; readonly index: number };

/** From presentation time to pixels. */
export function timeAxis(durationMs: number): (ms: number) => number {
  return (ms) => LEFT_PX + (ms / Math.max(1, durationMs)) * (PLOT_WIDTH_PX - LEFT_PX - RIGHT_PX);
}

/** Round times over the whole duration, ms. */
export function timeMarks(durationMs: number): readonly number[] {
  const stepS =
    MARK_STEPS_S.find((one) => durationMs / (one * 1_000) <= MARKS_MAX) ??
    Math.ceil(durationMs / 1_000 / MARKS_MAX);
  return Array.from({ length: Math.floor(durationMs / (stepS * 1_000)) + 1 }, (_, at) => at * stepS * 1_000);
}

export type PlotOptions = {
  readonly title: string;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly samples: Iterable<Sample>;
  /** Time from one to the next, ms, at most: where nothing comes for longer the line is broken. */
  readonly sampleMs: number;
  readonly series: readonly Series[];
  /** One figure for the whole input, drawn across. */
  readonly overall?: { readonly label: string; readonly value: number } | null;
  readonly durationMs: number;
  readonly defects: readonly AnalysedDefect[];
};

export function* picturesOf(chunks: readonly FrameFeatures[]): Generator<Sample> {
  for (const chunk of chunks)
    for (const [index, ptsMs] of chunk.framePtsMs.entries())
      yield { atMs: chunk.basePtsMs + ptsMs, chunk, index };
}

export function* blocksOf(chunks: readonly FrameFeatures[]): Generator<Sample> {
  for (const chunk of chunks) {
    if (chunk.audioChannels === 0) continue;
    const blocks = chunk.audioRmsCentiDbfs.length / chunk.audioChannels;
    for (let index = 0; index < blocks; index++)
      yield { atMs: chunk.basePtsMs + chunk.audioStartMs + index * chunk.audioBlockMs, chunk, index };
  }
}

/** The pictures that were looked at more closely; `index` is that of the look. */
export function* looksOf(chunks: readonly FrameFeatures[]): Generator<Sample> {
  for (const chunk of chunks)
    for (const [index, ptsMs] of chunk.lookPtsMs.entries())
      yield { atMs: chunk.basePtsMs + ptsMs, chunk, index };
}

/** The plot with its defects as bands behind the lines. */
export function plotOf(options: PlotOptions): string {
  const { title, unit, min, max, series, durationMs, defects, overall = null } = options;
  const x = timeAxis(durationMs);
  const y = (value: number): number =>
    HEIGHT_PX - 14 - ((Math.min(max, Math.max(min, value)) - min) / (max - min)) * (HEIGHT_PX - 24);
  const bands = defects.map(
    ({ startMs, endMs, severity, type }) =>
      `<rect class="band ${severity}" x="${x(startMs).toFixed(1)}" y="6" width="${Math.max(1.5, x(endMs) - x(startMs)).toFixed(1)}" height="${HEIGHT_PX - 20}"><title>${type}</title></rect>`,
  );
  const lines = bucketed(options).map(
    (points, at) =>
      `<path class="line" style="stroke:var(--${series[at]!.colour})" d="${pathOf(points, x, y)}"><title>${series[at]!.label}</title></path>`,
  );
  const ticks = [min, (min + max) / 2, max].map(
    (value) =>
      `<text x="${LEFT_PX - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${Math.round(value)}</text><line class="grid" x1="${LEFT_PX}" x2="${PLOT_WIDTH_PX - RIGHT_PX}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"/>`,
  );
  const marks = timeMarks(durationMs).map(
    (ms) =>
      `<line class="mark" x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="6" y2="${HEIGHT_PX - 14}"/>`,
  );
  const across =
    overall === null
      ? ''
      : `<line class="overall" x1="${LEFT_PX}" x2="${PLOT_WIDTH_PX - RIGHT_PX}" y1="${y(overall.value).toFixed(1)}" y2="${y(overall.value).toFixed(1)}"/><text class="unit" x="${PLOT_WIDTH_PX - RIGHT_PX - 2}" y="${(y(overall.value) - 3).toFixed(1)}" text-anchor="end">${overall.label}</text>`;
  const legend = series
    .map(
      ({ label, colour }, at) =>
        `<rect x="0" y="${48 + at * 15}" width="10" height="3" style="fill:var(--${colour})"/><text x="15" y="${53 + at * 15}">${label}</text>`,
    )
    .join('');
  const head = `<text class="head" x="0" y="16">${title}</text><text class="unit" x="0" y="31">${unit}</text>`;
  return `<figure><svg class="plot" viewBox="0 0 ${PLOT_WIDTH_PX} ${HEIGHT_PX}" role="img" aria-label="${title}">${head}${legend}${marks.join('')}${ticks.join('')}${bands.join('')}${lines.join('')}${across}</svg></figure>`;
}

type Bucket = { low: number; high: number; isKnown: boolean };

function bucketed({ samples, sampleMs, series, durationMs }: PlotOptions): Bucket[][] {
  const count = Math.max(1, Math.min(BUCKETS_MAX, Math.floor(durationMs / sampleMs)));
  const all = series.map(() =>
    Array.from({ length: count }, (): Bucket => ({ low: 0, high: 0, isKnown: false })),
  );
  for (const sample of samples) {
    const at = Math.min(count - 1, Math.max(0, Math.floor((sample.atMs * count) / Math.max(1, durationMs))));
    for (const [number, { figureOf }] of series.entries()) {
      const value = figureOf(sample);
      if (value === null) continue;
      const bucket = all[number]![at]!;
      bucket.low = bucket.isKnown ? Math.min(bucket.low, value) : value;
      bucket.high = bucket.isKnown ? Math.max(bucket.high, value) : value;
      bucket.isKnown = true;
    }
  }
  return all;
}

/** Broken where nothing was measured. */
function pathOf(points: readonly Bucket[], x: (ms: number) => number, y: (value: number) => number): string {
  let path = '';
  let isOpen = false;
  const step = (PLOT_WIDTH_PX - LEFT_PX - RIGHT_PX) / points.length;
  for (const [index, { low, high, isKnown }] of points.entries()) {
    if (!isKnown) {
      isOpen = false;
      continue;
    }
    const left = (x(0) + index * step).toFixed(1);
    path += `${isOpen ? 'L' : 'M'}${left} ${y(low).toFixed(1)}`;
    if (high !== low) path += `L${left} ${y(high).toFixed(1)}`;
    isOpen = true;
  }
  return path;
}
