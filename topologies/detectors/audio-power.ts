/**
 * Powers of sound as integers, for means and weights: levels are logarithms, which cannot be added. A table of powers of
 * ten is all that is needed; it is made with whole numbers, so that it is the same on every machine.
 */

/** Power of a level in hundredths of a decibel, in units of 1e-10: 0 dB is 1e10. At most 40 dB; 0 under -100 dB. */
export function powerOf(centiDb: number): number {
  if (centiDb < FLOOR_CENTI_DB) return 0;
  const capped = Math.min(centiDb, CEILING_CENTI_DB);
  const decade = Math.floor(capped / STEPS_PER_DECADE);
  const mantissa = DECADE[capped - decade * STEPS_PER_DECADE]!;
  return decade >= -1 ? mantissa * TENS[decade + 1]! : Math.floor(mantissa / TENS[-1 - decade]!);
}

/** Level of a power as {@link powerOf} gives it, rounded to a hundredth of a decibel: the highest one that it reaches. -10000 for less than one unit. */
export function centiDbOf(power: number): number {
  if (power < 1) return FLOOR_CENTI_DB;
  let low = FLOOR_CENTI_DB;
  let high = CEILING_CENTI_DB;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (powerOf(middle) <= power) low = middle;
    else high = middle - 1;
  }
  // Adding 0 makes 0 of -0.
  return low + 0;
}

const FLOOR_CENTI_DB = -10_000;
const CEILING_CENTI_DB = 4_000;
const STEPS_PER_DECADE = 1_000;
const TENS = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/** 10^(1/1000) times 2^160, rounded down. */
const STEP = 0x10097137a277153da98fae1a098288a4892b7ab72n;
const STEP_BITS = 160n;
/** 10^(k/1000) in units of 1e-9, for k = 0..999. */
const DECADE = decadeTable();

function decadeTable(): readonly number[] {
  const table: number[] = [];
  let value = 1_000_000_000n << STEP_BITS;
  for (let step = 0; step < STEPS_PER_DECADE; step++) {
    table.push(Number(value >> STEP_BITS));
    value = (value * STEP) >> STEP_BITS;
  }
  return table;
}
