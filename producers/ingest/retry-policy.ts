/** What to do when a decoder has ended: a decision over facts, apart from the process that carries it out. */
import { type InputKind, isLiveKind } from './stream-spec.ts';

/** How a decoder ended, and what it had delivered. */
export type PassFacts = {
  readonly kind: InputKind;
  readonly loop: boolean;
  /** It waits for a sender, who may come at any time. */
  readonly listens: boolean;
  /** Somebody waits for the result: what does not come is given up some time. */
  readonly isOffline: boolean;
  readonly exitCode: number | null;
  readonly exitSignal: string | null;
  /** Packets of this pass through the input, by this decoder and those that it replaced. */
  readonly packets: number;
  /** The input itself failed (a playlist or segment could not be had), as opposed to ending. */
  readonly inputFailed: boolean;
  /** It was ended because it broke a limit of memory or time. */
  readonly brokeLimit: boolean;
  /** Decoders in a row, this one included, that delivered nothing new. */
  readonly fruitless: number;
};

export type NextStep =
  /** The input ended as it should. */
  | { readonly next: 'end' }
  /** Begin the file again, further up the timeline. */
  | { readonly next: 'loop' }
  /** The input is gone; try again after the delay. */
  | { readonly next: 'reconnect'; readonly delayMs: number }
  /** The decoder died; start another where it stopped, after the delay. */
  | { readonly next: 'restart'; readonly delayMs: number }
  /** It will not get better by trying again. */
  | { readonly next: 'give-up' };

/** Decoders in a row without anything new after which a file is given up. */
export const FRUITLESS_MAX = 4;

export function nextStep(facts: PassFacts): NextStep {
  if (isLiveKind(facts.kind)) return nextLiveStep(facts);
  const died = facts.exitSignal !== null;
  if (!died && facts.exitCode === 0 && facts.packets > 0) return { next: facts.loop ? 'loop' : 'end' };
  // The same bytes would break the same limit again.
  if (died && !facts.brokeLimit && facts.fruitless < FRUITLESS_MAX) {
    return { next: 'restart', delayMs: retryDelayMs(facts.fruitless) };
  }
  return { next: 'give-up' };
}

/** 0.5 s, doubled with each fruitless attempt, at most 10 s. */
export function retryDelayMs(fruitless: number): number {
  return Math.min(500 * 2 ** Math.max(0, fruitless - 1), 10_000);
}

/** A sender does not wait until somebody listens again. */
const LISTEN_DELAY_MS = 250;

function nextLiveStep(facts: PassFacts): NextStep {
  const delayMs = facts.listens ? LISTEN_DELAY_MS : retryDelayMs(facts.fruitless);
  const ended = facts.exitSignal === null && facts.exitCode === 0 && !facts.inputFailed && facts.packets > 0;
  // What is pushed, or comes over RTMP or SRT, never says that it is over for good.
  if (ended && (facts.kind === 'web' || facts.isOffline)) return { next: 'end' };
  if (facts.isOffline && facts.fruitless >= FRUITLESS_MAX) return { next: 'give-up' };
  if (facts.exitSignal !== null && !facts.brokeLimit) return { next: 'restart', delayMs };
  return { next: 'reconnect', delayMs };
}
