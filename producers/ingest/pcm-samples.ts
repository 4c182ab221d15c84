/** Sound as the decoder writes it: 16-bit samples. */

/** The bytes as 16-bit samples, little-endian as the decoder writes them and as every machine that Node runs on is. */
export function toSamples(bytes: Uint8Array): Int16Array {
  const whole = bytes.length - (bytes.length % 2);
  if (bytes.byteOffset % 2 === 0) return new Int16Array(bytes.buffer, bytes.byteOffset, whole / 2);
  return new Int16Array(new Uint8Array(bytes).buffer, 0, whole / 2);
}
