/**
 * `npm run bench:detection`: how right the detectors are. Renders a labelled corpus, looks at each file as
 * `everyview analyze` does, and prints precision, recall, start error and false alarms per type, with ffmpeg's own filters
 * on the same files beside them.
 */
import { mkdtempSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { resolveFfmpeg } from '../../local/ffmpeg.ts';
import { DETECTORS } from '../../topologies/stream-detection.ts';
import { writeFigures } from '../figures.ts';
import { faultOrders, PUT_TYPES } from './fault-files.ts';
import type { MediaOrder, Span } from './media-file.ts';
import { negativeOrders } from './negatives.ts';
import { goalsMissed, negativesByKind, pageOf, type Report } from './page.ts';
import { compareCopies, runAll } from './run.ts';
import { type FileResult, figuresOf, peerFigures } from './score.ts';
import { Workshop } from './workshop.ts';

const HELP = `Usage: npm run bench:detection -- [options]

Renders a labelled corpus with ffmpeg from the clips in test/media and from generated pictures and sound, runs detection
on it as 'everyview analyze' does, and prints what was found, missed and made up, with ffmpeg's blackdetect,
freezedetect, silencedetect and blockdetect beside it. Ends with 1 when a goal is missed.

  --seed TEXT      what faults, lengths and severities are drawn from ('reporting-3'; tune with 'tuning-1', 'tuning-2', ...)
  --instances N    faults of each type, at least (12)
  --hours H        hours of hard negatives, at least (3)
  --types A,B      only files with faults of these types, and no hard negatives
  --quick          3 faults of each type and 0.7 h: a look, no result
  --only TEXT      only files whose name has TEXT in it
  --no-peers       without ffmpeg's filters
  --jobs N         files at a time (2)
  --work DIR       keep what is rendered there, and take it from there (a temporary folder, removed at the end)
  --render         only render what is not in --work yet
  --verbose        each fault that was missed, each detection that is none
  --page FILE      write the figures into this page, between its marks
  --json           one JSON document instead of the tables
  --help`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: 'reporting-3' },
    instances: { type: 'string' },
    hours: { type: 'string' },
    types: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    'no-peers': { type: 'boolean', default: false },
    jobs: { type: 'string', default: '2' },
    work: { type: 'string' },
    render: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    page: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${HELP}\n`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const orders = ordersWanted();
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
  const ffmpeg = await resolveFfmpeg({ allowInstall: false, onProgress: () => {}, signal: ending.signal });
  const folder = values.work ?? mkdtempSync(path.join(tmpdir(), 'everyview-bench-detection-'));
  const mediaDir = fileURLToPath(new URL('../../test/media/', import.meta.url));
  const workshop = new Workshop(ffmpeg.path, mediaDir, path.resolve(folder), ending.signal);
  try {
    if (values.render) {
      for (const order of orders) {
        say(`rendering ${order.id}`);
        await order.make(workshop);
      }
      return 0;
    }
    const startedMs = Date.now();
    const results = await runAll(workshop, orders, {
      jobs: wholeNumber('jobs', values.jobs),
      withPeers: !values['no-peers'],
      onFile: (result, done, total) => say(progress(result, done, total, Date.now() - startedMs)),
    });
    const copies = isWhole() ? await compareCopies(workshop, toCopy(orders)) : null;
    const report = reportOf(results, copies, ffmpeg.version);
    const text = pageOf(report);
    process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : text);
    if (values.page !== undefined) writeFigures(values.page, `    ${report.command}\n\n${text}`);
    return report.missed.length === 0 ? 0 : 1;
  } finally {
    if (values.work === undefined) workshop.remove();
  }
}

function isWhole(): boolean {
  return !values.quick && values.types === undefined && values.only === '';
}

function ordersWanted(): readonly MediaOrder[] {
  const instances = wholeNumber('instances', values.instances ?? (values.quick ? '3' : '12'));
  const hours = Number(values.hours ?? (values.quick ? '0.7' : '3'));
  if (!(hours >= 0 && hours <= 1_000)) throw new RangeError(`--hours ${values.hours} is no number of hours`);
  const types = values.types?.split(',') ?? null;
  for (const type of types ?? [])
    if (!(PUT_TYPES as readonly string[]).includes(type))
      throw new RangeError(`--types: there is no '${type}'; there are ${PUT_TYPES.join(', ')}`);
  const faults = faultOrders(values.seed, instances).filter(
    (order) => types === null || order.types.some((type) => types.includes(type)),
  );
  const negatives = types === null ? negativeOrders(values.seed, hours) : [];
  const orders = [...faults, ...negatives].filter(({ id }) => id.includes(values.only));
  if (orders.length === 0)
    throw new RangeError('no file is left of the corpus: give --types or --only something else');
  return orders;
}

/** One of each kind; what is damaged or has steps cannot be put into another container as it is. */
function toCopy(orders: readonly MediaOrder[]): readonly MediaOrder[] {
  return orders.filter(({ id }) => /\/0$/.test(id) && !/damage|pts-|negative/.test(id));
}

function reportOf(results: readonly FileResult[], copies: Report['copies'], ffmpegVersion: string): Report {
  const judged = new Set(DETECTORS.map(({ type }) => type));
  const told = new Set(results.flatMap(({ found }) => found.map(({ type }) => type)));
  const wanted = PUT_TYPES.filter((type) =>
    results.some(({ truths }) => truths.some((one) => one.type === type)),
  );
  const types = [...new Set([...wanted.filter((type) => judged.has(type)), ...told])].map((type) => ({
    type,
    ...figuresOf(type, results, ({ found }) => found),
  }));
  const put = types.filter(({ instances }) => instances > 0);
  const hours = (kind: FileResult['kind']): number =>
    results
      .filter((one) => one.kind === kind)
      .reduce((sum, { durationMs }) => sum + durationMs / 3_600_000, 0);
  const report = {
    command: `npm run bench:detection -- ${process.argv
      .slice(2)
      .filter((arg) => !/^--(page|work)/.test(arg))
      .join(' ')}`.trim(),
    machine: `${cpus().length} cores of ${cpus()[0]?.model ?? 'unknown'}`,
    ffmpeg: ffmpegVersion,
    seed: values.seed,
    files: results.length,
    faultHours: hours('faults'),
    negativeHours: hours('negative'),
    types,
    unjudged: wanted.filter((type) => !judged.has(type)),
    macroF1: put.reduce((sum, { f1 }) => sum + f1, 0) / Math.max(1, put.length),
    peers: values['no-peers'] ? [] : peerFigures(results),
    copies,
    negatives: negativesByKind(results),
  };
  return { ...report, missed: goalsMissed(report, isWhole()) };
}

function progress(
  { id, truths, found, kind }: FileResult,
  done: number,
  total: number,
  elapsedMs: number,
): string {
  const leftS = Math.round(((elapsedMs / done) * (total - done)) / 1_000);
  const head = `${done}/${total}, about ${leftS} s left: ${id}`;
  if (!values.verbose) return head;
  const text = (spans: readonly Span[]): string =>
    spans.map((one) => `${one.type} ${one.startMs}-${one.endMs}`).join(', ');
  const odd =
    truths.length !== found.length || truths.some((truth) => !found.some((one) => isNear(truth, one)));
  if (!odd) return head;
  return `${head}\n  ${kind === 'negative' ? '' : `put: ${text(truths)}\n  `}found: ${text(found)}`;
}

function isNear(truth: Span, one: Span): boolean {
  return (
    one.type === truth.type &&
    Math.abs(one.startMs - truth.startMs) <= 300 &&
    Math.abs(one.endMs - truth.endMs) <= 500
  );
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new RangeError(`--${name} ${text} is no whole number above 0`);
  return value;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
