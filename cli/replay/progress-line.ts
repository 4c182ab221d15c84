/** One line that is written over while long work goes on; nothing where there is no terminal. */
import type { Terminal } from '../terminal.ts';

export type ProgressLine = { show(text: string): void; end(): void };

export function progressLine(terminal: Terminal): ProgressLine {
  let isShown = false;
  return {
    show(text) {
      if (!terminal.isTty) return;
      terminal.write(`\r\u001b[2K${text.slice(0, terminal.columns - 1)}`);
      isShown = true;
    },
    end() {
      if (isShown) terminal.write('\r\u001b[2K');
      isShown = false;
    },
  };
}
