/**
 * `npm run bench:ingest`: what watching a stream costs, beside decoding it and nothing else, and beside ffmpeg's own
 * filters. CPU time is that of user and system, of ffmpeg and Node together, paired in one run.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { resolveFfmpeg } from '../../local/ffmpeg.ts';
import { DEPTHS, type Depth } from '../../schemas/depths.ts';
import { fullClip } from '../ingest-wire/clip.ts';
import { cpuSecondsOf } from './cpu-time.ts';
import { FILES, renderFile } from './files.ts';
import { type LiveUsage, watchLive } from './live-streams.ts';

const HELP = `Usage: npm run bench:ingest -- [options]

For each file, in turns: decoding alone (ffmpeg -f null, one thread), ingest with every detector (everyview analyze
without its report, Node's start included), and the chain signalstats,blockdetect,blurdetect,siti on its first seconds.
Then streams at live pace in each depth.

  --source FILE        clip that the files are rendered from (the trailer in test/media)
  --files A,B          measure these instead of rendering any
  --rounds N           medians over so many (3)
  --chain-seconds N    how much of a file the chain gets (4)
  --live full=4,keyframes=10,packets=100   streams in each depth; '' for none
  --live-seconds N     how long they are measured (20)
  --json
  --help`;

const CHAIN = 'signalstats,blockdetect,blurdetect,siti';
const RATIO_MAX = 1.35;
const OF_CHAIN_MAX = 0.1;
const MEMORY_MB_MAX = 120;

const { values } = parseArgs({
  options: {
    source: { type: 'string' },
    files: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    'chain-seconds': { type: 'string', default: '4' },
    live: { type: 'string', default: 'full=4,keyframes=10,packets=100' },
    'live-seconds': { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

type Measured = {
  readonly file: string;
  readonly decodeSeconds: number;
  readonly oursSeconds: number;
  /** Medians of the ratios within a round. */
  readonly ratio: number;
  readonly chainRatio: number;
  readonly ofChain: number;
};

type Round = {
  readonly decode: number;
  readonly ours: number;
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
    for (const { name, path } of await filesIn(folder, resolved.path)) {
      measured.push(await measure(resolved.path, name, path));
      say(JSON.stringify(measured.at(-1)));
    }
    const live: LiveUsage[] = [];
    const clip = values.live === '' ? '' : await fullClip(resolved.path, folder);
    for (const [depth, count] of liveCounts()) {
      live.push(await watchLive(resolved.path, clip, depth, count, Number(values['live-seconds'])));
      say(JSON.stringify(live.at(-1)));
    }
    process.stdout.write(
      values.json ? `${JSON.stringify({ measured, live }, null, 2)}\n` : render(measured, live),
    );
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
    return values.files
      .split(',')
      .map((path) => ({ name: `${basename(path)}, ${statSync(path).size} bytes`, path }));
  }
  const files: { readonly name: string; readonly path: string }[] = [];
  for (const kind of FILES)
    files.push({ name: kind.name, path: await renderFile(ffmpegPath, folder, kind, values.source) });
  return files;
}

/** Everything in turns, so that what the machine does beside falls on all of it. */
async function measure(ffmpegPath: string, name: string, path: string): Promise<Measured> {
  const script = fileURLToPath(new URL('analyse-once.ts', import.meta.url));
  const seconds = values['chain-seconds'];
  const decoding = ['-nostdin', '-v', 'quiet', '-threads', '1', '-i', path];
  const rounds: Round[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const decode = await cpuSecondsOf(ffmpegPath, [...decoding, '-f', 'null', '-']);
    const ours = await cpuSecondsOf(process.execPath, [script, ffmpegPath, path]);
    const start = await cpuSecondsOf(ffmpegPath, [...decoding, '-t', seconds, '-f', 'null', '-']);
    const filters = ['-t', seconds, '-filter_threads', '1', '-vf', CHAIN, '-f', 'null', '-'];
    const chain = await cpuSecondsOf(ffmpegPath, [...decoding, ...filters]);
    rounds.push({ decode, ours, ratio: ours / decode, chainRatio: chain / start });
  }
  const median = (pick: (round: Round) => number) =>
    rounds.map(pick).sort((a, b) => a - b)[Math.floor(rounds.length / 2)]!;
  return {
    file: name,
    decodeSeconds: median(({ decode }) => decode),
    oursSeconds: median(({ ours }) => ours),
    ratio: median(({ ratio }) => ratio),
    chainRatio: median(({ chainRatio }) => chainRatio),
    ofChain: median(({ ratio, chainRatio }) => ratio / chainRatio),
  };
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

function render(measured: readonly Measured[], live: readonly LiveUsage[]): string {
  const [processor] = cpus();
  return [
    `${availableParallelism()} cores (${processor?.model.trim() || 'unknown'}), Node ${process.versions.node}, medians of ${values.rounds} rounds.`,
    '',
    '| file | decoding alone, CPU-s | with all detectors, CPU-s | ratio (at most 1.35) | chain of filters against decoding | ours of the chain (at most 0.1) |',
    '|---|---|---|---|---|---|',
    ...measured.map(
      (one) =>
        `| ${one.file} | ${one.decodeSeconds.toFixed(2)} | ${one.oursSeconds.toFixed(2)} | ${one.ratio.toFixed(2)} | ${one.chainRatio.toFixed(1)} | ${one.ofChain.toFixed(3)} |`,
    ),
    '',
    '| depth | streams at live pace | alive at the end | of a core for each | MB for each | deepened |',
    '|---|---|---|---|---|---|',
    ...live.map(
      (one) =>
        `| ${one.depth} | ${one.streams} | ${one.alive} | ${one.corePercent.toFixed(2)} % | ${one.memoryMb.toFixed(0)} | ${one.deepened} |`,
    ),
    '',
  ].join('\n');
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
