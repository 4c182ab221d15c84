/** Figures of a run: per type, per filter, and all together. */

import { suppresses } from '../../topologies/detectors/precedence-table.ts';
import { type Match, matchOf } from './match.ts';
import type { Span } from './media-file.ts';
import { blocky, PEERS, type PeerName, type PeerResult } from './peers.ts';

export type FileResult = {
  readonly id: string;
  readonly kind: 'faults' | 'negative';
  readonly what: string;
  readonly durationMs: number;
  readonly truths: readonly Span[];
  readonly found: readonly Span[];
  readonly peers: PeerResult | null;
};

export type Figures = {
  readonly instances: number;
  readonly hits: number;
  /** In files with faults: told, and no fault of this type. */
  readonly falseInFaults: number;
  /** In hard negatives. */
  readonly falseInNegatives: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Null without a hit. */
  readonly startErrorMsMedian: number | null;
  /** False alarms of both kinds over the hours of all files. */
  readonly falsePerHour: number;
};

export function figuresOf(
  type: string,
  files: readonly FileResult[],
  foundIn: (file: FileResult) => readonly Span[],
): Figures {
  const matches: Match<Span>[] = [];
  let [instances, falseInFaults, falseInNegatives, totalMs] = [0, 0, 0, 0];
  for (const file of files) {
    const truths = file.truths.filter((truth) => truth.type === type);
    const result = matchOf(
      truths,
      foundIn(file).filter((one) => one.type === type),
    );
    instances += truths.length;
    matches.push(...result.matched);
    if (file.kind === 'faults') falseInFaults += result.false.length;
    else falseInNegatives += result.false.length;
    totalMs += file.durationMs;
  }
  const hits = matches.length;
  const precision = hits + falseInFaults === 0 ? 0 : hits / (hits + falseInFaults);
  const recall = instances === 0 ? 0 : hits / instances;
  return {
    ...{ instances, hits, falseInFaults, falseInNegatives, precision, recall },
    f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
    startErrorMsMedian: median(matches.map(({ truth, found }) => Math.abs(found.startMs - truth.startMs))),
    falsePerHour: totalMs === 0 ? 0 : ((falseInFaults + falseInNegatives) * 3_600_000) / totalMs,
  };
}

export type PeerFigures = Figures & {
  readonly name: PeerName;
  readonly type: string;
  readonly limit: number | null;
};

/**
 * ffmpeg's filters on the same files. What a filter tells within a fault of another type that takes precedence (a freeze
 * where it is black) is not held against it. blockdetect decides nothing: it is given the limit that is best in hindsight.
 */
export function peerFigures(files: readonly FileResult[]): readonly PeerFigures[] {
  const asked = files.filter(({ peers }) => peers !== null);
  return (Object.entries(PEERS) as [PeerName, string][]).map(([name, type]) => {
    const told = (file: FileResult): readonly Span[] =>
      file.peers!.found.filter((one) => one.type === type && !isUnderAnother(one, file.truths));
    if (name !== 'blockdetect') return { name, type, limit: null, ...figuresOf(type, asked, told) };
    const limits = limitsFor(asked);
    const tried = limits.map((limit) => ({
      ...{ name, type, limit },
      ...figuresOf(type, asked, (file) => blocky(file.peers!.blockiness, limit)),
    }));
    return tried.reduce((best, one) => (one.f1 > best.f1 ? one : best));
  });
}

export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function isUnderAnother(one: Span, truths: readonly Span[]): boolean {
  return truths.some((truth) => {
    const commonMs = Math.min(one.endMs, truth.endMs) - Math.max(one.startMs, truth.startMs);
    return suppresses(truth.type, one.type) && 2 * commonMs >= one.endMs - one.startMs;
  });
}

/** Twenty limits over the figures that there are. */
function limitsFor(files: readonly FileResult[]): readonly number[] {
  const all = files.flatMap(({ peers }) => peers!.blockiness.map(([, figure]) => figure));
  const sorted = all.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return [0];
  return Array.from(
    { length: 20 },
    (_, i) => sorted[Math.floor((sorted.length - 1) * (1 - 0.75 ** (i + 1)))]!,
  );
}
