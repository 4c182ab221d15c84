/** The list of streams that a user wrote: a JSON file, and what is wrong with it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseStreamSpec } from '../producers/ingest/parse-stream-spec.ts';
import type { StreamSpec } from '../producers/ingest/stream-spec.ts';
import { messageOf } from '../schemas/errors.ts';
import { ExpectedError } from './failure.ts';

const EXAMPLE = '{"streams": [{"programmeId": "news", "input": "news.mp4", "loop": true}]}';

/**
 * Reads `{"streams": [...]}`, or the array alone. Files are looked for beside the list. Throws an error that names the
 * file, the stream and the field.
 */
export function readStreamsFile(file: string): readonly StreamSpec[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ExpectedError(
      `the list of streams ${file} cannot be read (${code})`,
      `Give a file such as ${EXAMPLE}`,
    );
  }
  return parseStreams(text, file);
}

export function parseStreams(text: string, file: string): readonly StreamSpec[] {
  const list = streamsIn(parseJson(text, file));
  if (list === null || list.length === 0) {
    throw new ExpectedError(`${file} lists no streams`, `Write it as ${EXAMPLE}`);
  }
  return list.map((entry, index) => {
    try {
      const spec = parseStreamSpec(entry);
      return { ...spec, input: besideList(spec.input, file) };
    } catch (error) {
      const why = messageOf(error);
      throw new ExpectedError(`${file}, stream ${index + 1}: ${why}`, `Write it as ${EXAMPLE}`);
    }
  });
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = messageOf(error);
    throw new ExpectedError(`${file} is no JSON (${why})`, `Write it as ${EXAMPLE}`);
  }
}

function streamsIn(value: unknown): readonly unknown[] | null {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null) return null;
  const { streams } = value as { streams?: unknown };
  return Array.isArray(streams) ? streams : null;
}

function besideList(input: string, file: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(input) ? input : path.resolve(path.dirname(file), input);
}
