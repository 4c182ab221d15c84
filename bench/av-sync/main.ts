/**
 * `npm run bench:av-sync`: how right `av-sync-offset` is by content. Real speech and music at several rates of pictures, with
 * sound moved by known offsets; each second's estimate against the truth, and whether there is an alarm.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { featuresOf, OWN_RENDITION } from '../../cli/analyze/analysis.ts';
import {
  comparingDetection,
  inOrder,
  REFERENCE_RENDITION,
  withReference,
} from '../../cli/analyze/reference.ts';
import { resolveFfmpeg } from '../../local/ffmpeg.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { AV_SYNC_OFFSET } from '../../topologies/detectors/av-reference.ts';
import { writeFigures } from '../figures.ts';
import { type Clips, type Content, deliveredClip, originClip } from './clips.ts';

const HELP = `Usage: npm run bench:av-sync -- [options]

Prints, for each content, rate of pictures and offset, the greatest error of the estimates of all seconds, and whether
there is an alarm. Ends with 1 when an error is over 20 ms, or an alarm is missing or should not be.

  --fps A,B        rates of pictures (12,24,25,30,50,60)
  --work DIR       keep what is rendered there, and take it from there (a temporary folder, removed at the end)
  --page FILE      write the table into this page, between its marks
  --help`;

const { values } = parseArgs({
  options: {
    fps: { type: 'string', default: '12,24,25,30,50,60' },
    work: { type: 'string' },
    page: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** Sound before its pictures, ms. */
const LEADS_MS = [-380, -200, -100, -65, -60, -40, 0, 20, 40, 45, 100, 200, 380];
const ERROR_MS_MAX = 20;
/** The limits themselves: an alarm there is as right as none. */
const EITHER: ReadonlySet<number> = new Set([-60, 40]);

type Cell = {
  readonly leadMs: number;
  /** Of each second that was judged, ms. */
  readonly errorsMs: readonly number[];
  readonly hasAlarm: boolean;
  /** What is wrong with it; null when nothing is. */
  readonly fault: string | null;
};

type Row = { readonly content: Content; readonly fps: number; readonly cells: readonly Cell[] };

async function main(): Promise<number> {
  const { path: ffmpegPath } = await resolveFfmpeg({ allowInstall: false, onProgress: () => {} });
  const folder = values.work ?? mkdtempSync(path.join(tmpdir(), 'everyview-av-sync-'));
  mkdirSync(folder, { recursive: true });
  const rows: Row[] = [];
  try {
    for (const content of ['speech', 'music'] as const) {
      for (const fps of values.fps.split(',').map(Number)) {
        const row = await measure({ ffmpegPath, folder }, content, fps);
        console.error(lineOf(row));
        rows.push(row);
      }
    }
  } finally {
    if (values.work === undefined) rmSync(folder, { recursive: true, force: true });
  }
  const text = tableOf(rows);
  console.log(text);
  if (values.page !== undefined) writeFigures(values.page, `${text}\n`, 'av-sync');
  const faults = rows.flatMap(({ cells }) => cells).filter(({ fault }) => fault !== null);
  return faults.length === 0 ? 0 : 1;
}

async function measure(clips: Clips, content: Content, fps: number): Promise<Row> {
  const origin = await originClip(clips, content, fps);
  const reference = await features(clips, origin, REFERENCE_RENDITION);
  const cells: Cell[] = [];
  for (const leadMs of LEADS_MS) {
    const chunks = await features(clips, await deliveredClip(clips, origin, leadMs), OWN_RENDITION);
    cells.push(judge(chunks, reference, leadMs));
  }
  return { content, fps, cells };
}

async function features(clips: Clips, input: string, renditionId: string): Promise<readonly FrameFeatures[]> {
  const { ffmpegPath } = clips;
  const signal = new AbortController().signal;
  const options = {
    streamId: STREAM_ID,
    input,
    ffmpegPath,
    clock: systemClock,
    signal,
    onProgress: () => {},
  };
  return await featuresOf(options, input, renditionId);
}

const STREAM_ID = 'bench';

function judge(chunks: readonly FrameFeatures[], reference: readonly FrameFeatures[], leadMs: number): Cell {
  const errorsMs: number[] = [];
  const { topology } = comparingDetection(({ offsetMs }) => {
    if (offsetMs !== null) errorsMs.push(Math.abs(offsetMs - leadMs));
  });
  const driver = new TopologyTestDriver(topology, { config: withReference(null, STREAM_ID) });
  for (const { chunk, atMs } of inOrder(chunks, reference))
    driver.pipe('frame-features', chunk.programmeId, chunk, 1_000_000 + atMs);
  const hasAlarm = driver
    .outputs('stream-defects')
    .some(({ value }) => value.type === AV_SYNC_OFFSET && value.renditionId !== REFERENCE_RENDITION);
  const wantsAlarm = leadMs > 40 || leadMs < -60;
  const fault =
    errorsMs.length === 0
      ? 'not judged'
      : Math.max(...errorsMs) > ERROR_MS_MAX
        ? 'error'
        : hasAlarm === wantsAlarm || EITHER.has(leadMs)
          ? null
          : hasAlarm
            ? 'false alarm'
            : 'no alarm';
  return { leadMs, errorsMs, hasAlarm, fault };
}

function tableOf(rows: readonly Row[]): string {
  const errorsMs = rows.flatMap(({ cells }) => cells.flatMap((cell) => cell.errorsMs)).sort((a, b) => a - b);
  const faults = rows.flatMap(({ cells }) => cells).filter(({ fault }) => fault !== null).length;
  const at = (permille: number) => errorsMs[Math.floor(((errorsMs.length - 1) * permille) / 1_000)];
  return [
    `| content, pictures a second | ${LEADS_MS.map((ms) => (ms > 0 ? `+${ms}` : ms)).join(' | ')} |`,
    `|---|${LEADS_MS.map(() => '---|').join('')}`,
    ...rows.map(lineOf),
    '',
    `${errorsMs.length} seconds judged: error of the median one ${at(500)} ms, of the 95th percentile ${at(950)} ms, greatest ${at(1_000)} ms. ${rows.length * LEADS_MS.length} files, ${faults} of them wrong.`,
  ].join('\n');
}

/** Greatest error in ms, and a bell for an alarm. */
function lineOf({ content, fps, cells }: Row): string {
  const shown = cells.map(({ errorsMs, hasAlarm, fault }) => {
    const error = errorsMs.length === 0 ? '-' : Math.max(...errorsMs);
    return `${error}${hasAlarm ? ' alarm' : ''}${fault === null ? '' : ` **${fault}**`}`;
  });
  return `| ${content}, ${fps} | ${shown.join(' | ')} |`;
}

if (values.help) console.log(HELP);
else process.exitCode = await main();
