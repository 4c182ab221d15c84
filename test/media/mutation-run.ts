/** Watches mutated files and holds what a probe owes of each, whatever is in it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startIngest } from '../../producers/ingest/ingest.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { encodeValue } from '../../schemas/codec.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { mutate, wholeFiles } from './mutations.ts';

export type MutationRun = {
  readonly files: number;
  readonly ended: number;
  readonly failed: number;
  /** Files of which something was decoded. */
  readonly withFeatures: number;
  readonly pictures: number;
  readonly decodeErrors: number;
  /** Files that were given up because their decoder broke a limit, with the limit. */
  readonly limits: readonly string[];
  /** Greatest memory that this process held, MB. */
  readonly memoryMbMax: number;
};

export type MutationOptions = {
  readonly files: number;
  readonly seed: number;
  readonly ffmpegPath: string;
  readonly atOnce: number;
  readonly onFile?: (done: number, name: string) => void;
};

/** Throws an AssertionError that names the file and its seed when a probe breaks a promise. */
export async function runMutations(options: MutationOptions): Promise<MutationRun> {
  const { files, seed, ffmpegPath, atOnce } = options;
  const folder = mkdtempSync(join(tmpdir(), 'everyview-mutations-'));
  const totals = { ended: 0, failed: 0, withFeatures: 0, pictures: 0, decodeErrors: 0 };
  const limits: string[] = [];
  let memoryBytes = 0;
  try {
    const whole = await wholeFiles(ffmpegPath, folder);
    for (let from = 0; from < files; from += atOnce) {
      const batch = Array.from({ length: Math.min(atOnce, files - from) }, (_, i) => {
        const { name, bytes } = mutate(whole, seed, from + i);
        writeFileSync(join(folder, name), bytes);
        return name;
      });
      for (const { name, records, kind, reason } of await watch(batch, folder, ffmpegPath)) {
        try {
          checkRecords(records, kind);
        } catch (error) {
          if (error instanceof Error) error.message = `seed ${seed}, ${name}: ${error.message}`;
          throw error;
        }
        rmSync(join(folder, name));
        totals[kind]++;
        if (records.some(({ event }) => event === 'features')) totals.withFeatures++;
        totals.pictures += sum(records.map(({ framePtsMs }) => framePtsMs.length));
        totals.decodeErrors += sum(records.map(({ decodeErrors }) => decodeErrors));
        if (/the decoder (holds|has used)|come out of the decoder/.test(reason))
          limits.push(`${name}: ${reason}`);
        memoryBytes = Math.max(memoryBytes, process.memoryUsage.rss());
        options.onFile?.(totals.ended + totals.failed, name);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { files, ...totals, limits, memoryMbMax: Math.round(memoryBytes / 1e6) };
}

type Watched = {
  readonly name: string;
  readonly records: readonly FrameFeatures[];
  readonly kind: 'ended' | 'failed';
  readonly reason: string;
};

async function watch(
  names: readonly string[],
  folder: string,
  ffmpegPath: string,
): Promise<readonly Watched[]> {
  const records: FrameFeatures[] = [];
  const limits = { memoryMb: 400, busyMs: 20_000, stalledMs: 30_000 };
  const ingest = await startIngest({
    streams: names.map((name) => ({ programmeId: name, input: join(folder, name), pace: 'fast', limits })),
    sink: { write: async (_key, record) => void records.push(record) },
    ffmpegPath,
    clock: systemClock,
    probeId: 'mutations',
    probeEpochMs: 1,
  });
  const results = await ingest.done;
  return results.map(({ stream: { programmeId: name }, outcome: { kind, reason } }) => {
    assert.ok(kind === 'ended' || kind === 'failed', `${name}: ${kind}`);
    return { name, records: records.filter(({ programmeId }) => programmeId === name), kind, reason };
  });
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
