/** `npm run mutate -- --files 1000 --seed 1`: damaged media files, each watched by a probe to its end. */
import { parseArgs } from 'node:util';
import { runMutations } from './mutation-run.ts';

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    'at-once': { type: 'string', default: '8' },
  },
});
const startedAtMs = Date.now();
const run = await runMutations({
  files: Number(values.files),
  seed: Number(values.seed),
  atOnce: Number(values['at-once']),
  ffmpegPath: process.env.FFMPEG_BIN ?? 'ffmpeg',
  onFile: (done, name) => {
    if (done % 40 === 0) console.error(`${done} files, the last one ${name}`);
  },
});
console.log(
  JSON.stringify(
    { seed: Number(values.seed), ...run, seconds: Math.round((Date.now() - startedAtMs) / 1000) },
    null,
    2,
  ),
);
