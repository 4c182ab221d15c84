/** Short texts to bytes and back, without a Buffer for each. */
import { asciiIn, moveTo, readCursor } from '../schemas/read-cursor.ts';
import { putAscii } from '../schemas/write-cursor.ts';

/** The text in `bytes[start, end)`; what is not UTF-8 reads as U+FFFD. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  moveTo(cursor, bytes, start);
  return asciiIn(cursor, start, end) ?? utf8Slice.call(bytes, start, end);
}

/** Writes a text to the front of `bytes`, which has room for three bytes for each of its units; how many there were. */
export function writeUtf8(text: string, bytes: Uint8Array): number {
  return putAscii(bytes, 0, text) ? text.length : UTF8.encodeInto(text, bytes).written;
}

const cursor = readCursor(new Uint8Array(0));
const UTF8 = new TextEncoder();
/** Of a Buffer, but it reads any bytes: a view for each text would cost as much again. */
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
};
