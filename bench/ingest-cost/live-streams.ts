/** Streams at live pace in one process: CPU and memory of each, its ffmpeg and its share of Node together. */
import { startIngest } from '../../producers/ingest/ingest.ts';
import { parseStreamSpec } from '../../producers/ingest/parse-stream-spec.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { Depth } from '../../schemas/depths.ts';
import { familyUsage } from './cpu-time.ts';

export type LiveUsage = {
  readonly depth: Depth;
  readonly streams: number;
  /** Of one core, for each stream. */
  readonly corePercent: number;
  readonly memoryMb: number;
  /** Streams that were looked at more deeply at the end than they were started. */
  readonly deepened: number;
  /** Streams whose latest record is no more than 3 s old at the end. */
  readonly alive: number;
};

const WARM_UP_MS = 5_000;
const FRESH_MS = 3_000;

/** `clip` is shown again and again, each stream at its own pace. Linux. */
export async function watchLive(
  ffmpegPath: string,
  clip: string,
  depth: Depth,
  count: number,
  seconds: number,
): Promise<LiveUsage> {
  const latest = new Map<string, { depth: string; atMs: number }>();
  const streams = Array.from({ length: count }, (_, n) =>
    parseStreamSpec({ programmeId: `channel-${n + 1}`, input: clip, loop: true, depth }),
  );
  const ingest = await startIngest({
    streams,
    ffmpegPath,
    clock: systemClock,
    probeId: 'bench',
    sink: {
      async write(key, record) {
        latest.set(key, { depth: record.depth, atMs: systemClock.nowMs() });
      },
    },
  });
  const deadlineMs = systemClock.nowMs() + 120_000;
  while (latest.size < count && systemClock.nowMs() < deadlineMs) await systemClock.sleep(100);
  await systemClock.sleep(WARM_UP_MS);
  const before = familyUsage();
  const fromMs = performance.now();
  await systemClock.sleep(seconds * 1_000);
  const after = familyUsage();
  const elapsedS = (performance.now() - fromMs) / 1_000;
  const nowMs = systemClock.nowMs();
  const ends = [...latest.values()];
  await ingest.stop();
  return {
    depth,
    streams: count,
    corePercent: (100 * (after.cpuSeconds - before.cpuSeconds)) / elapsedS / count,
    memoryMb: after.memoryBytes / 1e6 / count,
    deepened: ends.filter((one) => one.depth !== depth).length,
    alive: ends.filter(({ atMs }) => nowMs - atMs <= FRESH_MS).length,
  };
}
