import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { type Ffmpeg, resolveFfmpeg } from '../../local/ffmpeg.ts';
import { IngestError } from '../../producers/ingest/ingest-error.ts';
import { inputKindOf } from '../../producers/ingest/stream-spec.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { messageOf } from '../../schemas/errors.ts';
import { DEFECT_TYPES } from '../../topologies/detectors/defect-types.ts';
import type { DetectionConfig } from '../../topologies/detectors/settings.ts';
import { SEVERITIES } from '../../topologies/detectors/stream-step.ts';
import { allowedAddresses, gathered } from '../allowed-addresses.ts';
import { type AnalysedDefect, type Analysis, analyse, UnreadableInput } from '../analyze/analysis.ts';
import { analysisLines, analysisObjects } from '../analyze/analysis-text.ts';
import { configOf, expectationFor, inputOf, referenceOf } from '../analyze/expectations.ts';
import type { Expectation } from '../analyze/parse-expectations.ts';
import { reportHtml, stripPlaces } from '../analyze/report.ts';
import { thumbnailsOf } from '../analyze/thumbnails.ts';
import type { Action, CliContext } from '../context.ts';
import { ExpectedError, UsageError } from '../failure.ts';
import { writePage } from '../html-page.ts';
import { progressView } from '../progress-view.ts';
import { progressLine } from '../replay/progress-line.ts';
import { jsonLine, line } from '../terminal.ts';
import { parseDurationMs } from '../values.ts';

export type AnalyzeOptions = {
  readonly inputs: readonly string[];
  readonly json: boolean;
  readonly html?: string;
  readonly for?: number;
  readonly failOn?: readonly string[];
  readonly expect?: string;
  readonly allow?: readonly string[];
};

const EXIT_HIT = 1;
const EXIT_UNREADABLE = 3;
const THUMBNAILS_MAX = 60;

export function addAnalyze(command: Command, run: (options: AnalyzeOptions) => Promise<void>): void {
  command
    .description(
      'Decodes each input as fast as the machine can, and tells every defect: a timeline here, a page with pictures, or ' +
        'NDJSON. It is the same code that watches live streams, and finds the same.',
    )
    .argument(
      '[input...]',
      'files, or http(s) addresses of HLS playlists; all that --expect names, when left out',
    )
    .option('--json', 'NDJSON on stdout: a line for each defect, then a summary of each input', false)
    .option(
      '--html <file>',
      'write a page with plots and a picture of each defect: one file, needs nothing else',
    )
    .option(
      '--allow <address>',
      'an address beside the public ones that may be connected to over HTTP: host:port or a network; may be repeated',
      gathered,
    )
    .option('--for <duration>', 'look at so much of each input (a live playlist has no end)', parseDurationMs)
    .option(
      '--fail-on <what>',
      'end with 1 when there is one: any, a severity or worse (low, medium, high, critical), or types with commas',
      failOn,
    )
    .option(
      '--expect <file>',
      'JSON of what each input should be like: tracks that have to be there, loudnessLufs that is meant, the reference to compare with',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ everyview analyze clip.mp4
  $ everyview analyze master.mp4 proxy.mp4 --html report.html
  $ everyview analyze clip.mp4 --json | jq 'select(.type == "video-freeze")'
  $ everyview analyze upload.mp4 --fail-on high || echo refused
  $ everyview analyze --expect house-rules.json

A file for --expect: {"streams":[{"streamId":"news","input":"news.mp4","video":true,"audio":true,"loudnessLufs":-23}]}

With "captions":true captions have to be there, CEA-608 or CEA-708 or a track of subtitles: caption-missing.
With "reference":"master.mp4" (or the streamId of another entry) its pictures and sound are aligned with those of the
reference, and av-sync-offset tells what came between them.

Exit codes: 0 done, 1 --fail-on hit, 2 wrong usage, 3 an input cannot be read. What is under "not judged" was not looked
at: no line about it does not mean that it is good.`,
    )
    .action((inputs: string[], flags: Omit<AnalyzeOptions, 'inputs'>) => run({ inputs, ...flags }));
}

export const runAnalyze: Action<AnalyzeOptions> = async (context, options) => {
  const { err, env, interruption } = context;
  const streams = await streamsOf(options);
  const view = progressView(err);
  const ffmpeg = await resolveFfmpeg({
    allowInstall: true,
    onProgress: view.onProgress,
    env,
    signal: interruption.signal,
  });
  view.end();
  const found: AnalysedDefect[] = [];
  const parts: { analysis: Analysis; thumbnails: ReadonlyMap<number, string> }[] = [];
  for (const stream of streams) {
    const { input } = stream;
    const analysis = await analysed(context, options, stream, ffmpeg);
    found.push(...analysis.defects);
    if (options.json) for (const object of analysisObjects(analysis)) jsonLine(context.out, object);
    else for (const text of analysisLines(analysis, context.out)) line(context.out, text);
    if (options.html === undefined) continue;
    const places = [...stripPlaces(analysis), ...analysis.defects.map(({ startMs }) => startMs)];
    const wanted = inputKindOf(input) === 'file' ? [...new Set(places)].slice(0, THUMBNAILS_MAX) : [];
    const thumbnails = await thumbnailsOf(ffmpeg.path, input, wanted, interruption.signal);
    parts.push({ analysis, thumbnails });
  }
  if (options.html !== undefined) {
    writePage(options.html, reportHtml(parts));
    line(context.err, `the page is ${options.html}`);
  }
  const hits = found.filter((one) => isHit(one, options.failOn));
  if (hits.length === 0) return 0;
  line(err, `everyview: ${hits.length} defects are what --fail-on names.`);
  return EXIT_HIT;
};

async function analysed(
  { err, env, interruption }: CliContext,
  options: AnalyzeOptions,
  { streamId, input, config, reference, captions }: AnalysedStream,
  ffmpeg: Ffmpeg,
): Promise<Analysis> {
  const progress = progressLine(err);
  try {
    return await analyse({
      streamId,
      input,
      allow: allowedAddresses(env, options.allow),
      ffmpegPath: ffmpeg.path,
      ffmpegBuild: ffmpeg.version,
      clock: systemClock,
      signal: interruption.signal,
      onProgress: (coveredMs) => progress.show(`${streamId}: ${(coveredMs / 1_000).toFixed(0)} s looked at`),
      ...(config === null ? {} : { config }),
      ...(reference === null ? {} : { reference }),
      captions,
      ...(options.for === undefined ? {} : { forMs: options.for }),
    });
  } catch (error) {
    if (error instanceof UnreadableInput)
      throw new ExpectedError(
        `${input} cannot be read: ${error.message}`,
        'Give a media file or an HLS playlist',
        {
          exitCode: EXIT_UNREADABLE,
          cause: error,
        },
      );
    if (error instanceof IngestError) throw new UsageError(error.message, '');
    throw error;
  } finally {
    progress.end();
  }
}

type AnalysedStream = {
  readonly streamId: string;
  readonly input: string;
  readonly config: DetectionConfig | null;
  /** File or address that it is compared with. */
  readonly reference: string | null;
  /** They have to be there. */
  readonly captions: boolean;
};

const NOTHING_EXPECTED = { config: null, reference: null, captions: false } as const;

/** The inputs that were given, or those of the file of expectations, each with what is expected of it. */
async function streamsOf({ inputs, expect }: AnalyzeOptions): Promise<readonly AnalysedStream[]> {
  if (expect === undefined) {
    if (inputs.length === 0)
      throw new UsageError('there is no input', 'Give a media file or an HLS playlist');
    return named(inputs).map((one) => ({ ...one, ...NOTHING_EXPECTED }));
  }
  const expectations = await expectationsIn(expect);
  const folder = path.dirname(expect);
  if (inputs.length === 0)
    return expectations.map((one) => ({
      streamId: one.streamId,
      input: inputOf(one, folder),
      config: configOf(one),
      reference: referenceOf(one, expectations, folder),
      captions: one.captions === true,
    }));
  return named(inputs).map(({ streamId, input }) => {
    const found = expectationFor(input, expectations, folder);
    if (found === null) return { streamId, input, ...NOTHING_EXPECTED };
    const reference = referenceOf(found, expectations, folder);
    const captions = found.captions === true;
    return { streamId: found.streamId, input, config: configOf(found), reference, captions };
  });
}

async function expectationsIn(file: string): Promise<readonly Expectation[]> {
  // It takes a library of its own, that nobody else waits for.
  const { parseExpectations } = await import('../analyze/parse-expectations.ts');
  try {
    return parseExpectations(readFileSync(file, 'utf8'));
  } catch (cause) {
    const why = messageOf(cause);
    throw new UsageError(
      `--expect ${file}: ${why}`,
      'It has to be JSON: {"streams":[{"streamId":"news","input":"news.mp4","audio":true}]}',
    );
  }
}

/** Names of files without their ending; a number behind those that are there twice. */
function named(inputs: readonly string[]): readonly { readonly streamId: string; readonly input: string }[] {
  const counts = new Map<string, number>();
  return inputs.map((input) => {
    const base = path.basename(input.replace(/[?#].*$/, '')).replace(/\.[^.]*$/, '') || 'input';
    const count = (counts.get(base) ?? 0) + 1;
    counts.set(base, count);
    return { streamId: count === 1 ? base : `${base}-${count}`, input };
  });
}

function isHit({ type, severity }: AnalysedDefect, what: readonly string[] | undefined): boolean {
  const ranks: readonly string[] = SEVERITIES;
  return (what ?? []).some((word) => {
    if (word === 'any' || word === type) return true;
    return ranks.includes(word) && ranks.indexOf(severity) >= ranks.indexOf(word);
  });
}

function failOn(text: string): readonly string[] {
  const words = text.split(',').map((word) => word.trim());
  const known: readonly string[] = ['any', ...SEVERITIES, ...DEFECT_TYPES];
  const wrong = words.find((word) => !known.includes(word));
  if (wrong === undefined) return words;
  throw new InvalidArgumentError(`'${wrong}' is neither any, nor ${SEVERITIES.join(', ')}, nor a type.`);
}
