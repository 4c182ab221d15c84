/**
 * Shows a set-up to whoever waits for it: steps that overlap as lines that are drawn again on a terminal, or as a log
 * of what began, went on and ended where there is none.
 */
import type { OnProgress, Progress } from '../local/progress.ts';
import { styled, type Terminal } from './terminal.ts';

export type ProgressView = {
  readonly onProgress: OnProgress;
  /** Writes a line of its own without disturbing the steps. */
  print(text: string): void;
  /** Leaves the steps as they are and draws no more. */
  end(): void;
};

/** Without a terminal, a step that goes on is mentioned again after this long. */
const REMIND_EVERY_MS = 10_000;

export function progressView(terminal: Terminal): ProgressView {
  return terminal.isTty ? drawnView(terminal) : plainView(terminal);
}

function plainView(terminal: Terminal): ProgressView {
  const mentionedMs = new Map<string, number>();
  const print = (text: string) => terminal.write(`${text}\n`);
  return {
    onProgress: (progress) => {
      const { step, status, elapsedMs } = progress;
      if (status === 'running' && elapsedMs - (mentionedMs.get(step) ?? 0) < REMIND_EVERY_MS) return;
      mentionedMs.set(step, elapsedMs);
      print(stepLine(terminal, progress));
    },
    print,
    end: () => {},
  };
}

function drawnView(terminal: Terminal): ProgressView {
  const running = new Map<string, Progress>();
  let drawn = 0;
  const redraw = (finished: readonly string[]) => {
    const lines = [...running.values()].map((progress) => cut(stepLine(terminal, progress), terminal));
    // Up to where the block began, and everything below it away.
    const rewind = drawn > 0 ? `\x1b[${drawn}F\x1b[0J` : '';
    terminal.write(`${rewind}${[...finished, ...lines].map((text) => `${text}\n`).join('')}`);
    drawn = lines.length;
  };
  return {
    onProgress: (progress) => {
      const isOver = progress.status === 'done' || progress.status === 'failed';
      if (isOver) running.delete(progress.step);
      else running.set(progress.step, progress);
      redraw(isOver ? [stepLine(terminal, progress)] : []);
    },
    print: (text) => redraw([text]),
    end: () => {
      drawn = 0;
      running.clear();
    },
  };
}

function stepLine(terminal: Terminal, progress: Progress): string {
  const { step, status, detail, elapsedMs } = progress;
  const elapsed =
    status === 'started' ? '' : styled(terminal, 'dim', ` (${(elapsedMs / 1000).toFixed(1)} s)`);
  return `  ${mark(terminal, status)} ${step}${detail === '' ? '' : `: ${detail}`}${elapsed}`;
}

function mark(terminal: Terminal, status: Progress['status']): string {
  switch (status) {
    case 'started':
    case 'running':
      return styled(terminal, 'cyan', '..');
    case 'done':
      return styled(terminal, 'green', 'ok');
    case 'failed':
      return styled(terminal, 'red', '!!');
  }
}

/** A line that is drawn again must not wrap: the terminal would count it as two. */
function cut(text: string, terminal: Terminal): string {
  const room = Math.max(terminal.columns - 1, 20);
  let shown = 0;
  let result = '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour sequences take no room on the screen
  for (const [piece] of text.matchAll(/\x1b\[[0-9;]*m|./gsu)) {
    if (piece.startsWith('\x1b[')) result += piece;
    else if (shown++ < room) result += piece;
  }
  return result;
}
