/** Pages of HTML that need nothing else: one file each. */
import { writeFileSync } from 'node:fs';
import { messageOf } from '../schemas/errors.ts';
import { ExpectedError } from './failure.ts';

export type HtmlPage = {
  /** Plain text. */
  readonly title: string;
  readonly style: string;
  /** HTML. */
  readonly body: string;
};

export function htmlPage({ title, style, body }: HtmlPage): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><style>${style}</style></head><body>
${body}
</body></html>
`;
}

/** A text as HTML, in elements and in attributes. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Throws {@link ExpectedError} when the file cannot be written. */
export function writePage(file: string, html: string): void {
  try {
    writeFileSync(file, html);
  } catch (cause) {
    throw new ExpectedError(
      `the page cannot be written: ${messageOf(cause)}`,
      'Name a file in a folder that is there and may be written to',
    );
  }
}
