/** What was measured, as tables and as part of a page of the docs. */
import { availableParallelism, cpus } from 'node:os';
import type { LiveUsage } from './live-streams.ts';

export const RATIO_MAX = 1.35;
export const OF_CHAIN_MAX = 0.1;
export const MEMORY_MB_MAX = 120;

export type Measured = {
  readonly file: string;
  readonly decodeSeconds: number;
  readonly oursSeconds: number;
  /** Part of ours: what the command takes for its help. */
  readonly startSeconds: number;
  /** Medians of the ratios within a round. */
  readonly ratio: number;
  readonly chainRatio: number;
  readonly ofChain: number;
};

export type Page = {
  readonly measured: readonly Measured[];
  readonly live: readonly LiveUsage[];
  /** Its version. */
  readonly ffmpeg: string;
  /** Load of the machine, at the beginning and at the end. */
  readonly loads: readonly number[];
};

export function renderTables(measured: readonly Measured[], live: readonly LiveUsage[]): string {
  return [
    `| file | decoding alone, CPU-s | with all detectors, CPU-s | of it the command's start | ratio (at most ${RATIO_MAX}) | chain of filters against decoding | ours of the chain (at most ${OF_CHAIN_MAX}) |`,
    '|---|---|---|---|---|---|---|',
    ...measured.map(
      (one) =>
        `| ${one.file} | ${one.decodeSeconds.toFixed(2)} | ${one.oursSeconds.toFixed(2)} | ${one.startSeconds.toFixed(2)} | ${one.ratio.toFixed(2)} | ${one.chainRatio.toFixed(1)} | ${one.ofChain.toFixed(3)} |`,
    ),
    '',
    `| depth | streams at live pace | alive at the end | of a core for each | MB for each (at most ${MEMORY_MB_MAX} at full) | deepened |`,
    '|---|---|---|---|---|---|',
    ...live.map(
      (one) =>
        `| ${one.depth} | ${one.streams} | ${one.alive} | ${one.corePercent.toFixed(2)} % | ${one.memoryMb.toFixed(0)} | ${one.deepened} |`,
    ),
    '',
  ].join('\n');
}

export function renderPage({ measured, live, ffmpeg, loads }: Page): string {
  const [processor] = cpus();
  const cores = `${availableParallelism()} cores (${processor?.model.trim() || 'unknown'})`;
  const [from = 0, to = 0] = loads;
  return [
    `    npm run bench:ingest -- ${process.argv.slice(2).join(' ')}`,
    '',
    `${cores}, Node ${process.versions.node}, ffmpeg ${ffmpeg}; load of the machine ${from.toFixed(1)} at the beginning, ${to.toFixed(1)} at the end.`,
    '',
    renderTables(measured, live),
  ].join('\n');
}
