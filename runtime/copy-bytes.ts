/** Short copies between buffers that are used again and again: `set` needs a view of the range, which costs more than to copy it. */

/** Bytes, and the same memory in words. */
export type BytesView = { readonly bytes: Uint8Array; readonly words: DataView };

export function viewOf(bytes: Uint8Array): BytesView {
  return { bytes, words: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/** Copies `from[start, start + length)` to `to[at, at + length)`; the two do not overlap. */
export function copyBytes(to: BytesView, at: number, from: BytesView, start: number, length: number): void {
  if (length > WORDS_MAX) {
    to.bytes.set(from.bytes.subarray(start, start + length), at);
    return;
  }
  if (length < 8) {
    const target = to.bytes;
    const source = from.bytes;
    for (let i = 0; i < length; i++) target[at + i] = source[start + i]!;
    return;
  }
  const target = to.words;
  const source = from.words;
  // the last eight are copied twice where need be
  const last = length - 8;
  for (let i = 0; i < last; i += 8) target.setBigInt64(at + i, source.getBigInt64(start + i));
  target.setBigInt64(at + last, source.getBigInt64(start + last));
}

const WORDS_MAX = 512;
