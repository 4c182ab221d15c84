/** Performs scenarios, each on brokers of the kind that it needs, and collects the verdicts. */
import { startLocal } from '../../local/cluster.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { ChaosRun, type RunOptions } from './chaos-run.ts';
import { type JavaParts, resolveJavaParts } from './java-parts.ts';
import { javaTools } from './java-tools.ts';
import { KafkaNodes } from './kafka-nodes.ts';
import type { Scenario } from './scenario.ts';
import { type Verdict, verdictOf } from './verdict.ts';

export type PerformOptions = {
  readonly scenarios: readonly Scenario[];
  readonly seed: number;
  readonly onTrace: (line: string) => void;
  readonly onVerdict: (verdict: Verdict) => void;
};

/** On brokers and a registry of its own, which live as long as this call. */
export async function perform(options: PerformOptions): Promise<readonly Verdict[]> {
  const parts = await resolveJavaParts();
  const registry = await startLocal({ ephemeral: true, parts: ['registry'], onProgress: () => {} });
  const verdicts: Verdict[] = [];
  try {
    for (const nodes of [1, 3] as const) {
      const scenarios = options.scenarios.filter(({ brokers }) => (brokers === 'three') === (nodes === 3));
      if (scenarios.length === 0) continue;
      const kafka = await KafkaNodes.start({ parts, nodes, heapMebibytes: nodes === 1 ? 384 : 256 });
      try {
        for (const scenario of scenarios) {
          const { seed, onTrace } = options;
          const access = { brokers: kafka.brokers, registryUrl: registry.registryUrl };
          const replicas = nodes === 3 ? 3 : 1;
          const verdict = await performOne(scenario, parts, { ...access, seed, onTrace, replicas }, kafka);
          verdicts.push(verdict);
          options.onVerdict(verdict);
        }
      } finally {
        await kafka.close();
      }
    }
  } finally {
    await registry.stop();
  }
  return verdicts;
}

/** One scenario on brokers that are there. `kafka` is theirs to restart, where the scenario does such things. */
export async function performOne(
  scenario: Scenario,
  parts: JavaParts,
  options: Omit<RunOptions, 'name' | 'isProxied'>,
  kafka: KafkaNodes | null,
): Promise<Verdict> {
  const startedAtMs = systemClock.nowMs();
  const { name, isProxied = false, spoiledPermille } = scenario;
  const spoiled = spoiledPermille === undefined ? {} : { spoiledPermille };
  const run = await ChaosRun.open({ ...options, ...spoiled, name, isProxied });
  try {
    await scenario.run(run, kafka);
    return await verdictOf(run, javaTools(parts, options.brokers), startedAtMs, scenario.replay);
  } finally {
    await run.close();
  }
}
