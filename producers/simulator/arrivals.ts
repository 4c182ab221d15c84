/** When viewers come: an audience that is there when the run begins, and new ones by the shape of the day. */
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import { exponentialMs } from './draws.ts';
import type { DayShape } from './scenario.ts';
import { STAY_MS_MEAN } from './viewing.ts';

/** Those who are there at the beginning come within this time, ms. */
const FIRST_ARRIVALS_MS = 8_000;

export type ArrivalOptions = {
  /** Who watch at the same time when the day is at its height. */
  readonly viewers: number;
  readonly shape: DayShape;
  readonly startMs: number;
  readonly untilMs: number;
};

/** Unix ms of each arrival, in order; ends before `untilMs`. */
export function* arrivals(options: ArrivalOptions, random: SeededRandom): Generator<number, void, undefined> {
  const { viewers, shape, startMs, untilMs } = options;
  if (viewers <= 0) return;
  const first = Math.max(1, Math.round((viewers * sharePermille(shape, startMs)) / 1000));
  const early = Array.from({ length: first }, () => startMs + random.below(FIRST_ARRIVALS_MS));
  early.sort((a, b) => a - b);
  for (const atMs of early) if (atMs < untilMs) yield atMs;
  // By Little's law; drawn at the height of the day and thinned to its shape.
  const gapMsMean = STAY_MS_MEAN / viewers;
  let atMs = startMs + FIRST_ARRIVALS_MS;
  for (;;) {
    atMs += exponentialMs(random, gapMsMean);
    if (atMs >= untilMs) return;
    if (random.chance(sharePermille(shape, atMs))) yield atMs;
  }
}

/** Whether somebody who comes then is of the audience that was there when the run began. */
export function isThereAtStart(arrivalMs: number, startMs: number): boolean {
  return arrivalMs < startMs + FIRST_ARRIVALS_MS;
}

/** How many watch at this moment, thousandths of the height of the day; straight lines between full hours UTC. */
export function sharePermille(shape: DayShape, atMs: number): number {
  if (shape === 'flat') return 1000;
  const hours = shape === 'evening' ? EVENING : shape;
  const hour = Math.floor(atMs / HOUR_MS) % 24;
  const [from, to] = [hours[hour]!, hours[(hour + 1) % 24]!];
  return from + Math.round(((to - from) * (atMs % HOUR_MS)) / HOUR_MS);
}

const HOUR_MS = 3_600_000;
/** Low before dawn, a little at noon, most at 20:00 UTC. */
const EVENING: readonly number[] = [
  350, 220, 140, 90, 70, 80, 130, 200, 260, 290, 310, 350, 400, 390, 380, 400, 470, 580, 740, 910, 1000, 950,
  780, 540,
];
