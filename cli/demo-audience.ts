/** What goes wrong for the simulated viewers of the demonstration: an incident early on, then one every few minutes. */
import { parseScenario, type Scenario } from '../producers/simulator/scenario.ts';

const FIRST_AT_MS = 20_000;
const EVERY_MS = 4 * 60_000;
const ROUNDS = 12;

/** Incidents of the first hours. Those that begin after `untilMs` are left out; null for no end. */
export function demoScenario(untilMs: number | null): Scenario {
  const incidents = Array.from({ length: ROUNDS }, (_, round) => {
    const atMs = FIRST_AT_MS + round * EVERY_MS;
    const number = round + 1;
    return [
      {
        id: `cdn-b-outage-${number}`,
        kind: 'cdn-outage',
        startMs: atMs,
        durationMs: 40_000,
        rampMs: 1_000,
        cohort: { cdn: 'cdn-b' },
        effect: { throughputPermille: 0 },
      },
      {
        id: `as64496-congestion-${number}`,
        kind: 'isp-congestion',
        startMs: atMs + EVERY_MS / 2,
        durationMs: 60_000,
        rampMs: 5_000,
        cohort: { asn: 64496 },
        effect: { throughputPermille: 20, responseDelayMs: 150 },
      },
    ];
  });
  return parseScenario({
    version: 1,
    name: 'demonstration',
    incidents: incidents.flat().filter(({ startMs }) => untilMs === null || startMs < untilMs),
  });
}
