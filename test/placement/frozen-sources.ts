/**
 * Source topics of three and a half minutes that were never live: two streams with faults in them and the viewers who
 * watch them, as probes and the collector would have written them, each record with the time at which a broker would
 * have stamped it. Placements are compared over these, and audits and backtests have known answers in them.
 */
import { configEntry, configurationOf } from '../../cli/configuration-file.ts';
import { deviceOf } from '../../producers/collector/device.ts';
import { normaliseEventBody, normaliseQuery } from '../../producers/collector/normalise-cmcd.ts';
import { normaliseJson } from '../../producers/collector/normalise-json.ts';
import { testContext } from '../../producers/collector/testing.ts';
import { audience } from '../../producers/simulator/audience.ts';
import { writeBeacons } from '../../producers/simulator/log-driver.ts';
import { scenarioOf } from '../../producers/simulator/testing.ts';
import { encodeControl } from '../../runtime/control-records.ts';
import { type CommittedRecord, MemoryBroker } from '../../runtime/memory-broker.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import { NO_HEADERS } from '../../runtime/record-batch.ts';
import type { ValueCodec } from '../../runtime/task-core.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import { newTopics } from '../../schemas/topics.ts';
import { CHARACTER_MS, cut, draw, everySecond, type Looks } from '../../topologies/detectors/drawn-stream.ts';
import type { Contents } from '../chaos/reference.ts';

export const PARTITIONS = 3;
const VIEWERS = 90;

/** When things happen, after the start. */
export const SHORT_FREEZE = { programmeId: 'weather', startMs: 20_000, endMs: 23_500 } as const;
export const LONG_FREEZE = { programmeId: 'news', startMs: 45_000, endMs: 55_000 } as const;
const OUTAGE = { cdn: 'cdn-b', startMs: 40_000, endMs: 65_000 } as const;
const CONFIGURED_MS = 30_000;
const STREAMED_MS = 100_000;
/** Everybody is gone; log time goes on until sessions have ended and alerts are over. */
export const END_MS = 220_000;
const AUDIENCE_FROM_MS = 4_000;

/** In force from the middle on: what it changes changes nothing, but every later output carries its hash. */
const CONFIGURED = configurationOf({ detectors: { 'audio-silence': { minMs: 2_500 } } });

const LOOKS: Looks = {
  '.': {},
  f: { still: true, diffMeanCenti: 1, anchorMeanCenti: 40 },
  b: { darkPermille: 1_000, lumaMeanCenti: 1_600, lumaSpreadCenti: 20, chromaSpreadCenti: 10 },
};
const ARRIVES_AFTER_MS = 300;
const READ = { json: normaliseJson, 'cmcd-event': normaliseEventBody, 'cmcd-query': normaliseQuery };

type Placed = Omit<CommittedRecord, 'offset'>;

/** Every source topic. `startMs` is the log time of the beginning, a whole number of ten seconds. */
export async function frozenSources(startMs: number, codec: ValueCodec): Promise<Contents> {
  const features = columns();
  for (const { programmeId, key, drawing } of STREAMS) {
    const recording = draw(drawing, LOOKS);
    for (const chunk of cut(recording, everySecond(recording))) {
      const programTimeMs = startMs + chunk.basePtsMs;
      const decodedAtMs = programTimeMs + chunk.durationMs;
      const value = codec.encode('frame-features', {
        ...chunk,
        programmeId,
        probeEpochMs: startMs,
        programTimeMs,
        programTimeSource: 'pdt',
        uncertaintyMs: 50,
        decodedAtMs,
      });
      const timestampMs = decodedAtMs + ARRIVES_AFTER_MS;
      features[partitionOf(key, PARTITIONS)]!.push(record(key, value.slice(), timestampMs));
    }
  }
  const events = await eventsOf(startMs, codec);
  for (const partitions of [features, events]) {
    for (const records of partitions) {
      records.push(
        control({ kind: 'config-effective', configHash: CONFIGURED.configHash }, startMs + CONFIGURED_MS),
      );
      for (let atMs = 0; atMs < END_MS; atMs += atMs < STREAMED_MS ? 1_000 : 5_000)
        records.push(control({ kind: 'tick' }, startMs + atMs + 950));
    }
  }
  const entry = configEntry(CONFIGURED, {
    author: 'test',
    comment: 'from the middle on',
    createdAtMs: startMs,
  });
  const config = record(Buffer.from(entry.name), codec.encode('everyview-config', entry).slice(), startMs);
  return new Map([
    ['frame-features', features.map(inOrder)],
    ['playback-events', events.map(inOrder)],
    ['everyview-config', [inOrder([config])]],
  ]);
}

/** What happens to a stream, two characters a second. */
function drawn(...faults: readonly (readonly [look: string, startMs: number, endMs: number])[]): string {
  const characters = Array.from({ length: STREAMED_MS / CHARACTER_MS }, () => '.');
  for (const [look, startMs, endMs] of faults)
    characters.fill(look, startMs / CHARACTER_MS, endMs / CHARACTER_MS);
  return characters.join('');
}

const STREAMS = [
  {
    programmeId: 'news',
    drawing: drawn(['f', LONG_FREEZE.startMs, LONG_FREEZE.endMs], ['b', 80_000, 84_000]),
  },
  { programmeId: 'weather', drawing: drawn(['f', SHORT_FREEZE.startMs, SHORT_FREEZE.endMs]) },
].map((stream) => ({ ...stream, key: Buffer.from(stream.programmeId) }));

async function eventsOf(startMs: number, codec: ValueCodec): Promise<Placed[][]> {
  const broker = new MemoryBroker({ clock: new VirtualClock({ startMs }) });
  broker.createTopics(newTopics(PARTITIONS));
  const audienceMs = startMs + AUDIENCE_FROM_MS;
  await writeBeacons({
    beacons: audience({
      seed: 3,
      viewers: VIEWERS,
      programmes: STREAMS.map(({ programmeId }) => ({ programmeId, contentId: programmeId, weight: 1 })),
      scenario: scenarioOf({
        id: 'outage',
        kind: 'cdn-outage',
        startMs: OUTAGE.startMs - AUDIENCE_FROM_MS,
        durationMs: OUTAGE.endMs - OUTAGE.startMs,
        cohort: { cdn: OUTAGE.cdn },
        effect: { throughputPermille: 0 },
      }),
      startMs: audienceMs,
      untilMs: startMs + STREAMED_MS,
    }),
    port: broker.openPort({ clientId: 'simulator', keepsTimestamps: true }),
    partitions: PARTITIONS,
    encode: (event) => codec.encode('playback-events', event),
    normalise: ({ form, text, viewer }, receivedAtMs) => {
      const device = deviceOf(viewer.device.userAgent);
      const context = { receivedAtMs, device, programmeIdOf: (contentId: string) => contentId };
      return READ[form](text, testContext(context)).events;
    },
    clock: null,
  });
  return Array.from({ length: PARTITIONS }, (_, partition) =>
    broker.dump('playback-events', partition).map(({ offset: _offset, ...placed }) => placed),
  );
}

function columns(): Placed[][] {
  return Array.from({ length: PARTITIONS }, () => []);
}

function record(key: Uint8Array, value: Uint8Array, timestampMs: number): Placed {
  return { key, value, headers: NO_HEADERS, timestampMs };
}

function control(said: Parameters<typeof encodeControl>[0], timestampMs: number): Placed {
  return { key: null, value: null, headers: encodeControl(said), timestampMs };
}

/** As a broker would have them: by time, one after the other. */
function inOrder(records: readonly Placed[]): readonly CommittedRecord[] {
  return records
    .toSorted((a, b) => a.timestampMs - b.timestampMs)
    .map((placed, offset) => ({ ...placed, offset }));
}
