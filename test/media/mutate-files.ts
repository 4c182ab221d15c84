/**
 * `npm run mutate -- --files 1000 --seed 1`: damaged media files, each watched by a probe to its end. `--from 400` goes on at
 * that file; `--page docs/mutated-media.md` writes what came of it.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ffmpegAbilities } from '../../producers/ingest/ffmpeg-abilities.ts';
import { MUTATION_LIMITS, type MutatedFile, type MutationRun, runMutations } from './mutation-run.ts';

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    'at-once': { type: 'string', default: '4' },
    page: { type: 'string' },
  },
});
const ffmpegPath = process.env.FFMPEG_BIN ?? 'ffmpeg';
const startedAtMs = Date.now();
let done = Number(values.from);
const run = await runMutations({
  from: done,
  to: Number(values.files),
  seed: Number(values.seed),
  atOnce: Number(values['at-once']),
  ffmpegPath,
  onFile({ name, kind, limit }) {
    done++;
    if (limit !== null) console.error(`${name}: ${limit}`);
    if (done % 25 === 0) console.error(`${done} files, the last one ${name}: ${kind}`);
  },
});
const table = tableOf(run);
console.log(table);
if (values.page !== undefined) {
  const { build } = await ffmpegAbilities(ffmpegPath);
  const minutes = Math.round((Date.now() - startedAtMs) / 60_000);
  writeFileSync(values.page, pageOf(table, build, minutes));
}

function pageOf(figures: string, build: string, minutes: number): string {
  const { memoryMb, busyMs, stalledMs } = MUTATION_LIMITS;
  const { files, seed } = values;
  return `# Damaged media files

    npm run mutate -- --files ${files} --seed ${seed} --page docs/mutated-media.md

A seed damages short clips of several containers and codecs (\`test/media/mutations.ts\`): flipped bits, lies in places where
sizes are, bytes cut off at either end, pieces of other files, noise, zeros, repetitions; one to four of them in each file. A
probe watches each file to its end. Of each it is demanded that it ends as data (an \`end\` record, or \`signal-lost\` with
the reason), that its records are numbered without gaps, that their columns are whole, and that none is too large for the
log; that the supervisor stays; that its memory is bounded. One decoder may hold ${memoryMb} MB, and work for ${busyMs / 1_000} s or
stand still for ${stalledMs / 1_000} s without anything coming of it. \`npm test\` watches a few files of another seed.

This page was written by the command above: ffmpeg ${build}, ${minutes} minutes with ${values['at-once']} decoders at a time.

${figures}
`;
}

/** By what the files were; the whole of them last. */
function tableOf({ files, memoryMbMax }: MutationRun): string {
  const kinds = [...new Set(files.map(({ what }) => what))].toSorted();
  const rows = kinds.map((kind) =>
    row(
      kind,
      files.filter(({ what }) => what === kind),
    ),
  );
  const held = files.filter(({ limit }) => limit !== null);
  return [
    '| files | number | ended | given up, with the reason | something decoded | pictures | errors of the decoder |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    row('all', files),
    '',
    `Greatest memory of the supervisor: ${memoryMbMax} MB. Decoders that broke a limit: ${held.length}.`,
    ...held.map(({ name, limit }) => `- \`${name}\`: ${limit}`),
  ].join('\n');
}

function row(what: string, files: readonly MutatedFile[]): string {
  const count = (is: (file: MutatedFile) => boolean) => files.filter(is).length;
  const sum = (of: (file: MutatedFile) => number) => files.reduce((total, file) => total + of(file), 0);
  const cells = [
    what,
    files.length,
    count(({ kind }) => kind === 'ended'),
    count(({ kind }) => kind === 'failed'),
    count(({ hasFeatures }) => hasFeatures),
    sum(({ pictures }) => pictures),
    sum(({ decodeErrors }) => decodeErrors),
  ];
  return `| ${cells.join(' | ')} |`;
}
