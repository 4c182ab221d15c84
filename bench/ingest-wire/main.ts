/**
 * `npm run bench:wire`: what the features of live streams weigh in Kafka's log. Streams are decoded at live pace at
 * moments of their own, as `everyview ingest` does it; the size is that of the segment files.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { startLocal } from '../../local/cluster.ts';
import { resolveFfmpeg } from '../../local/ffmpeg.ts';
import { startIngest } from '../../producers/ingest/ingest.ts';
import { createKafkaSink, LINGER_MS_MAX } from '../../producers/ingest/kafka-sink.ts';
import { parseStreamSpec } from '../../producers/ingest/parse-stream-spec.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { newTopics } from '../../schemas/topics.ts';
import { fullClip } from './clip.ts';
import { readSegments, renderContents } from './log-contents.ts';

const HELP = `Usage: npm run bench:wire -- [options]

Starts a Kafka of its own and watches streams at live pace: real pictures and sound at 30 pictures/s, each stream at
another place of the clip. Prints bytes of log segment for each second of each stream, and what they consist of.

  --streams N      streams (20)
  --seconds N      how long each is watched (30)
  --linger-ms N    how long a record waits for others, at most ${LINGER_MS_MAX} (${LINGER_MS_MAX})
  --partitions N   of frame-features (6)
  --json           one JSON document instead of the table
  --help`;

const BYTES_MAX = 700;
const SCHEMA_ID = 1;
/** Between the starts of two streams: no small number of them makes a second. */
const APART_MS = 361;

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '30' },
    'linger-ms': { type: 'string', default: String(LINGER_MS_MAX) },
    partitions: { type: 'string', default: '6' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${HELP}\n`);
else await measure();

async function measure(): Promise<void> {
  const partitions = Number(values.partitions);
  const folder = mkdtempSync(join(tmpdir(), 'everyview-wire-'));
  const ffmpegPath = (await resolveFfmpeg({ allowInstall: true, onProgress: () => {}, env: process.env }))
    .path;
  const clip = await fullClip(ffmpegPath, folder);
  const cluster = await startLocal({ ephemeral: true, parts: ['kafka'], onProgress: () => {} });
  const port = await openKafkajsPort({ brokers: [cluster.brokers], clientId: 'bench-wire' });
  try {
    await port.createTopics(newTopics(partitions, 1).filter(({ topic }) => topic === 'frame-features'));
    await watch(cluster.brokers, ffmpegPath, clip);
    const segments = segmentsOf(join(cluster.dataDir, 'kafka', 'log'));
    const bytes = segments.reduce((sum, path) => sum + statSync(path).size, 0);
    const contents = readSegments(segments, SCHEMA_ID);
    const perStreamSecond = bytes / contents.streamSeconds;
    if (values.json) {
      process.stdout.write(`${JSON.stringify({ bytes, perStreamSecond, ...contents }, null, 2)}\n`);
    } else {
      process.stdout.write(
        `${values.streams} streams at live pace, ${contents.streamSeconds.toFixed(0)} stream-seconds, ` +
          `linger ${values['linger-ms']} ms, ${partitions} partitions\n` +
          `${perStreamSecond.toFixed(0)} bytes of log segment per stream-second (at most ${BYTES_MAX})\n\n` +
          renderContents(contents),
      );
    }
    if (perStreamSecond > BYTES_MAX) process.exitCode = 1;
  } finally {
    await port.close();
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Every stream for its time; they begin a little apart, so that their seconds end at moments of their own. */
async function watch(brokers: string, ffmpegPath: string, clip: string): Promise<void> {
  const kafka = new Kafka({ brokers: [brokers], clientId: 'bench-wire', logLevel: logLevel.ERROR });
  const lingerMs = Number(values['linger-ms']);
  const sink = await createKafkaSink({ kafka, schemaId: SCHEMA_ID, clock: systemClock, lingerMs });
  const count = Number(values.streams);
  const running = [];
  for (let n = 1; n <= count; n++) {
    const stream = parseStreamSpec({ programmeId: `channel-${n}`, input: clip, loop: true });
    running.push(
      await startIngest({ streams: [stream], sink, ffmpegPath, clock: systemClock, probeId: 'probe-1' }),
    );
    await systemClock.sleep(APART_MS);
  }
  await systemClock.sleep(Number(values.seconds) * 1_000);
  await Promise.all(running.map((ingest) => ingest.stop()));
  await sink.close();
}

function segmentsOf(logFolder: string): string[] {
  const folders = readdirSync(logFolder).filter((name) => /^frame-features-\d+$/.test(name));
  return folders
    .flatMap((folder) => readdirSync(join(logFolder, folder)).map((name) => join(logFolder, folder, name)))
    .filter((path) => path.endsWith('.log'));
}
