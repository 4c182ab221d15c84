/** What to do when a decoder has ended: a decision over facts, apart from the process that carries it out. */
import type { InputKind } from './stream-spec.ts';

/** How a decoder ended, and what it had delivered. */
export type PassFacts = {
  readonly kind: InputKind;
  readonly loop: boolean;
  readonly exitCode: number | null;
  readonly exitSignal: string | null;
  /** Packets of this pass through the input, by this decoder and those that it replaced. */
  readonly packets: number;
  /** The input itself failed (a playlist or segment could not be had), as opposed to ending. */
  readonly inputFailed: boolean;
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
  const delayMs = retryDelayMs(facts.fruitless);
  const died = facts.exitSignal !== null;
  const ended = !died && facts.exitCode === 0;
  if (facts.kind === 'hls') {
    if (died) return { next: 'restart', delayMs };
    return ended && !facts.inputFailed && facts.packets > 0
      ? { next: 'end' }
      : { next: 'reconnect', delayMs };
  }
  if (ended && facts.packets > 0) return { next: facts.loop ? 'loop' : 'end' };
  if (died && facts.fruitless < FRUITLESS_MAX) return { next: 'restart', delayMs };
  return { next: 'give-up' };
}

/** 0.5 s, doubled with each fruitless attempt, at most 10 s. */
export function retryDelayMs(fruitless: number): number {
  return Math.min(500 * 2 ** Math.max(0, fruitless - 1), 10_000);
}
