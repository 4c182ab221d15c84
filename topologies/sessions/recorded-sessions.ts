/**
 * Sessions from a pile of reports with no log behind it: files, in any order, with repetitions. The same set of reports
 * gives the same results, byte for byte.
 *
 * Log time is the player's own clock. Reports without a time (CMCD v1, requests) follow from their first moment on, one
 * after the other, each for as long as the media that it asked for lasts: how long each bitrate was on screen comes out
 * right, when it was does not.
 */
import { compareKeys } from '../../runtime/key-order.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import type { SessionResult } from './figures.ts';
import { saidAtMs } from './held-events.ts';
import { advance, offer } from './session-fold.ts';
import { SESSION_DEFAULTS, type SessionSettings } from './session-settings.ts';
import { newSession } from './session-state.ts';

/** Results of one session, windows and finals in order; none when playback was never asked for. */
export type RecordedSession = {
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly results: readonly SessionResult[];
};

/** By session id. */
export function foldRecorded(events: readonly PlaybackEvent[]): readonly RecordedSession[] {
  const bySession = new Map<string, PlaybackEvent[]>();
  for (const event of events) {
    const one = bySession.get(event.sessionKey);
    if (one === undefined) bySession.set(event.sessionKey, [event]);
    else one.push(event);
  }
  return [...bySession]
    .map(([sessionKey, own]) => ({ sessionKey, sessionId: own[0]!.sessionId, results: foldOne(own) }))
    .sort((a, b) => compareKeys(a.sessionId, b.sessionId) || compareKeys(a.sessionKey, b.sessionKey));
}

/** A recording is over: whatever is in it belongs together, however long it lasts. */
const SETTINGS: SessionSettings = {
  ...SESSION_DEFAULTS,
  reopenMs: Number.MAX_SAFE_INTEGER / 4,
  rolloverMs: Number.MAX_SAFE_INTEGER / 4,
  heldEventsMax: 1_000_000,
};

/** Media asked for whose duration is that of the programme; sound beside it is not counted twice. */
const SILENT_CLOCK: ReadonlySet<string> = new Set(['manifest', 'init', 'audio', 'caption', 'key']);
const OBJECT_MS_MAX = 60_000;

type Placed = { readonly logMs: number; readonly event: PlaybackEvent };

function foldOne(events: readonly PlaybackEvent[]): readonly SessionResult[] {
  const state = newSession();
  const results: SessionResult[] = [];
  const placed = place(once(events));
  for (const { logMs, event } of placed) {
    results.push(...advance(state, logMs, SETTINGS));
    offer(state, event, logMs, SETTINGS);
  }
  const lastMs = placed.at(-1)!.logMs;
  const { windowMs, graceMs, heartbeatTimeoutMs } = SETTINGS;
  results.push(...advance(state, lastMs + heartbeatTimeoutMs + 2 * windowMs + graceMs, SETTINGS));
  return results;
}

/** Each event once: by what identifies it, and where that is not told, as often as it is there. */
function once(events: readonly PlaybackEvent[]): readonly PlaybackEvent[] {
  const sorted = events
    .map((event) => ({ event, words: wordsOf(event) }))
    .sort((a, b) => compareKeys(a.words, b.words));
  const seen = new Set<string>();
  const kept: PlaybackEvent[] = [];
  for (const { event, words } of sorted) {
    if (event.clientTimeMs !== null || event.sn !== null) {
      const { contentId, target, clientTimeMs, sn } = event;
      const isNumbered = sn !== null;
      const identity = JSON.stringify([
        contentId,
        target,
        event.event,
        clientTimeMs,
        sn,
        isNumbered ? '' : words,
      ]);
      if (seen.has(identity)) continue;
      seen.add(identity);
    }
    kept.push(event);
  }
  return kept;
}

/** All of an event but when and by which way the report of it came. */
function wordsOf({ receivedAtMs: _, ...event }: PlaybackEvent): string {
  return JSON.stringify(event);
}

function place(events: readonly PlaybackEvent[]): readonly Placed[] {
  const placed: Placed[] = [];
  const timeless: PlaybackEvent[] = [];
  for (const event of events) {
    const logMs = saidAtMs(event) ?? (event.receivedAtMs > 0 ? event.receivedAtMs : null);
    if (logMs === null) timeless.push(event);
    else placed.push({ logMs, event });
  }
  const firstMs = placed.reduce((least, { logMs }) => Math.min(least, logMs), Number.MAX_SAFE_INTEGER);
  let logMs = placed.length === 0 ? 0 : firstMs;
  timeless.sort((a, b) => rankOf(a) - rankOf(b) || (a.sn ?? 0) - (b.sn ?? 0));
  for (const event of timeless) {
    // it is put where it was on screen, so nothing is buffered before it
    placed.push({ logMs, event: { ...event, bufferMs: null } });
    if (!SILENT_CLOCK.has(event.requestObjectType ?? ''))
      logMs += Math.max(0, Math.min(event.requestObjectMs ?? 0, OBJECT_MS_MAX));
  }
  // stable: equal times keep the order of their words
  return placed.sort((a, b) => a.logMs - b.logMs);
}

/** What says that it is still starting came before what does not. */
function rankOf(event: PlaybackEvent): number {
  return event.startupDelayed === true && event.stalledSinceLast !== true ? 0 : 1;
}
