/**
 * Windows of time, half-open `[startMs, endMs)`, aligned to the epoch. Grace is how long after its end a window still
 * takes records, and has no default: a window that never waits says `graceMs: 0`.
 */

export type Window = { readonly startMs: number; readonly endMs: number };

/** Windows of fixed length; they overlap when `advanceMs` is smaller than `sizeMs`. */
export type TimeWindows = {
  readonly kind: 'time';
  readonly sizeMs: number;
  readonly advanceMs: number;
  readonly graceMs: number;
};

/** Windows of activity: records less than `gapMs` apart are in one. */
export type SessionWindows = { readonly kind: 'session'; readonly gapMs: number; readonly graceMs: number };

export type Windows = TimeWindows | SessionWindows;

/** @example tumbling({ sizeMs: 10_000, graceMs: 2_000 }) */
export function tumbling(options: { readonly sizeMs: number; readonly graceMs: number }): TimeWindows {
  return hopping({ ...options, advanceMs: options.sizeMs });
}

/** @example hopping({ sizeMs: 60_000, advanceMs: 10_000, graceMs: 2_000 }) */
export function hopping(options: {
  readonly sizeMs: number;
  readonly advanceMs: number;
  readonly graceMs: number;
}): TimeWindows {
  const { sizeMs, advanceMs, graceMs } = options;
  check('sizeMs', sizeMs, 1);
  check('advanceMs', advanceMs, 1);
  check('graceMs', graceMs, 0);
  if (advanceMs > sizeMs)
    throw new RangeError(
      `advanceMs ${advanceMs} is more than sizeMs ${sizeMs}: records between windows would be lost`,
    );
  return { kind: 'time', sizeMs, advanceMs, graceMs };
}

/** @example sessions({ gapMs: 30_000, graceMs: 5_000 }) */
export function sessions(options: { readonly gapMs: number; readonly graceMs: number }): SessionWindows {
  check('gapMs', options.gapMs, 1);
  check('graceMs', options.graceMs, 0);
  return { kind: 'session', ...options };
}

/** The windows that hold `timeMs`, earliest first. */
export function windowsOf(windows: TimeWindows, timeMs: number): readonly Window[] {
  const { sizeMs, advanceMs } = windows;
  const found: Window[] = [];
  const first = Math.floor((timeMs - sizeMs) / advanceMs) * advanceMs + advanceMs;
  for (let startMs = first; startMs <= timeMs; startMs += advanceMs)
    found.push({ startMs, endMs: startMs + sizeMs });
  return found;
}

/** Log time at which a window is closed for good: its result leaves then, and what comes afterwards is late. */
export function closesAtMs(windows: Windows, window: Window): number {
  return window.endMs + windows.graceMs;
}

/** Whether a record for `window` comes too late at log time `nowMs`. */
export function isLate(windows: Windows, window: Window, nowMs: number): boolean {
  return closesAtMs(windows, window) <= nowMs;
}

/** Span of the session that a single record at `timeMs` makes. It ends one gap after its last record. */
export function sessionOf(windows: SessionWindows, timeMs: number): Window {
  return { startMs: timeMs, endMs: timeMs + windows.gapMs };
}

/** Whether two sessions are one: they overlap, or touch. */
export function joins(a: Window, b: Window): boolean {
  return a.startMs <= b.endMs && b.startMs <= a.endMs;
}

export function union(a: Window, b: Window): Window {
  return { startMs: Math.min(a.startMs, b.startMs), endMs: Math.max(a.endMs, b.endMs) };
}

function check(name: string, value: number, min: number): void {
  if (!Number.isSafeInteger(value) || value < min)
    throw new RangeError(`${name} is ${value}, and has to be a whole number of at least ${min}`);
}
