/** Figures that a bench writes into a page of the docs, in the place that the page has for them. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Throws when the page has no place of this name: `<!-- NAME begin -->` and `<!-- NAME end -->`. */
export function writeFigures(page: string, text: string, name = 'figures'): void {
  const [begin, end] = [`<!-- ${name} begin -->`, `<!-- ${name} end -->`];
  const before = readFileSync(page, 'utf8');
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${page} has no place for the figures: ${begin} and ${end}`);
  writeFileSync(page, `${before.slice(0, from + begin.length)}\n${text}${before.slice(to)}`);
}
