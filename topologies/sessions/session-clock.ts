/**
 * The player's clock on the log's: client time gives order and durations, log time the place.
 *
 * One offset per session: the log time of its first report less the earliest client time that was told within grace of it.
 * So a session begins, on the log's clock, when its first report was logged. Both are minima over the same set of reports,
 * which makes the choice independent of the order in which they came: late first reports, preflights that overtake each
 * other and duplicates change nothing. It never lies before the true offset, and at most as far behind it as the first
 * report was under way; a player that sends in batches is put off by one batch, and its later batches are in time.
 *
 * A clock that jumps: an event further ahead of the log than any before (by more than `clockJumpMs`) can only come from a
 * clock that was put forward. One that is as far behind may simply be late; the clock was put back when the next one is
 * behind as well and as much time has gone by for both, which a queue that is flushed at last does not do.
 */
import type { SessionSettings } from './session-settings.ts';
import type { HeldEvent, SessionClock } from './session-state.ts';

/** Takes note of a client time while the offset is not decided. */
export function observe(clock: SessionClock, clientMs: number, logMs: number): void {
  clock.firstLogMs = Math.min(clock.firstLogMs ?? logMs, logMs);
  clock.firstClientMs = Math.min(clock.firstClientMs ?? clientMs, clientMs);
}

/** Whether reports at log time `timeMs` have no say in the offset any more. */
export function isSettled(clock: SessionClock, timeMs: number, settings: SessionSettings): boolean {
  return clock.firstLogMs !== null && timeMs > clock.firstLogMs + settings.graceMs;
}

/** Decides the offset from what was noted. */
export function settle(clock: SessionClock, held: readonly HeldEvent[]): void {
  if (clock.firstLogMs === null || clock.firstClientMs === null) return;
  const offsetMs = clock.firstLogMs - clock.firstClientMs;
  clock.offsetMs = offsetMs;
  for (const { clientMs, logMs } of held) {
    if (clientMs !== null) clock.leadMs = Math.max(clock.leadMs, clientMs + offsetMs - logMs);
  }
  clock.leadMs = Math.min(clock.leadMs, LEAD_MS_MAX);
}

/**
 * Log time at which something happened that the player puts at `clientMs` and that was logged at `logMs`. What is known to
 * be old news (`isNews` false) says nothing of the clock.
 */
export function logTimeOf(
  clock: SessionClock,
  clientMs: number,
  logMs: number,
  isNews: boolean,
  settings: SessionSettings,
): number {
  const atMs = clientMs + clock.offsetMs!;
  const aheadMs = atMs - logMs;
  if (aheadMs <= clock.leadMs + settings.clockJumpMs && aheadMs >= -settings.clockJumpMs) {
    clock.strayLogMs = null;
    clock.strayClientMs = null;
    return atMs;
  }
  if (!isNews) return atMs;
  if (clock.previousOffsetMs !== null) {
    const beforeMs = clientMs + clock.previousOffsetMs;
    if (Math.abs(beforeMs - logMs) <= settings.clockJumpMs) {
      clock.previousOffsetMs = clock.offsetMs;
      clock.offsetMs = beforeMs - clientMs;
      return beforeMs;
    }
  }
  const hasJumped = aheadMs > 0 || keepsPace(clock, clientMs, logMs, settings);
  clock.strayLogMs = logMs;
  clock.strayClientMs = clientMs;
  if (!hasJumped) return atMs;
  clock.previousOffsetMs = clock.offsetMs;
  clock.offsetMs = logMs - clientMs;
  return logMs;
}

/** A batch may be longer than any clock is wrong, but not without bound. */
const LEAD_MS_MAX = 300_000;
const PACE_MS = 2_000;

function keepsPace(clock: SessionClock, clientMs: number, logMs: number, settings: SessionSettings): boolean {
  if (clock.strayLogMs === null || clock.strayClientMs === null) return false;
  const byLogMs = logMs - clock.strayLogMs;
  const byClientMs = clientMs - clock.strayClientMs;
  return byLogMs >= settings.graceMs && Math.abs(byLogMs - byClientMs) <= PACE_MS;
}
