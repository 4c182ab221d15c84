import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EXP_PPM, EXP_STEP_MILLI, expPpm, STARTUP_PPM, STARTUP_STEP_MS } from './tables.ts';

/** Builds of Node may differ in the last digit of a double: one millionth is far above that. */
function isNear(actual: number, exact: number): boolean {
  return Number.isInteger(actual) && Math.abs(actual - exact * 1_000_000) <= 1;
}

test('the table of exp is exp', () => {
  assert.equal(EXP_PPM.length, 501);
  for (const [k, ppm] of EXP_PPM.entries())
    assert.ok(isNear(ppm, Math.exp((-k * EXP_STEP_MILLI) / 1_000)), `entry ${k} is ${ppm}`);
});

test('the table of startup is the opinion after a wait over the opinion without one', () => {
  const opinion = (seconds: number) => 5 - 0.963 * Math.log10(seconds + 5.381);
  assert.equal(STARTUP_PPM.length, 121);
  for (const [k, ppm] of STARTUP_PPM.entries()) {
    const exact = (opinion((k * STARTUP_STEP_MS) / 1_000) - 1) / (opinion(0) - 1);
    assert.ok(isNear(ppm, exact), `entry ${k} is ${ppm}, and is to be ${exact}`);
  }
});

test('between entries exp is within 40 millionths, and it never rises', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 7_999 }), (x) => {
      assert.ok(Math.abs(expPpm(x) - Math.exp(-x / 1_000) * 1_000_000) < 40);
      assert.ok(expPpm(x + 1) <= expPpm(x));
    }),
  );
  assert.equal(expPpm(0), 1_000_000);
  assert.equal(expPpm(1_000_000), EXP_PPM[500]);
});
