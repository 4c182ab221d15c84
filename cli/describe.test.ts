import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { describe, diagram } from '../runtime/describe.ts';
import { TOPOLOGIES } from './topologies.ts';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

test('what the topologies are is a golden text', () => {
  assert.equal(
    describe(TOPOLOGIES),
    read('test/golden/describe.txt'),
    'if that is what you meant: everyview describe > test/golden/describe.txt',
  );
});

test("ARCHITECTURE.md's diagram is made from the topologies", () => {
  const [, drawn] = /```mermaid\n([\s\S]*?)```/.exec(read('ARCHITECTURE.md')) ?? [];
  assert.equal(
    drawn,
    diagram(TOPOLOGIES),
    'put what this prints between the ```mermaid lines of ARCHITECTURE.md: everyview describe --mermaid',
  );
});
