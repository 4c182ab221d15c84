import assert from 'node:assert/strict';
import { test } from 'node:test';
import { positiveMurmur2 } from './partitioner.ts';

const toPositive = (signed: number) => signed & 0x7fffffff;

test("murmur2 agrees with the vectors of Kafka's own UtilsTest", () => {
  const vectors: readonly (readonly [string, number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [key, signed] of vectors) {
    assert.equal(positiveMurmur2(Buffer.from(key)), toPositive(signed), key);
  }
});
