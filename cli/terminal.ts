/** The two streams that a command writes to, and how much they can show. */
import { styleText } from 'node:util';

/** A stream to write to: `out` is what was asked for, `err` everything beside it. */
export type Terminal = {
  readonly isTty: boolean;
  readonly hasColour: boolean;
  readonly columns: number;
  write(text: string): void;
};

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** The text in this style where colours are shown, else as it is. */
export function styled(terminal: Terminal, style: Style, text: string): string {
  return terminal.hasColour ? styleText(style, text, { validateStream: false }) : text;
}

/** A number of things, whose plural ends in `s`. */
export function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

export function line(terminal: Terminal, text: string): void {
  terminal.write(`${text}\n`);
}

/** One JSON value as one line, bytes as base64. */
export function jsonLine(terminal: Terminal, value: unknown): void {
  line(terminal, toJson(value));
}

export function toJson(value: unknown): string {
  return JSON.stringify(value, (_name, field: unknown) => {
    // Buffers have a toJSON of their own, which has already run when the replacer sees them.
    if (isBufferJson(field)) return Buffer.from(field.data).toString('base64');
    return field instanceof Uint8Array ? Buffer.from(field).toString('base64') : field;
  });
}

/** Rows as columns of equal width, two spaces apart; the last one is as long as it is. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** A terminal over a stream of the process. Colours follow NO_COLOR and FORCE_COLOR, then what the stream is. */
export function terminalOf(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Terminal {
  const isTty = stream.isTTY === true;
  return {
    isTty,
    hasColour: hasColour(isTty, env),
    get columns() {
      // Zero is what some pseudo-terminals say of themselves.
      return stream.columns > 0 ? stream.columns : 100;
    },
    write: (text) => {
      stream.write(text);
    },
  };
}

function hasColour(isTty: boolean, env: NodeJS.ProcessEnv): boolean {
  if ((env.NO_COLOR ?? '') !== '') return false;
  const forced = env.FORCE_COLOR;
  if (forced !== undefined && forced !== '') return forced !== '0';
  return isTty && env.TERM !== 'dumb';
}

function isBufferJson(field: unknown): field is { type: 'Buffer'; data: number[] } {
  if (typeof field !== 'object' || field === null) return false;
  const { type, data } = field as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(data);
}
