/**
 * The same file three times: twice by `analyze`, and once through a real Kafka, as ingest and a worker would: pictures at
 * their own pace into `frame-features`, stream detection over it, `stream-defects` out. Features and defects are the same,
 * byte for byte, but for what names the run: when it was decoded and told, and programme time, which is arrival for a file.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import { type Analysis, analyse, defectsOf } from '../../cli/analyze/analysis.ts';
import type { FeatureSink } from '../../producers/ingest/bounded-writer.ts';
import { startIngest } from '../../producers/ingest/ingest.ts';
import { createKafkaSink } from '../../producers/ingest/kafka-sink.ts';
import { parseStreamSpec } from '../../producers/ingest/parse-stream-spec.ts';
import { FFMPEG, ffmpeg, temporaryFolder } from '../../producers/ingest/testing.ts';
import { NO_CONFIGS } from '../../runtime/config-store.ts';
import { decodeControl } from '../../runtime/control-records.ts';
import { deployTopics, partitionCounts } from '../../runtime/deploy.ts';
import { decodeFollowed, type FollowedRecord, followLog, startPositions } from '../../runtime/follow-log.ts';
import { fixedGroup } from '../../runtime/group-session.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import { Worker } from '../../runtime/worker.ts';
import { encodeValue } from '../../schemas/codec.ts';
import { SchemaError } from '../../schemas/errors.ts';
import type { FrameFeatures, StreamDefect } from '../../schemas/records.ts';
import { lookUpSchemaIds } from '../../schemas/registry.ts';
import type { RecordOf, TopicName } from '../../schemas/topics.ts';
import { streamDetection } from '../../topologies/stream-detection.ts';
import { prefixedPort } from '../chaos/prefixed-port.ts';
import { openSchemas } from '../chaos/schemas.ts';
import { testCluster, uniqueName } from '../support/local-cluster.ts';

const CLIP = fileURLToPath(new URL('../media/big-buck-bunny-trailer-360p.mp4', import.meta.url));
const NAME = 'film';
const PREFIX = `${uniqueName('same')}-`;
const SECONDS = 12;
const PARTITIONS = 3;
const WAIT_MS = 120_000;

const cluster = await testCluster();
after(() => cluster.stop());
const folder = temporaryFolder();
after(() => folder.remove());

test('features and defects of a file are the same in two runs of analyze, and through Kafka', async () => {
  const clip = await faultyClip();
  const [first, second] = [await analysed(clip), await analysed(clip)];
  const types = first.defects.map(({ type }) => type);
  for (const type of ['video-black', 'audio-silence', 'video-decode-error'])
    assert.ok(types.includes(type), `${type} is found: ${types.join(', ')}`);
  assert.equal(featuresOf(second.chunks), featuresOf(first.chunks));
  assert.deepEqual(second.steps, first.steps.map(withDecodingTimesOf(second.steps)));
  assert.deepEqual(second.defects, first.defects);

  const log = await throughKafka(clip);
  assert.equal(featuresOf(log.features), featuresOf(first.chunks));
  assert.deepEqual(
    log.steps.map(sameStep(log.offsets)),
    first.steps.map(sameStep(first.chunks.map((_, at) => at))),
  );
  assert.deepEqual(defectsOf(NAME, log.steps, first.durationMs), first.defects);
});

/** Black from 4 s to 7 s, silent from 2 s to 5 s, damaged in its last second. */
async function faultyClip(): Promise<string> {
  const clip = `${folder.path}/clip.ts`;
  const black = "drawbox=color=black:t=fill:enable='between(t,4,7)'";
  const silence = "volume=volume=0:enable='between(t,2,5)'";
  const coding = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '24', '-c:a', 'aac'];
  const damage = ['-bsf:v', "noise=amount='if(gt(n,264)*lt(n,280),300,0)'"];
  const cut = ['-ss', '12', '-i', CLIP, '-t', String(SECONDS)];
  await ffmpeg(...cut, '-vf', black, '-af', silence, ...coding, ...damage, clip);
  return clip;
}

async function analysed(input: string): Promise<Analysis> {
  return await analyse({
    streamId: NAME,
    input,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
}

/** What names a run and not the file: when it was decoded, and when it arrived. */
const RUN = { decodedAtMs: 0, programTimeMs: null, programTimeSource: '', uncertaintyMs: 0 };

/** Feature records as they would be on the wire, but for {@link RUN}. */
function featuresOf(records: readonly FrameFeatures[]): string {
  return records
    .filter(({ event }) => event === 'features')
    .map((record) => Buffer.from(encodeValue('frame-features', 1, { ...record, ...RUN })).toString('base64'))
    .join('\n');
}

function withDecodingTimesOf(others: readonly StreamDefect[]) {
  return (step: StreamDefect, at: number) => ({ ...step, decodedAtMs: others[at]?.decodedAtMs ?? -1 });
}

/** A step but for what names the run; evidence by number of the chunk instead of its place in a log. */
function sameStep(offsets: readonly number[]) {
  return (step: StreamDefect) => ({
    ...step,
    ...{ decodedAtMs: 0, detectedAtMs: 0, chargeFromMs: 0 },
    ...{ programTimeStartMs: null, programTimeEndMs: null, programTimeUncertaintyMs: 0 },
    evidencePartition: 0,
    evidenceFirstOffset: offsets.indexOf(step.evidenceFirstOffset),
    evidenceLastOffset: offsets.indexOf(step.evidenceLastOffset),
  });
}

type FromLog = {
  readonly features: readonly FrameFeatures[];
  /** Of each record of features, its offset. */
  readonly offsets: readonly number[];
  readonly steps: readonly StreamDefect[];
};

async function throughKafka(input: string): Promise<FromLog> {
  await using closing = new AsyncDisposableStack();
  const openPort = async (): Promise<AdminPort> => {
    const port = await openKafkajsPort({ brokers: cluster.brokers, clientId: PREFIX });
    closing.defer(() => port.close());
    return prefixedPort(port, PREFIX);
  };
  const port = await openPort();
  const applicationIdOf = () => `${PREFIX}${streamDetection.name}`;
  await deployTopics(port, { topologies: [streamDetection], applicationIdOf, partitions: PARTITIONS });
  const { codec, registry } = await openSchemas(cluster.registryUrl);
  const ids = await lookUpSchemaIds(registry, ['frame-features']);
  const worker = new Worker({
    ...{ topology: streamDetection, applicationId: applicationIdOf(), port: await openPort(), codec },
    clock: systemClock,
    configs: NO_CONFIGS,
    partitions: await partitionCounts(port),
    writerTasks: new Map(),
    openGroup: fixedGroup(),
    onEvent: () => {},
  });
  closing.defer(() => worker.stop());
  const failing = worker.done.then(() => assert.fail('the worker has ended'));
  const sink = await createKafkaSink({
    kafka: prefixedKafka(),
    schemaId: ids.get('frame-features')!,
    clock: systemClock,
  });
  closing.defer(() => sink.close());
  await ingest(input, sink);
  const inputs = await readUntil(port, codec, 'frame-features', ({ value }) => value?.event === 'end');
  const endedAtMs = inputs.at(-1)!.timestampMs;
  const saying = readUntil(port, codec, 'stream-defects', ({ headers }) => {
    const control = decodeControl(headers);
    return (
      control !== null && control !== 'unknown' && control.kind === 'seal' && control.sealedUpToMs > endedAtMs
    );
  });
  const said = await Promise.race([saying, failing]);
  const features = inputs.filter(({ value }) => value.event === 'features');
  return {
    features: features.map(({ value }) => value),
    offsets: features.map(({ offset }) => offset),
    steps: said.map(({ value }) => value).filter(({ event }) => event !== 'anchor'),
  };
}

/** kafkajs's own client, that writes to the topics of this test. */
function prefixedKafka(): Pick<Kafka, 'producer'> {
  const kafka = new Kafka({ brokers: [...cluster.brokers], clientId: PREFIX, logLevel: logLevel.ERROR });
  return {
    producer(config) {
      const producer = kafka.producer(config);
      const send: typeof producer.send = (record) =>
        producer.send({ ...record, topic: PREFIX + record.topic });
      return { ...producer, send };
    },
  };
}

async function ingest(input: string, sink: FeatureSink): Promise<void> {
  const running = await startIngest({
    streams: [parseStreamSpec({ programmeId: NAME, input })],
    sink,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    // As `analyze` calls itself: identifiers of defects are made of it.
    probeId: 'analyze',
    probeEpochMs: 1,
  });
  const [result] = await running.done;
  assert.equal(result!.outcome.kind, 'ended', result!.outcome.reason);
}

type Read<T extends TopicName> = {
  readonly value: RecordOf[T];
  readonly offset: number;
  readonly timestampMs: number;
};

/** Records of the partition that the file is in, up to the one that says so: control records have no value. */
async function readUntil<T extends TopicName>(
  port: AdminPort,
  codec: FetchingCodec,
  topic: T,
  isLast: (record: Pick<FollowedRecord, 'headers'> & { readonly value: RecordOf[T] | null }) => boolean,
): Promise<readonly Read<T>[]> {
  const records: Read<T>[] = [];
  const partition = partitionOf(Buffer.from(NAME), PARTITIONS);
  const positions = await startPositions(port, [topic], { kind: 'beginning' });
  let isRead = false;
  await followLog({
    port,
    clock: systemClock,
    positions: positions.filter((one) => one.partition === partition),
    signal: AbortSignal.timeout(WAIT_MS),
    async onRecord({ value: bytes, headers, offset, timestampMs }) {
      const value = bytes === null ? null : await decodeFollowed(codec, systemClock, topic, bytes);
      if (value instanceof SchemaError) throw value;
      if (value !== null) records.push({ value, offset, timestampMs });
      isRead = isLast({ value, headers });
      return isRead;
    },
  });
  assert.ok(isRead, `${topic}: after ${WAIT_MS} ms ${records.length} records, and not the last one`);
  return records;
}
