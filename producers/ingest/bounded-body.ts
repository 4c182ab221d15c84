/** The body of an answer, read within bounds of size and time. */
import type { Readable } from 'node:stream';
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { FetchFailure } from './fetch-failure.ts';
import { type Answer, shown } from './origin-client.ts';

export type BodyBounds = {
  readonly bytesMax: number;
  /** Without a further byte, ms. */
  readonly idleMs: number;
  /** Waiting for the sender over the whole body, ms; null for no limit. Time in which nobody reads does not count. */
  readonly waitMs: number | null;
};

/**
 * The bytes as they come. Throws {@link FetchFailure}: `timeout`, `too-large`, `truncated`. The body is destroyed when
 * reading ends, however it ends.
 *
 * @param name of the address, for messages
 */
export async function* boundedBody(
  body: Readable,
  bounds: BodyBounds,
  name: string,
): AsyncGenerator<Uint8Array, void> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let bytes = 0;
  let leftMs = bounds.waitMs ?? Number.POSITIVE_INFINITY;
  try {
    for (;;) {
      const askedAtMs = performance.now();
      const next = await nextWithin(chunks, body, Math.min(bounds.idleMs, leftMs), name);
      leftMs -= performance.now() - askedAtMs;
      if (next.done === true) return;
      bytes += next.value.length;
      if (bytes > bounds.bytesMax) {
        throw new FetchFailure('too-large', `${name} is longer than ${bounds.bytesMax} bytes`);
      }
      yield next.value;
    }
  } finally {
    body.destroy();
  }
}

/**
 * All of it, decompressed when the sender compressed it; null when `isWanted`, which is asked with the first bytes (4 KB,
 * or all where there are fewer), says no.
 */
export async function manifestBody(
  { body, headers, finalUrl }: Answer,
  bounds: BodyBounds,
  isWanted: (beginning: Buffer) => boolean,
): Promise<Buffer | null> {
  const name = shown(finalUrl);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  let isSure = false;
  for await (const part of boundedBody(body, bounds, name)) {
    parts.push(part);
    bytes += part.length;
    if (isSure || bytes < BEGINNING_BYTES) continue;
    if (!isWanted(Buffer.concat(parts).subarray(0, BEGINNING_BYTES))) return null;
    isSure = true;
  }
  const whole = Buffer.concat(parts);
  if (!isSure && !isWanted(whole)) return null;
  return decompressed(whole, headers['content-encoding'], bounds.bytesMax, name);
}

const BEGINNING_BYTES = 4_096;

async function nextWithin(
  chunks: AsyncIterator<Uint8Array>,
  body: Readable,
  limitMs: number,
  name: string,
): Promise<IteratorResult<Uint8Array>> {
  const timer = setTimeout(
    () => body.destroy(new FetchFailure('timeout', `${name} sends nothing more`)),
    Math.max(1, limitMs),
  );
  try {
    return await chunks.next();
  } catch (error) {
    if (error instanceof FetchFailure) throw error;
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new FetchFailure('truncated', `${name} breaks off (${why})`);
  } finally {
    clearTimeout(timer);
  }
}

const DECOMPRESSORS = {
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
};

function decompressed(bytes: Buffer, encoding: string | undefined, bytesMax: number, name: string): Buffer {
  const decompress = DECOMPRESSORS[encoding as keyof typeof DECOMPRESSORS];
  if (decompress === undefined) return bytes;
  try {
    return decompress(bytes, { maxOutputLength: bytesMax });
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new FetchFailure('not-a-manifest', `${name} cannot be decompressed (${why})`);
  }
}
