/** Watches mutated files and holds what a probe owes of each, whatever is in it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startIngest } from '../../producers/ingest/ingest.ts';
import { parseStreamSpec } from '../../producers/ingest/parse-stream-spec.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { encodeValue } from '../../schemas/codec.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { type Mutated, mutate, wholeFiles } from './mutations.ts';

/** What became of one file. */
export type MutatedFile = Pick<Mutated, 'name' | 'what' | 'damages'> & {
  readonly kind: 'ended' | 'failed';
  /** Something in it was decoded. */
  readonly hasFeatures: boolean;
  readonly pictures: number;
  readonly decodeErrors: number;
  /** It was given up because its decoder broke this limit; null for none. */
  readonly limit: string | null;
};

export type MutationRun = {
  readonly files: readonly MutatedFile[];
  /** Greatest memory that this process held, MB. */
  readonly memoryMbMax: number;
};

export type MutationOptions = {
  /** Number of the first file, and of the one behind the last. */
  readonly from: number;
  readonly to: number;
  readonly seed: number;
  readonly ffmpegPath: string;
  readonly atOnce: number;
  readonly onFile?: (file: MutatedFile) => void;
};

/** What one decoder may use: less than by default, so that breaking it takes less time. */
export const MUTATION_LIMITS = { memoryMb: 400, busyMs: 20_000, stalledMs: 30_000 };

/** Throws an AssertionError that names the file and its seed when a probe breaks a promise. */
export async function runMutations(options: MutationOptions): Promise<MutationRun> {
  const { from, to, seed, ffmpegPath, atOnce } = options;
  const folder = mkdtempSync(join(tmpdir(), 'everyview-mutations-'));
  const files: MutatedFile[] = [];
  let memoryBytes = 0;
  try {
    const whole = await wholeFiles(ffmpegPath, folder);
    for (let first = from; first < to; first += atOnce) {
      const batch = Array.from({ length: Math.min(atOnce, to - first) }, (_, i) =>
        mutate(whole, seed, first + i),
      );
      for (const { name, bytes } of batch) writeFileSync(join(folder, name), bytes);
      const watched = await watch(batch, folder, ffmpegPath);
      for (const [at, one] of watched.entries()) {
        const file = resultOf(batch[at]!, one, seed);
        rmSync(join(folder, file.name));
        files.push(file);
        memoryBytes = Math.max(memoryBytes, process.memoryUsage.rss());
        options.onFile?.(file);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { files, memoryMbMax: Math.round(memoryBytes / 1e6) };
}

type Watched = {
  readonly records: readonly FrameFeatures[];
  readonly kind: string;
  readonly reason: string;
};

/** In the order of the files. */
async function watch(
  batch: readonly Mutated[],
  folder: string,
  ffmpegPath: string,
): Promise<readonly Watched[]> {
  const records: FrameFeatures[] = [];
  const ingest = await startIngest({
    streams: batch.map(({ name }) =>
      parseStreamSpec({
        ...{ programmeId: name, input: join(folder, name), pace: 'fast', limits: MUTATION_LIMITS },
      }),
    ),
    sink: { write: async (_key, record) => void records.push(record) },
    ffmpegPath,
    clock: systemClock,
    probeId: 'mutations',
    probeEpochMs: 1,
  });
  const ending = new AbortController();
  const hung = systemClock.sleep(HUNG_MS, ending.signal).then(() => 'hung' as const);
  const results = await Promise.race([ingest.done, hung]);
  ending.abort();
  const names = batch.map(({ name }) => name).join(', ');
  assert.ok(results !== 'hung', `after ${HUNG_MS} ms no end of one of ${names}`);
  return results.map(({ stream: { programmeId: name }, outcome: { kind, reason } }) => {
    return { records: records.filter(({ programmeId }) => programmeId === name), kind, reason };
  });
}

/** Longer than every limit of every decoder that one file may be given. */
const HUNG_MS = 300_000;

function resultOf(
  { name, what, damages }: Mutated,
  { records, kind, reason }: Watched,
  seed: number,
): MutatedFile {
  try {
    assert.ok(kind === 'ended' || kind === 'failed', kind);
    checkRecords(records, kind);
    const limit =
      /the decoder (?:holds|has used)[^)]*|nothing has come out of the decoder[^)]*/.exec(reason)?.[0] ??
      null;
    return {
      ...{ name, what, damages, kind, limit },
      hasFeatures: records.some(({ event }) => event === 'features'),
      pictures: sum(records.map(({ framePtsMs }) => framePtsMs.length)),
      decodeErrors: sum(records.map(({ decodeErrors }) => decodeErrors)),
    };
  } catch (error) {
    if (error instanceof Error) error.message = `seed ${seed}, ${name}: ${error.message}`;
    throw error;
  }
}

/** What is true of the records of any input. */
function checkRecords(records: readonly FrameFeatures[], kind: 'ended' | 'failed'): void {
  assert.equal(records.at(-1)?.event, kind === 'ended' ? 'end' : 'signal-lost', 'it ends as data');
  for (const [at, record] of records.entries()) {
    assert.equal(record.seq, at, 'numbers without gaps');
    const columns = [record.lumaMeanCenti, record.darkPermille, record.diffMeanCenti, record.anchorAgeMs];
    assert.ok(
      columns.every(({ length }) => length === record.framePtsMs.length),
      'whole columns',
    );
    if (record.audioChannels > 0) {
      assert.equal(record.audioRmsCentiDbfs.length % record.audioChannels, 0, 'whole audio blocks');
    }
    const bytes = encodeValue('frame-features', 1, record);
    assert.ok(bytes.length < RECORD_BYTES_MAX, `a record of ${bytes.length} bytes`);
  }
}

/** Kafka takes no more by default. */
const RECORD_BYTES_MAX = 1_000_000;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
