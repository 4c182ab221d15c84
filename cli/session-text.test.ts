import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blankRecord } from '../schemas/blank-record.ts';
import type { QosScore } from '../schemas/records.ts';
import { sessionLines } from './session-text.ts';
import type { Terminal } from './terminal.ts';

const plain: Terminal = { isTty: false, hasColour: false, columns: 100, write: () => {} };
const score = (fields: Partial<QosScore>): QosScore =>
  blankRecord('qos-scores', {
    ...{
      sessionId: 'abc',
      tenant: 'acme',
      programmeId: 'news',
      kind: 'window',
      revision: 1,
      outcome: 'play',
    },
    ...{ playerState: 'playing', coveragePermille: 1_000, timeSource: 'player' },
    ...fields,
  });
const at = (second: number) => ({ windowStartMs: second * 1_000, windowEndMs: (second + 10) * 1_000 });

test('windows in order, the highest revision of each; what is not told is a dash, never 0', () => {
  const lines = sessionLines(
    [
      score({ ...at(20), score: 70, causes: ['stalls'], causePoints: [30], stallCount: 1, stallMs: 2_000 }),
      score({ ...at(10), score: 90, sessionScore: 90 }),
      score({ ...at(10), score: 95, sessionScore: 95, revision: 2 }),
    ],
    plain,
  );
  assert.equal(lines[0], 'session abc, 1970-01-01T00:00:10.000Z to 1970-01-01T00:00:30.000Z');
  assert.match(lines[2]!, /outcome play; score none so far; start not told/);
  assert.match(lines[5]!, /^00:00:10 +95 +- +playing +0 s +- +- +player +100 %$/);
  assert.match(lines[6]!, /^00:00:20 +70 +stalls 30 +playing +0 s +1, 2 s/);
  assert.match(lines.at(-1)!, /its final record is not there yet/);
});

test('a final: score, interval, causes, and whether it may still change', () => {
  const final = {
    kind: 'final',
    score: 61,
    scoreMin: 58,
    scoreMax: 66,
    causes: ['failure'],
    causePoints: [39],
  };
  const lines = sessionLines([score({ ...at(10) }), score({ ...final, provisional: true })], plain);
  assert.match(lines[2]!, /score 61 \(58 to 66\)/);
  assert.match(lines.join('\n'), /final, revision 1, provisional: heartbeats stopped: score 61/);
  assert.match(lines.join('\n'), /lost to: failure 39/);
});
