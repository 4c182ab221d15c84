/** Draws from common distributions, from a seeded generator. */
import type { SeededRandom } from '../../runtime/seeded-random.ts';

export type Weighted = { readonly weight: number };

/** One of the items, each as often as its share of the weights. */
export function weighted<T extends Weighted>(random: SeededRandom, items: readonly T[]): T {
  const total = items.reduce((sum, { weight }) => sum + weight, 0);
  let left = random.below(total);
  for (const item of items) {
    left -= item.weight;
    if (left < 0) return item;
  }
  throw new RangeError('weighted(): no item has a weight');
}

/** A whole number in [low, high], half of the time under `middle`: skewed as throughputs and latencies are. */
export function skewed(random: SeededRandom, low: number, middle: number, high: number): number {
  if (random.chance(500)) return random.between(low, middle + 1);
  // two draws: the far end is rare
  const span = high - middle + 1;
  return middle + Math.min(random.below(span), random.below(span));
}

/** Exponential with the given mean, whole ms, at least 1. */
export function exponentialMs(random: SeededRandom, meanMs: number): number {
  return Math.max(1, Math.round(-meanMs * Math.log((random.next() + 1) / 2 ** 32)));
}

/** `digits` hexadecimal digits. */
export function hexadecimal(random: SeededRandom, digits: number): string {
  let text = '';
  while (text.length < digits) text += random.next().toString(16).padStart(8, '0');
  return text.slice(0, digits);
}
