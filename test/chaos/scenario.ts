import type { ChaosRun } from './chaos-run.ts';
import type { JavaTools } from './java-tools.ts';
import type { KafkaNodes } from './kafka-nodes.ts';
import type { Remains } from './verdict.ts';

export type Scenario = {
  readonly name: string;
  /** What is done, for the table. */
  readonly what: string;
  /** `one` to be shared with other scenarios, each with topics of its own; `three` to lose a leader. */
  readonly brokers: 'one' | 'three';
  readonly isProxied?: boolean;
  readonly spoiledPermille?: number;
  /** Everything that goes wrong; when it resolves, the run is judged. */
  readonly run: (run: ChaosRun, kafka: KafkaNodes | null) => Promise<void>;
  /** More runs over the same frozen sources, after the verdict. */
  readonly replay?: (run: ChaosRun, java: JavaTools, remains: Remains) => Promise<void>;
};

/** Long enough for a fault that waits for its moment. */
export const FIRES_MS_MAX = 30_000;
