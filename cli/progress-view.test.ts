import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Progress } from '../local/progress.ts';
import { progressView } from './progress-view.ts';
import type { Terminal } from './terminal.ts';

function recorded(changes: Partial<Terminal> = {}) {
  const written: string[] = [];
  const terminal: Terminal = {
    isTty: false,
    hasColour: false,
    columns: 40,
    write: (text) => written.push(text),
    ...changes,
  };
  return { written, view: progressView(terminal) };
}

function news(step: string, status: Progress['status'], elapsedMs: number, detail = ''): Progress {
  return { step, status, detail, elapsedMs };
}

test('without a terminal: one line when a step begins and ends, and now and then between', () => {
  const { view, written } = recorded();
  view.onProgress(news('start Kafka', 'started', 0, '4.3.1'));
  for (let second = 1; second <= 21; second++) {
    view.onProgress(news('start Kafka', 'running', second * 1000, `${second} s`));
  }
  view.onProgress(news('start Kafka', 'done', 21_500, 'at 127.0.0.1:29092'));
  view.print('a line beside');
  assert.deepEqual(written.join('').split('\n'), [
    '  .. start Kafka: 4.3.1',
    '  .. start Kafka: 10 s (10.0 s)',
    '  .. start Kafka: 20 s (20.0 s)',
    '  ok start Kafka: at 127.0.0.1:29092 (21.5 s)',
    'a line beside',
    '',
  ]);
});

test('on a terminal: steps that run stay at the bottom and are drawn again, what is done stays above', () => {
  const { view, written } = recorded({ isTty: true });
  view.onProgress(news('a', 'started', 0));
  view.onProgress(news('b', 'started', 0));
  view.onProgress(news('a', 'done', 1000));
  view.print('beside');
  view.onProgress(news('b', 'failed', 2000));
  assert.deepEqual(screenAfter(written), ['  ok a (1.0 s)', 'beside', '  !! b (2.0 s)']);
});

test('lines that are drawn again never wrap, whatever colours are in them', () => {
  const { view, written } = recorded({ isTty: true, hasColour: true });
  view.onProgress(news('a', 'running', 1000, 'x'.repeat(200)));
  view.onProgress(news('a', 'running', 2000, 'y'));
  const [line = ''] = screenAfter(written.slice(0, 1));
  assert.equal(line.length, 39);
  assert.deepEqual(screenAfter(written), ['  .. a: y (2.0 s)']);
});

/** What is to be seen after these writes: knows "up n lines", "clear below" and colours. */
function screenAfter(written: readonly string[]): string[] {
  let lines: string[] = [];
  const csi = '\x1b[';
  for (const text of written) {
    let rest = text;
    if (rest.startsWith(csi)) {
      const up = Number.parseInt(rest.slice(csi.length), 10);
      if (!Number.isNaN(up) && rest.startsWith(`${csi}${up}F`)) {
        lines = lines.slice(0, lines.length - up);
        rest = rest.slice(`${csi}${up}F${csi}0J`.length);
      }
    }
    const plain = rest
      .split(csi)
      .map((piece, index) => (index === 0 ? piece : piece.replace(/^[0-9;]*m/, '')));
    lines.push(...plain.join('').split('\n').slice(0, -1));
  }
  return lines;
}
