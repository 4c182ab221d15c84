import { hostname } from 'node:os';
import { type Command, Option } from 'commander';
import { resolveFfmpeg } from '../../local/ffmpeg.ts';
import { dataFolder } from '../../local/folders.ts';
import type { Ingest, StreamResult } from '../../producers/ingest/ingest.ts';
import { parseStreamSpec } from '../../producers/ingest/parse-stream-spec.ts';
import type { StreamSpec } from '../../producers/ingest/stream-spec.ts';
import { DEPTHS, type Depth } from '../../schemas/depths.ts';
import { allowedAddresses, gathered } from '../allowed-addresses.ts';
import { openCluster } from '../cluster.ts';
import type { Action } from '../context.ts';
import { EXIT_FAILED, ExpectedError, UsageError } from '../failure.ts';
import { startIngestService } from '../ingest-service.ts';
import { aborted } from '../interruption.ts';
import { openLog } from '../logging.ts';
import { progressView } from '../progress-view.ts';
import { readStreamsFile } from '../streams-file.ts';
import { line } from '../terminal.ts';

export type IngestOptions = {
  readonly inputs: readonly string[];
  readonly programme?: string;
  readonly rendition?: string;
  readonly vantage?: string;
  readonly loop: boolean;
  readonly pace: 'live' | 'fast';
  readonly depth: Depth;
  readonly streams?: string;
  readonly listen: boolean;
  readonly renditions?: string;
  readonly allow?: readonly string[];
};

export function addIngest(command: Command, run: (options: IngestOptions) => Promise<void>): void {
  command
    .description(
      'Watches files and live streams until they end or Ctrl-C. Pictures stay in this process; Kafka gets figures.',
    )
    .argument('[input...]', 'files, or addresses: http(s) of HLS, DASH or media, rtmp(s), srt, udp, rtp')
    .option('--programme <id>', 'the programme that it is; several inputs get -1, -2, ... behind it')
    .option('--rendition <id>', "rung of the ladder, for example 720p ('main' otherwise)")
    .option('--vantage <point>', "where the probe looks from: origin, or cdn:NAME ('origin' otherwise)")
    .option('--renditions <which>', "of a ladder: all, best ('best' otherwise), or a name such as 720p")
    .option('--listen', 'wait for a sender (RTMP, SRT) instead of asking for the stream', false)
    .option(
      '--allow <address>',
      'an address beside the public ones that may be connected to over HTTP: host:port or a network; may be repeated',
      gathered,
    )
    .option('--loop', 'begin a file again when it ends', false)
    .addOption(
      new Option('--pace <pace>', 'files: as their timestamps say, or as fast as the machine can')
        .choices(['live', 'fast'])
        .default('live'),
    )
    .addOption(
      new Option('--depth <depth>', 'how deep to look, unless the configuration in force says otherwise')
        .choices(DEPTHS)
        .default('full'),
    )
    .option('--streams <file.json>', 'any number of streams, from a list, instead of the above')
    .addHelpText(
      'after',
      `
Examples:
  $ everyview ingest news.mp4 --programme news --loop
  $ everyview ingest https://cdn.example/live.m3u8 --programme news --rendition 720p --vantage cdn:example
  $ everyview ingest http://10.1.2.3:8080/live.mpd --programme news --renditions all --allow 10.1.2.3:8080
  $ everyview ingest srt://0.0.0.0:9000 --programme news --listen
  $ everyview ingest --streams streams.json

streams.json: {"streams": [{"programmeId": "news", "input": "news.mp4", "loop": true}]}
with renditionId, renditions, vantage, listen, pace, depth, signalLostMs, limits and allow if you like. Files are looked
for beside the list. EVERYVIEW_ALLOW holds what --allow says, for all streams, with commas between.

Exits with 1 when a stream failed. First: 'everyview run'.
Next: 'everyview tail qos-alerts'.`,
    )
    .action((inputs: string[], flags: Omit<IngestOptions, 'inputs'>) => run({ inputs, ...flags }));
}

export const runIngest: Action<IngestOptions> = async (context, options) => {
  const { err, env, interruption } = context;
  const streams = streamsOf(options);
  await using closing = new AsyncDisposableStack();
  const view = progressView(err);
  const log = openLog(dataFolder(env), view.print);
  closing.defer(() => log.close());
  const ffmpeg = await resolveFfmpeg({
    allowInstall: true,
    onProgress: view.onProgress,
    env,
    signal: interruption.signal,
  });
  const cluster = await openCluster(context, { clientId: 'everyview-ingest', needsRegistry: true });
  closing.defer(() => cluster.close());
  const ingest = await startIngestService({
    brokers: cluster.brokers,
    port: cluster.port,
    registry: cluster.registry,
    streams,
    allow: allowedAddresses(env, options.allow),
    ffmpegPath: ffmpeg.path,
    probeId: hostname(),
    logger: log.logger,
  });
  line(
    err,
    `watching ${streams.map(({ programmeId }) => programmeId).join(', ')}; Ctrl-C ends it, the log is ${log.file}`,
  );
  try {
    await Promise.race([ingest.done, aborted(interruption.signal)]);
  } finally {
    await ingest.stop();
  }
  for (const text of statLines(ingest)) line(err, text);
  return failIfAnyFailed(await ingest.done);
};

/** Throws when streams failed, naming the first; else 0. */
export function failIfAnyFailed(results: readonly StreamResult[]): number {
  const failed = results.filter(({ outcome }) => outcome.kind === 'failed');
  const [first] = failed;
  if (first === undefined) return 0;
  const more = failed.length === 1 ? '' : ` (and ${failed.length - 1} more)`;
  throw new ExpectedError(
    `${first.stream.programmeId} could not be watched${more}: ${first.outcome.reason}`,
    '',
    { exitCode: EXIT_FAILED },
  );
}

function statLines(ingest: Ingest): string[] {
  return ingest.stats().map(({ stream, pictures, records, restarts, dropped }) => {
    const left = Object.values(dropped).reduce((sum, count) => sum + count, 0);
    const extras = `${restarts > 0 ? `, ${restarts} restarts` : ''}${left > 0 ? `, ${left} records left out` : ''}`;
    return `${stream.programmeId}: ${pictures} pictures, ${records} records${extras}`;
  });
}

function streamsOf(options: IngestOptions): readonly StreamSpec[] {
  const { inputs, programme, rendition, renditions, vantage, listen, loop, pace, depth, streams } = options;
  if (streams !== undefined) {
    if (inputs.length > 0 || programme !== undefined) {
      throw new UsageError('--streams replaces inputs and --programme', 'Give one or the other');
    }
    return readStreamsFile(streams);
  }
  if (inputs.length === 0) {
    throw new UsageError('no input is given', 'Name a file or a playlist, or give --streams streams.json');
  }
  if (programme === undefined) {
    throw new UsageError('no programme is given', 'Say which it is, for example --programme news');
  }
  return inputs.map((input, index) =>
    parseStreamSpec({
      programmeId: inputs.length === 1 ? programme : `${programme}-${index + 1}`,
      input,
      listen,
      loop,
      pace,
      depth,
      ...(rendition === undefined ? {} : { renditionId: rendition }),
      ...(renditions === undefined ? {} : { renditions }),
      ...(vantage === undefined ? {} : { vantage }),
    }),
  );
}
