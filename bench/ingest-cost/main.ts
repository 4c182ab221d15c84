/**
 * `npm run bench:ingest`: what watching a stream costs, beside decoding it and nothing else, and beside ffmpeg's own
 * filters. CPU time is that of user and system, of ffmpeg and Node together, paired in one run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { resolveFfmpeg } from '../../local/ffmpeg.ts';
import { DEPTHS, type Depth } from '../../schemas/depths.ts';
import { writeFigures } from '../figures.ts';
import { cpuSecondsOf, onOneCpu } from './cpu-time.ts';
import { describeFile, FILES, renderFile, renderLiveClip } from './files.ts';
import { type LiveUsage, watchLive } from './live-streams.ts';
import { MEMORY_MB_MAX, type Measured, OF_CHAIN_MAX, RATIO_MAX, renderPage, renderTables } from './page.ts';

const HELP = `Usage: npm run bench:ingest -- [options]

For each file, at the same time and on one CPU (taskset of util-linux keeps them there): decoding alone (ffmpeg -f null,
one thread) three times, and ingest with every detector (everyview analyze FILE --json, from its first process to its
last) twice. Then the command's start alone, and the chain signalstats,blockdetect,blurdetect,siti on the file's first
seconds. Then streams at live pace in each depth, in one process (1280x720, 3 Mbit/s).

  --source FILE        clip that the files are rendered from (the trailer in test/media)
  --files A,B          measure these instead of rendering any
  --rounds N           medians over so many (3); 0 for streams at live pace alone
  --chain-seconds N    how much of a file the chain gets (4)
  --live full=4,keyframes=10,packets=100   streams in each depth; '' for none
  --live-seconds N     how long they are measured (20)
  --page FILE          write the tables into this page, between its marks
  --json
  --help`;

const CHAIN = 'signalstats,blockdetect,blurdetect,siti';

const { values } = parseArgs({
  options: {
    source: { type: 'string' },
    files: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    'chain-seconds': { type: 'string', default: '4' },
    live: { type: 'string', default: 'full=4,keyframes=10,packets=100' },
    'live-seconds': { type: 'string', default: '20' },
    page: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

type Round = {
  readonly decode: number;
  readonly ours: number;
  readonly boot: number;
  readonly ratio: number;
  readonly chainRatio: number;
};

if (values.help) process.stdout.write(`${HELP}\n`);
else await main();

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'everyview-cost-'));
  try {
    const resolved = await resolveFfmpeg({ allowInstall: true, onProgress: () => {}, env: process.env });
    const measured: Measured[] = [];
    const files = await filesIn(folder, resolved.path);
    const loads = [loadavg()[0]!];
    for (const { name, path } of Number(values.rounds) > 0 ? files : []) {
      measured.push(await measure(resolved.path, folder, name, path));
      say(JSON.stringify(measured.at(-1)));
    }
    const live: LiveUsage[] = [];
    const clip = values.live === '' ? '' : await renderLiveClip(resolved.path, folder);
    for (const [depth, count] of liveCounts()) {
      live.push(await watchLive(resolved.path, clip, depth, count, Number(values['live-seconds'])));
      say(JSON.stringify(live.at(-1)));
    }
    process.stdout.write(
      values.json ? `${JSON.stringify({ measured, live }, null, 2)}\n` : renderTables(measured, live),
    );
    loads.push(loadavg()[0]!);
    if (values.page !== undefined)
      writeFigures(values.page, renderPage({ measured, live, ffmpeg: resolved.version, loads }));
    const isMissed =
      measured.some(({ ratio, ofChain }) => ratio > RATIO_MAX || ofChain > OF_CHAIN_MAX) ||
      live.some(
        ({ depth, memoryMb, streams, alive }) =>
          alive < streams || (depth === 'full' && memoryMb > MEMORY_MB_MAX),
      );
    if (isMissed) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function filesIn(folder: string, ffmpegPath: string) {
  if (values.files !== undefined) {
    return await Promise.all(
      values.files
        .split(',')
        .map(async (path) => ({ name: `${basename(path)}: ${await describeFile(ffmpegPath, path)}`, path })),
    );
  }
  const files: { readonly name: string; readonly path: string }[] = [];
  for (const kind of FILES) {
    const path = await renderFile(ffmpegPath, folder, kind, values.source);
    files.push({ name: await describeFile(ffmpegPath, path), path });
  }
  return files;
}

/**
 * What is compared runs at the same time on one CPU, where the scheduler gives both the same machine: two CPUs may be two
 * threads of one core, on which a decoder and Node slow each other down, or not, from one minute to the next.
 */
async function measure(ffmpegPath: string, folder: string, name: string, path: string): Promise<Measured> {
  const command = fileURLToPath(new URL('../../bin/everyview.mjs', import.meta.url));
  const seconds = values['chain-seconds'];
  const decoding = ['-nostdin', '-v', 'quiet', '-threads', '1', '-i', path];
  const env = { ...process.env, FFMPEG_BIN: ffmpegPath, EVERYVIEW_DATA_DIR: folder };
  const analyze = (...args: string[]) =>
    cpuSecondsOf(...onOneCpu(process.execPath, [command, 'analyze', ...args]), env);
  const decodeAll = () => cpuSecondsOf(...onOneCpu(ffmpegPath, [...decoding, '-f', 'null', '-']));
  // The first time of all, sources are compiled and ffmpeg is asked what it can do.
  await analyze(path, '--json');
  const rounds: Round[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const [decode, ours] = await Promise.all([
      meanOf(3, decodeAll),
      meanOf(2, () => analyze(path, '--json')),
    ]);
    const boot = await analyze('--help');
    const start = await cpuSecondsOf(ffmpegPath, [...decoding, '-t', seconds, '-f', 'null', '-']);
    const filters = ['-t', seconds, '-filter_threads', '1', '-vf', CHAIN, '-f', 'null', '-'];
    const chain = await cpuSecondsOf(ffmpegPath, [...decoding, ...filters]);
    rounds.push({ decode, ours, boot, ratio: ours / decode, chainRatio: chain / start });
  }
  const median = (pick: (round: Round) => number) =>
    rounds.map(pick).sort((a, b) => a - b)[Math.floor(rounds.length / 2)]!;
  return {
    file: name,
    decodeSeconds: median(({ decode }) => decode),
    oursSeconds: median(({ ours }) => ours),
    startSeconds: median(({ boot }) => boot),
    ratio: median(({ ratio }) => ratio),
    chainRatio: median(({ chainRatio }) => chainRatio),
    ofChain: median(({ ratio, chainRatio }) => ratio / chainRatio),
  };
}

async function meanOf(times: number, run: () => Promise<number>): Promise<number> {
  let sum = 0;
  for (let time = 0; time < times; time++) sum += await run();
  return sum / times;
}

function liveCounts(): readonly (readonly [Depth, number])[] {
  if (values.live === '') return [];
  return values.live.split(',').map((text) => {
    const [depth, count] = text.split('=');
    const known = DEPTHS.find((one) => one === depth);
    if (known === undefined || !(Number(count) > 0))
      throw new Error(`--live ${text}: write ${DEPTHS.join('=N, ')}=N`);
    return [known, Number(count)] as const;
  });
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
