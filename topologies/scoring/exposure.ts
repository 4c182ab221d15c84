/** Which defects of the stream were in front of this viewer in a window: what the join hands to the scoring model. */

/** Rendered time under defects of one type. */
export type TypeExposure = {
  readonly type: string;
  /** Wall time under it, ms; where several defects of the type overlap, once. */
  readonly ms: number;
  /** Those defects, sorted. */
  readonly defectIds: readonly string[];
};

export type DefectExposure = {
  /** By type, sorted. */
  readonly byType: readonly TypeExposure[];
  /** Rendered time that may have been under a defect, and is charged to nobody, ms. */
  readonly possibleMs: number;
  /** Rendered time, seen or heard, ms. */
  readonly renderedMs: number;
  /** Of it, with the stream's defects known, ms. */
  readonly coveredMs: number;
  /** Some of it was further back than defects are kept. */
  readonly beyondHorizon: boolean;
  /** Vantage whose defects apply besides the origin's, as `cdn:NAME`; else `origin`, or empty without a programme. */
  readonly vantage: string;
};

/** Nothing is known of the stream. */
export function nothingKnown(renderedMs: number): DefectExposure {
  return { byType: [], possibleMs: 0, renderedMs, coveredMs: 0, beyondHorizon: false, vantage: '' };
}

/** Thousandths of the rendered time with defects known; of nothing rendered, nothing is missing. */
export function coverageOf({
  renderedMs,
  coveredMs,
}: Pick<DefectExposure, 'renderedMs' | 'coveredMs'>): number {
  return renderedMs === 0 ? 1_000 : Math.floor((coveredMs * 1_000) / renderedMs);
}
