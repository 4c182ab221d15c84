/** Whether a process keeps what it no longer needs: its live heap after full collections, minute by minute. */
import type { Sample } from './soak-run.ts';

export type HeapTrend = {
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly fromBytes: number;
  readonly toBytes: number;
  /** Of `fromBytes`, in hundredths of a percent. */
  readonly riseBasisPoints: number;
  readonly isHeld: boolean;
};

export const JUDGED_FROM_MINUTE = 10;
/** A run that is shorter has not shown anything about its heap. */
export const JUDGED_MINUTES_MIN = 30;
export const RISE_BASIS_POINTS_MAX = 200;

/**
 * Each end is the median of three minutes around it (at the last minute: up to it), because what a process has in flight
 * differs from one minute to the next. Null when the run is too short.
 */
export function heapTrendOf(samples: readonly Sample[], minutes: number): HeapTrend | null {
  if (minutes < JUDGED_MINUTES_MIN) return null;
  const around = (minute: number): number | null => {
    const last = Math.min(minute + 1, minutes);
    const bytes = samples
      .filter((sample) => sample.minute > last - MEDIAN_MINUTES && sample.minute <= last)
      .map(({ liveHeapBytes }) => liveHeapBytes)
      .sort((a, b) => a - b);
    return bytes.length === MEDIAN_MINUTES ? bytes[MEDIAN_MINUTES >> 1]! : null;
  };
  const fromBytes = around(JUDGED_FROM_MINUTE);
  const toBytes = around(minutes);
  if (fromBytes === null || toBytes === null) return null;
  const riseBasisPoints = Math.round(((toBytes - fromBytes) * 10_000) / fromBytes);
  return {
    fromMinute: JUDGED_FROM_MINUTE,
    toMinute: minutes,
    fromBytes,
    toBytes,
    riseBasisPoints,
    isHeld: riseBasisPoints < RISE_BASIS_POINTS_MAX,
  };
}

const MEDIAN_MINUTES = 3;
