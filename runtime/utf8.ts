/** Short texts to bytes and back, without a Buffer for each. */

/** The text in `bytes[start, end)`; what is not UTF-8 reads as U+FFFD. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  return utf8Slice.call(bytes, start, end);
}

/** Writes a text to the front of `bytes`, which has room for three bytes for each of its units; how many there were. */
export function writeUtf8(text: string, bytes: Uint8Array): number {
  const { length } = text;
  if (length <= ASCII_LOOP_MAX) {
    let at = 0;
    for (; at < length; at++) {
      const unit = text.charCodeAt(at);
      if (unit > 0x7f) break;
      bytes[at] = unit;
    }
    if (at === length) return length;
  }
  return UTF8.encodeInto(text, bytes).written;
}

/** Up to here a loop beats the call. */
const ASCII_LOOP_MAX = 64;
const UTF8 = new TextEncoder();
/** Of a Buffer, but it reads any bytes: a view for each text would cost as much again. */
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
};
