/** Figures that a bench writes into a page of the docs, in the place that the page has for them. */
import { readFileSync, writeFileSync } from 'node:fs';

const [BEGIN, END] = ['<!-- figures begin -->', '<!-- figures end -->'];

/** Throws when the page has no place for them. */
export function writeFigures(page: string, text: string): void {
  const before = readFileSync(page, 'utf8');
  const [from, to] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (from === -1 || to < from) throw new Error(`${page} has no place for the figures: ${BEGIN} and ${END}`);
  writeFileSync(page, `${before.slice(0, from + BEGIN.length)}\n${text}${before.slice(to)}`);
}
