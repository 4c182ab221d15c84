/** The stretch of log time that an audit or a backtest is about, as flags say it. */
import { isoTime } from '../../consumers/tail/record-line.ts';
import { UsageError } from '../failure.ts';

export type RangeFlags = { readonly from?: number; readonly to?: number };

/** Log time `[fromMs, toMs)`; everything where nothing is said. Throws {@link UsageError} when nothing lies in it. */
export function rangeOf({ from = 0, to = Number.MAX_SAFE_INTEGER }: RangeFlags) {
  if (from < to) return { fromMs: from, toMs: to };
  throw new UsageError(
    `the range from ${isoTime(from)} to ${isoTime(to)} holds nothing`,
    'Write a --to that is later than --from',
  );
}
