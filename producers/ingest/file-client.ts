/** What a local playlist names: files in its own folder or below, and nothing else. */
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { FetchFailure } from './fetch-failure.ts';
import type { OriginClient } from './origin-client.ts';

/** @param playlist path of the playlist that was given; links are followed before folders are compared */
export function createFileClient(playlist: string): OriginClient {
  return {
    async get({ url, range }) {
      if (url.protocol !== 'file:' || url.host !== '') {
        throw new FetchFailure(
          'forbidden',
          `a local playlist may name files only, not ${url.protocol} addresses`,
        );
      }
      const folder = dirname(await realFile(playlist));
      const path = await realFile(fileURLToPath(url));
      if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
        throw new FetchFailure(
          'forbidden',
          `${url.pathname} is outside the folder of the playlist, ${folder}`,
        );
      }
      const info = await stat(path);
      if (!info.isFile()) throw new FetchFailure('forbidden', `${url.pathname} is no file`);
      const part = partOf(range, info.size);
      const headers: Record<string, string> = { 'content-length': String(part.end - part.start) };
      if (range !== null) headers['content-range'] = `bytes ${part.start}-${part.end - 1}/${info.size}`;
      // Its end is the last byte that is read; of an empty part there is none.
      const body = createReadStream(path, { start: part.start, end: Math.max(part.start, part.end - 1) });
      return { status: range === null ? 200 : 206, finalUrl: pathToFileURL(path), headers, body };
    },
    close() {},
  };
}

async function realFile(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new FetchFailure('http-error', `${path} cannot be read (${code})`, 404);
  }
}

/** Half-open. */
function partOf(range: string | null, size: number): { start: number; end: number } {
  const match = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(range ?? 'bytes=0-');
  const start = Number(match?.[1] ?? 0);
  const end = match?.[2] === undefined || match[2] === '' ? size : Math.min(size, Number(match[2]) + 1);
  if (match === null || start > end) throw new FetchFailure('http-error', `no such part: ${range}`, 416);
  return { start, end };
}
