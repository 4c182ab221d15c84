/** What a session's time was spent on: sums and rendered spans over stretches in which nothing was told. */
import type { RenderedSpan } from './figures.ts';
import { programTimeAt, uncertaintyAt } from './programme-place.ts';
import { type Phase, phaseOf } from './session-phase.ts';
import type { Rendition, SessionState, Sums } from './session-state.ts';

/** Shorter interruptions are micro stalls. */
export const STALL_MS_MIN = 100;

/** Where the time goes: sums, and spans where they are wanted. */
export type Account = {
  readonly sums: Sums;
  /** Nothing before this counts, ms: the start of a window. */
  readonly fromMs: number;
  readonly spans: RenderedSpan[] | null;
};

/** Accounts for `[fromMs, toMs)`, in which the state is as it stands and no event was told. */
export function spend(state: SessionState, fromMs: number, toMs: number, account: Account): void {
  const startMs = Math.max(fromMs, account.fromMs);
  const phase = phaseOf(state);
  if (phase === null || toMs <= startMs) return;
  const { sums } = account;
  const { upcoming } = state;
  if (upcoming !== null && startMs <= upcoming.atMs && upcoming.atMs < toMs) {
    countSwitch(state, state.rendition.bitrateBps, upcoming.rendition.bitrateBps, sums);
  }
  if (phase === 'stalled') countStall(state, startMs, toMs, account);
  const durationMs = toMs - startMs;
  if (phase === 'untold') sums.unknownMs += durationMs;
  else if (phase === 'paused') sums.pausedMs += durationMs;
  else sums.sessionMs += durationMs;
  if (state.inAd && state.started && phase !== 'paused') sums.adMs += durationMs;
  if (phase === 'seek-wait') sums.seekWaitMs += durationMs;
  if (phase === 'startup' && !(state.inAd && state.started)) sums.startupWaitMs += durationMs;
  if (state.inAd) {
    if (phase === 'playing') sums.adPlayingMs += durationMs;
    return;
  }
  if (phase === 'stalled') sums.watchedMs += durationMs;
  if (phase === 'playing' || (phase === 'untold' && state.contentStarted && state.suspectMs === null)) {
    sums.watchedMs += durationMs;
    render(state, phase, startMs, toMs, account);
  }
}

/** Nothing is known of `[fromMs, toMs)`. */
export function spendUnknown(state: SessionState, fromMs: number, toMs: number, account: Account): void {
  const startMs = Math.max(fromMs, account.fromMs);
  if (phaseOf(state) === null || toMs <= startMs) return;
  account.sums.unknownMs += toMs - startMs;
}

/** Counts a switch between two bitrates that are known; the first one of the content is none. */
export function countSwitch(
  state: SessionState,
  fromBps: number | null,
  toBps: number | null,
  sums: Sums,
): void {
  if (!state.contentStarted || fromBps === null || toBps === null) return;
  if (toBps > fromBps) sums.switchesUp += 1;
  else if (toBps < fromBps) sums.switchesDown += 1;
}

/** A stall counts from the moment at which it has lasted for the least duration, and then from its beginning. */
function countStall(state: SessionState, startMs: number, toMs: number, account: Account): void {
  const stall = state.stall!;
  const { sums } = account;
  const countsMs = stall.startMs + STALL_MS_MIN;
  if (toMs < countsMs) return;
  const count = startMs < countsMs ? 1 : 0;
  const stallMs = toMs - (count === 1 ? Math.max(stall.startMs, account.fromMs) : startMs);
  if (stall.inAd) {
    sums.adStallMs += stallMs;
    sums.adStallCount += count;
    return;
  }
  sums.stallMs += stallMs;
  sums.stallCount += count;
  if (!stall.afterSeek) return;
  sums.stallMsSeek += stallMs;
  sums.stallCountSeek += count;
}

/** Splits what is rendered at the moment at which another rendition comes on screen. */
function render(state: SessionState, phase: Phase, fromMs: number, toMs: number, account: Account): void {
  const { upcoming } = state;
  const changeMs = upcoming === null ? toMs : Math.min(Math.max(upcoming.atMs, fromMs), toMs);
  renderOne(state, phase, state.rendition, fromMs, changeMs, account);
  if (upcoming !== null) renderOne(state, phase, upcoming.rendition, changeMs, toMs, account);
}

function renderOne(
  state: SessionState,
  phase: Phase,
  rendition: Rendition,
  startMs: number,
  endMs: number,
  { sums, spans }: Account,
): void {
  const durationMs = endMs - startMs;
  if (durationMs <= 0) return;
  if (rendition.bitrateBps !== null) {
    sums.bitrateMs += durationMs;
    // whole kilobits per second, so that a day of it stays an exact integer
    sums.bitrateBits += Math.min(Math.round(rendition.bitrateBps / 1_000), KBPS_MAX) * durationMs;
  }
  if (rendition.heightPx !== null) {
    sums.heightMs += durationMs;
    sums.heightPxMs += rendition.heightPx * durationMs;
  }
  if (phase !== 'playing') return;
  sums.playingMs += durationMs;
  if (!state.hidden) sums.exposedMs += durationMs;
  if (!state.muted) sums.audibleMs += durationMs;
  if (state.place !== null) sums.placedMs += durationMs;
  if (spans !== null) addSpan(spans, spanOf(state, rendition, startMs, endMs));
}

/** Ten gigabits per second: what a player says beyond is no bitrate. */
const KBPS_MAX = 10_000_000;

function spanOf(state: SessionState, rendition: Rendition, startMs: number, endMs: number): RenderedSpan {
  const { place } = state;
  return {
    startMs,
    endMs,
    ratePermille: state.ratePermille ?? 1_000,
    programTimeStartMs: place === null ? null : programTimeAt(state, startMs),
    uncertaintyMs: place === null ? 0 : uncertaintyAt(state, endMs),
    timeSource: place === null ? 'unknown' : place.source,
    isVisible: !state.hidden,
    isAudible: !state.muted,
    renditionId: rendition.renditionId,
    cdn: state.contexts[0]!.cdn,
    bitrateBps: rendition.bitrateBps,
    heightPx: rendition.heightPx,
  };
}

/** Reports that change nothing do not cut a span. */
function addSpan(spans: RenderedSpan[], span: RenderedSpan): void {
  const last = spans[spans.length - 1];
  if (last === undefined || !continues(last, span)) spans.push(span);
  else
    spans[spans.length - 1] = {
      ...last,
      endMs: span.endMs,
      uncertaintyMs: Math.max(last.uncertaintyMs, span.uncertaintyMs),
    };
}

function continues(last: RenderedSpan, span: RenderedSpan): boolean {
  return (
    last.endMs === span.startMs &&
    last.ratePermille === span.ratePermille &&
    last.timeSource === span.timeSource &&
    last.isVisible === span.isVisible &&
    last.isAudible === span.isAudible &&
    last.renditionId === span.renditionId &&
    last.cdn === span.cdn &&
    last.bitrateBps === span.bitrateBps &&
    last.heightPx === span.heightPx &&
    isInLine(last, span)
  );
}

function isInLine(last: RenderedSpan, span: RenderedSpan): boolean {
  if (last.programTimeStartMs === null || span.programTimeStartMs === null) return true;
  const movedMs = Math.round(((last.endMs - last.startMs) * last.ratePermille) / 1_000);
  return Math.abs(last.programTimeStartMs + movedMs - span.programTimeStartMs) <= PLACE_TOLERANCE_MS;
}

const PLACE_TOLERANCE_MS = 40;
