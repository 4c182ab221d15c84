/** A worker over a canned port, in this process: CPU for each record without a broker, and where it goes. */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { NO_CONFIGS } from '../../runtime/config-store.ts';
import { fixedGroup } from '../../runtime/group-session.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { Worker } from '../../runtime/worker.ts';
import { cannedPort } from './canned-port.ts';
import { type Layers, layersOf } from './layers.ts';
import { PARTITIONS, type Workload } from './workload.ts';

export type ProfileResult = {
  readonly workload: string;
  readonly records: number;
  /** Over the last three quarters of the records. */
  readonly cpuSecondsPerMillion: number;
  /** The same over the best window: what it costs when nobody else uses the machine's caches. */
  readonly undisturbed: number;
  readonly recordsPerSecond: number;
  /** Where the measured part's time went; null unless it was asked for. */
  readonly layers: Layers | null;
  /** '' unless a digest was asked for. */
  readonly digest: string;
};

export type ProfileOptions = {
  /** Hashes all outputs, which costs time. */
  readonly withDigest?: boolean;
  /** Profiles the measured part, which costs time. */
  readonly withLayers?: boolean;
  /** Where to write its profile. */
  readonly cpuProfileFile?: string;
};

export async function profile(
  workload: Workload,
  count: number,
  options: ProfileOptions = {},
): Promise<ProfileResult> {
  const port = cannedPort(workload, count, options.withDigest ?? false);
  const { topology } = workload;
  const topics = [...topology.sources, ...topology.sinks].map(({ topic }) => topic as string);
  const worker = new Worker({
    topology,
    applicationId: 'bench',
    port,
    clock: systemClock,
    codec: workload.codec(),
    configs: NO_CONFIGS,
    partitions: new Map([...topics, 'dead-letters', 'late-records'].map((topic) => [topic, PARTITIONS])),
    writerTasks: new Map(),
    openGroup: fixedGroup(),
    limits: { tickEveryMs: Number.MAX_SAFE_INTEGER },
    onEvent: () => {},
  });
  const processed = () => worker.metrics().tasks.reduce((sum, task) => sum + task.counts.recordsIn, 0);
  const windows: number[] = [];
  const until = async (records: number) => {
    let from = { records: processed(), cpu: process.cpuUsage() };
    for (let now = processed(); now < records; now = processed()) {
      await Promise.race([worker.done, new Promise((resolve) => setTimeout(resolve, 1))]);
      if (now - from.records < WINDOW_RECORDS) continue;
      const cpu = process.cpuUsage(from.cpu);
      windows.push((cpu.user + cpu.system) / (processed() - from.records));
      from = { records: processed(), cpu: process.cpuUsage() };
    }
  };
  await until(count / 4);
  const session = new Session();
  const isProfiled = options.withLayers === true || options.cpuProfileFile !== undefined;
  if (isProfiled) {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
  }
  windows.length = 0;
  const from = { records: processed(), cpu: process.cpuUsage(), atMs: performance.now() };
  await until(count);
  await worker.stop();
  const cpu = process.cpuUsage(from.cpu);
  let layers: Layers | null = null;
  if (isProfiled) {
    const { profile: recorded } = await session.post('Profiler.stop');
    layers = layersOf(recorded);
    if (options.cpuProfileFile !== undefined) writeFileSync(options.cpuProfileFile, JSON.stringify(recorded));
    session.disconnect();
  }
  const records = count - from.records;
  return {
    workload: workload.name,
    records,
    cpuSecondsPerMillion: (cpu.user + cpu.system) / records,
    undisturbed: windows.sort((a, b) => a - b)[0] ?? 0,
    recordsPerSecond: Math.round((records * 1_000) / (performance.now() - from.atMs)),
    layers,
    digest: port.digest(),
  };
}

const WINDOW_RECORDS = 30_000;
