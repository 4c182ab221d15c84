/**
 * Features of the files, measured once and kept: a detector that was changed is judged anew on all of them in a minute.
 * What is kept is of these sources of the probe and of this ffmpeg only.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { featuresOf, OWN_RENDITION } from '../../cli/analyze/analysis.ts';
import { REFERENCE_RENDITION } from '../../cli/analyze/reference.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import type { MediaFile } from './media-file.ts';
import { hashOf, type Workshop } from './workshop.ts';

/** A file and what it is compared with, as `everyview analyze` reads them. */
export async function measured(
  workshop: Workshop,
  { path, reference }: Pick<MediaFile, 'path' | 'reference'>,
): Promise<{ readonly chunks: readonly FrameFeatures[]; readonly reference: readonly FrameFeatures[] }> {
  const chunks = await kept(workshop, path, OWN_RENDITION);
  return {
    chunks,
    reference: reference === undefined ? [] : await kept(workshop, reference, REFERENCE_RENDITION),
  };
}

/** The name under which every file is looked at. */
export const STREAM_ID = 'bench';

async function kept(
  workshop: Workshop,
  input: string,
  renditionId: string,
): Promise<readonly FrameFeatures[]> {
  const recipe = ['features', input, renditionId, await probeOf(workshop)];
  const file = await workshop.made(recipe, 'features', async (unfinished) => {
    const chunks = await featuresOf(
      {
        ...{ streamId: STREAM_ID, input, ffmpegPath: workshop.ffmpegPath },
        ...{ clock: systemClock, signal: workshop.signal, onProgress: () => {} },
      },
      input,
      renditionId,
    );
    // columns are typed arrays, which JSON does not know
    writeFileSync(unfinished, serialize(chunks));
  });
  return deserialize(readFileSync(file));
}

let probe: Promise<string> | null = null;

/** Hash of what decides how features come out. */
function probeOf(workshop: Workshop): Promise<string> {
  probe ??= workshop.ffmpeg(['-version']).then(({ stdout }) => {
    const sources = ['producers/ingest', 'schemas'].flatMap((name) => {
      const folder = fileURLToPath(new URL(`../../${name}/`, import.meta.url));
      const files = readdirSync(folder).filter(
        (file) => /\.(ts|avsc)$/.test(file) && !file.endsWith('.test.ts'),
      );
      return files.sort().map((file) => [file, readFileSync(`${folder}${file}`, 'utf8')]);
    });
    return hashOf([stdout.toString(), sources]);
  });
  return probe;
}
