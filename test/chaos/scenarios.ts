import { BROKER_SCENARIOS } from './broker-scenarios.ts';
import { DATA_SCENARIOS } from './data-scenarios.ts';
import { KILL_SCENARIOS } from './kill-scenarios.ts';
import { NETWORK_SCENARIOS } from './network-scenarios.ts';
import { REPLAY_SCENARIOS } from './replay-scenarios.ts';
import type { Scenario } from './scenario.ts';

/** The rows of the chaos table. */
export const SCENARIOS: readonly Scenario[] = [
  ...KILL_SCENARIOS,
  ...NETWORK_SCENARIOS,
  ...DATA_SCENARIOS,
  ...REPLAY_SCENARIOS,
  ...BROKER_SCENARIOS,
];
