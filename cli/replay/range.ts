/** The stretch of log time that an audit or a backtest is about, as flags say it. */
import { InvalidArgumentError } from 'commander';
import { isoTime } from '../../consumers/tail/record-line.ts';
import { UsageError } from '../failure.ts';
import { parseTimeMs } from '../values.ts';

export type RangeFlags = { readonly from?: number; readonly to?: number };

/** Log time `[fromMs, toMs)`; everything where nothing is said. Throws {@link UsageError} when nothing lies in it. */
export function rangeOf({ from = 0, to = Number.MAX_SAFE_INTEGER }: RangeFlags) {
  if (from < to) return { fromMs: from, toMs: to };
  throw new UsageError(
    `the range from ${isoTime(from)} to ${isoTime(to)} holds nothing`,
    'Write a --to that is later than --from',
  );
}

/** Parser of the flags. */
export function pointInTime(text: string): number {
  const atMs = parseTimeMs(text);
  if (atMs !== null) return atMs;
  throw new InvalidArgumentError(
    'It is no time: write for example 2026-01-31T18:30:00Z, or Unix milliseconds.',
  );
}
