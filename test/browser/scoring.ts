/** The topologies that make scores of events, on Kafka, in topics of one test's own. */
import { configStore } from '../../runtime/config-store.ts';
import { consumerGroup } from '../../runtime/consumer-group.ts';
import { deployTopics, partitionCounts, writerTasksOf } from '../../runtime/deploy.ts';
import { decodeFollowed, followLog, startPositions } from '../../runtime/follow-log.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import type { Topology } from '../../runtime/topology.ts';
import { registryCodec } from '../../runtime/value-codec.ts';
import { Worker } from '../../runtime/worker.ts';
import type { PlaybackEvent, QosScore } from '../../schemas/records.ts';
import { openRegistry, registerSchemas } from '../../schemas/registry.ts';
import { sessionScoring } from '../../topologies/session-scoring.ts';
import { streamDetection } from '../../topologies/stream-detection.ts';
import { prefixedPort } from '../chaos/prefixed-port.ts';
import { type TestCluster, uniqueName } from '../support/local-cluster.ts';

export type LoggedEvent = { readonly logTimeMs: number; readonly event: PlaybackEvent };

export type Scoring = {
  readonly port: AdminPort;
  readonly codec: FetchingCodec;
  /** All that has come so far, as the log has it. */
  readonly events: readonly LoggedEvent[];
  readonly scores: readonly QosScore[];
  /** Rejects when a worker or the reading of the topics cannot go on. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
};

/** Detection runs as well, with nothing to detect: it says of the defects that there are none. */
const RUNNING: readonly Topology[] = [streamDetection, sessionScoring];
const PARTITIONS = 2;

export async function startScoring(cluster: TestCluster): Promise<Scoring> {
  const prefix = uniqueName('browser-');
  const registry = openRegistry(cluster.registryUrl);
  await registerSchemas(registry);
  const codec = await registryCodec(registry, systemClock);
  const open = async (clientId: string): Promise<AdminPort> =>
    prefixedPort(await openKafkajsPort({ brokers: cluster.brokers, clientId }), prefix);
  const port = await open('browser-test');
  const applicationIdOf = ({ name }: Topology): string => `${prefix}${name}`;
  await deployTopics(port, { topologies: RUNNING, applicationIdOf, partitions: PARTITIONS });
  const partitions = await partitionCounts(port);
  const ports: AdminPort[] = [port];
  const workers: Worker[] = [];
  for (const topology of RUNNING) {
    const own = await open(topology.name);
    ports.push(own);
    workers.push(
      new Worker({
        topology,
        applicationId: applicationIdOf(topology),
        port: own,
        clock: systemClock,
        codec,
        configs: configStore(own, codec),
        partitions,
        writerTasks: writerTasksOf(RUNNING, partitions),
        openGroup: consumerGroup({
          port: own,
          clock: systemClock,
          groupId: applicationIdOf(topology),
          topics: topology.sources.map(({ topic }) => `${prefix}${topic}`),
        }),
        onEvent: () => undefined,
      }),
    );
  }
  const reading = await followAll(port, codec);
  const failures = [...workers.map(({ done }) => done), reading.done];
  const failed = new Promise<never>((_resolve, reject) => {
    for (const failure of failures) failure.catch(reject);
  });
  failed.catch(() => undefined);
  return {
    port,
    codec,
    events: reading.events,
    scores: reading.scores,
    failed,
    async stop() {
      await reading.close();
      await Promise.allSettled(workers.map((worker) => worker.stop()));
      for (const one of ports) await one.close();
    },
  };
}

async function followAll(port: AdminPort, codec: FetchingCodec) {
  const closing = new AbortController();
  const events: LoggedEvent[] = [];
  const scores: QosScore[] = [];
  const done = followLog({
    port,
    clock: systemClock,
    positions: await startPositions(port, ['playback-events', 'qos-scores'], { kind: 'beginning' }),
    signal: closing.signal,
    onRecord: async ({ topic, key, value, timestampMs }) => {
      if (key === null || value === null) return false;
      if (topic === 'playback-events') {
        const event = await decodeFollowed(codec, systemClock, 'playback-events', value);
        if (event instanceof Error) throw event;
        events.push({ logTimeMs: timestampMs, event });
      } else {
        const score = await decodeFollowed(codec, systemClock, 'qos-scores', value);
        if (score instanceof Error) throw score;
        scores.push(score);
      }
      return false;
    },
  });
  return {
    events,
    scores,
    done,
    async close() {
      closing.abort();
      await done;
    },
  };
}
