import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { alignRepeatedSound, alignSound } from './align-sound.ts';
import type { Sound } from './av-fingerprint.ts';

const BIT_US = 6_250;

/** Swells of sound as a row of bits. */
function rowOf(seed: number, bits: number): boolean[] {
  const random = new SeededRandom(seed);
  const row: boolean[] = [];
  while (row.length < bits) {
    for (let i = random.between(2, 12); i > 0; i--) row.push(true);
    for (let i = random.between(4, 40); i > 0; i--) row.push(false);
  }
  return row.slice(0, bits);
}

function soundOf(row: readonly boolean[], fromBlock = 0): Sound {
  const blocks = new Uint16Array(Math.floor(row.length / 16));
  for (let i = 0; i < blocks.length * 16; i++) if (row[i]) blocks[i >> 4]! |= 0x8000 >> (i & 15);
  return { fromBlock, blocks, present: blocks.length };
}

test('the lag is found to half a bit, wherever the same sound lies in a minute', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 8_000 }), fc.integer(), (lagBits, seed) => {
      const film = rowOf(seed, 10_000);
      const here = soundOf(film.slice(lagBits, lagBits + 1_280), 700);
      const peak = alignSound(soundOf(film), here, -60_000_000, 130_000_000);
      // What lies at bit `lagBits` there lies at block 700 here.
      const lagUs = (700 * 16 - lagBits) * BIT_US;
      assert.ok(peak !== null && Math.abs(peak.lagUs - lagUs) <= BIT_US / 2, `${peak?.lagUs} for ${lagUs}`);
      assert.ok(peak.score > 990_000 && peak.secondScore < 400_000);
    }),
    { numRuns: 30 },
  );
});

test('other sound is not alike; silence and what is mostly missing have no lag', () => {
  const film = soundOf(rowOf(1, 6_400));
  const other = alignSound(film, soundOf(rowOf(2, 1_280)), -40_000_000, 0);
  assert.ok(other === null || other.score < 350_000);
  assert.equal(alignSound(film, soundOf(new Array(1_280).fill(false)), -40_000_000, 0), null);
  assert.equal(alignSound(film, { ...soundOf(rowOf(1, 1_280)), present: 20 }, -40_000_000, 0), null);
});

test('of several showings the one nearest to the hint comes first', () => {
  const once = rowOf(3, 1_600);
  const there = soundOf([...once, ...once, ...once, ...once]);
  const here = soundOf(once.slice(160, 1_440), 10);
  const lagUs = (hintUs: number) =>
    alignRepeatedSound(there, here, -40_000_000, 2_000_000, hintUs, 6)[0]!.lagUs;
  for (const showing of [0, 1, 2, 3]) {
    const expectedUs = -showing * 10_000_000;
    assert.ok(Math.abs(lagUs(expectedUs + 1_200_000) - expectedUs) <= BIT_US / 2);
  }
});
