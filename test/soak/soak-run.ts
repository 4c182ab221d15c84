/** One soak: minutes of steady load and seeded faults, memory looked at in each, and a verdict over everything. */
import { startLocal } from '../../local/cluster.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { ChaosRun, type Fault } from '../chaos/chaos-run.ts';
import { removeTopics } from '../chaos/evidence.ts';
import type { Memory } from '../chaos/instance.ts';
import type { Instance } from '../chaos/instances.ts';
import { resolveJavaParts } from '../chaos/java-parts.ts';
import { javaTools } from '../chaos/java-tools.ts';
import { KafkaNodes } from '../chaos/kafka-nodes.ts';
import { happenOne, leaveAlone, restore, type SoakCast } from './soak-faults.ts';
import { soakSpeech } from './soak-speech.ts';
import { type SoakVerdict, soakVerdict } from './soak-verdict.ts';

export type SoakOptions = {
  readonly minutes: number;
  readonly seed: number;
  readonly onProgress: (line: string) => void;
  readonly onTrace: (line: string) => void;
};

/** Of the process that lives throughout, at the end of one minute. */
export type Sample = Memory & { readonly minute: number; readonly tasks: number };

export type SoakResult = {
  readonly minutes: number;
  readonly seed: number;
  readonly startedAt: string;
  readonly streams: number;
  readonly viewers: number;
  readonly samples: readonly Sample[];
  readonly faults: readonly Fault[];
  readonly verdict: SoakVerdict;
  /** Everything that speaks against it, memory apart. */
  readonly findings: readonly string[];
};

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { minutes, seed, onProgress, onTrace } = options;
  const startedAt = new Date(systemClock.nowMs()).toISOString();
  const parts = await resolveJavaParts();
  const registry = await startLocal({ ephemeral: true, parts: ['registry'], onProgress: () => {} });
  try {
    const kafka = await KafkaNodes.start({ parts, nodes: 1, heapMebibytes: 384 });
    try {
      const { registryUrl } = registry;
      const run = await ChaosRun.open({
        ...{ name: 'soak', seed, brokers: kafka.brokers, registryUrl, subject: 'real', onTrace },
        ...{ partitions: PARTITIONS, isProxied: true },
        limits: {},
        nodeFlags: WARM_EARLY,
        outside: {
          speech: soakSpeech(STREAMS_PER_PARTITION, VIEWERS),
          silencePermille: 1,
          turnsPerConfig: TURNS_PER_CONFIG,
          configsMax: CONFIGS,
          settings: SETTINGS,
        },
      });
      try {
        const longLived = await run.add();
        const samples = await endure({ run, kafka, longLived }, minutes, onProgress);
        await run.speakers.stop();
        await run.stopAll();
        onProgress('the source topic is frozen; what came out is held against a run without faults');
        const verdict = await soakVerdict(run, javaTools(parts, kafka.brokers));
        if (run.findings.length === 0) await removeTopics(run);
        const { faults, findings } = run;
        const streams = PARTITIONS * STREAMS_PER_PARTITION;
        const cast = { streams, viewers: VIEWERS, samples };
        return { minutes, seed, startedAt, ...cast, faults, verdict, findings };
      } finally {
        await run.close();
      }
    } finally {
      await kafka.close();
    }
  } finally {
    await registry.stop();
  }
}

const PARTITIONS = 6;
const STREAMS_PER_PARTITION = 12;
const VIEWERS = 240;
const TURNS_PER_CONFIG = 2_000;
const CONFIGS = 3;
/** What is kept for minutes by default would still be filling up when memory is looked at for the first time. */
const SETTINGS = { sessions: { reopenMs: 240_000 }, scoring: { defectHorizonMs: 240_000 } };

/**
 * The rarer a function runs, the later V8 optimises it, and all that time there is more machine code on the heap; what has not
 * run for a while is dropped, and compiled again. With a tenth of the usual patience, and nothing dropped, a process is as warm
 * before memory is judged as it would be after hours.
 */
const WARM_EARLY = [
  '--no-flush-bytecode',
  '--no-lazy-feedback-allocation',
  '--invocation-count-for-maglev=40',
  '--invocation-count-for-turbofan=300',
];

const MINUTE_MS = 60_000;
/** Faults begin no later than this in a minute; then everything settles, and memory is looked at. */
const FAULTS_MS = 30_000;
const PAUSE_MS_MAX = 6_000;
/** For longer than a window of 10 s lasts: how much waits to be judged depends on where in it one looks. */
const SAMPLES_A_MINUTE = 12;
const SAMPLE_PAUSE_MS = 1_000;

async function endure(
  cast: SoakCast,
  minutes: number,
  onProgress: (line: string) => void,
): Promise<readonly Sample[]> {
  const { run, longLived } = cast;
  const startedAtMs = systemClock.nowMs();
  const samples: Sample[] = [];
  for (let minute = 1; minute <= minutes; minute++) {
    const minuteAtMs = startedAtMs + (minute - 1) * MINUTE_MS;
    for (;;) {
      await restore(cast);
      await systemClock.sleep(run.random.below(PAUSE_MS_MAX));
      if (systemClock.nowMs() > minuteAtMs + FAULTS_MS) break;
      await happenOne(cast);
    }
    await leaveAlone(cast);
    const memory = await leastMemory(longLived);
    const sample = { minute, tasks: longLived.openTasks.size, ...memory };
    samples.push(sample);
    onProgress(progressLine(minutes, run, sample));
    await systemClock.sleep(Math.max(0, minuteAtMs + MINUTE_MS - systemClock.nowMs()));
  }
  return samples;
}

/** What is in flight comes and goes: the least of some looks is what stays. */
async function leastMemory(instance: Instance): Promise<Memory> {
  let least: Memory | null = null;
  for (let i = 0; i < SAMPLES_A_MINUTE; i++) {
    const { memory } = await instance.report(REPORT_MS_MAX);
    if (least === null || memory.liveHeapBytes < least.liveHeapBytes) least = memory;
    await systemClock.sleep(SAMPLE_PAUSE_MS);
  }
  return least!;
}

const REPORT_MS_MAX = 30_000;

function progressLine(minutes: number, run: ChaosRun, sample: Sample): string {
  const { minute, tasks, liveHeapBytes, codeBytes, externalBytes, rssBytes } = sample;
  const memory =
    `heap ${mebibytes(liveHeapBytes)} (code ${mebibytes(codeBytes)}), outside it ${mebibytes(externalBytes)}, ` +
    `RSS ${mebibytes(rssBytes)} MiB, ${tasks} tasks`;
  const spoken = run.subject.frozenTopics.reduce((sum, topic) => sum + run.speakers.appendedTo(topic), 0);
  const fired = run.faults.filter((fault) => fault.fired).length;
  const bad = run.findings.length === 0 ? '' : `; ${run.findings.length} FINDINGS`;
  return `minute ${minute} of ${minutes}: ${fired} faults, ${spoken} records; ${memory}${bad}`;
}

export function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(2);
}
