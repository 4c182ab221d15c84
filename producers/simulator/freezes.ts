/** Frozen pictures are in the streams, not in the audience: labels for them have to lie where the streams have them. */
import { type Scenario, ScenarioError } from './scenario.ts';

/** A picture that stands still in a stream while it is live, `[startMs, endMs)`, Unix ms. */
export type StreamFreeze = {
  readonly programmeId: string;
  readonly startMs: number;
  readonly endMs: number;
};

/**
 * Each `encoder-freeze` moved to the first freeze that its programme really has from the incident's own start on, two
 * incidents never to the same one. Throws {@link ScenarioError} when there is none.
 */
export function placeFreezes(
  scenario: Scenario,
  audienceStartMs: number,
  freezes: readonly StreamFreeze[],
): Scenario {
  const free = [...freezes].sort((a, b) => a.startMs - b.startMs);
  const incidents = scenario.incidents.map((incident) => {
    if (incident.kind !== 'encoder-freeze') return incident;
    const { programmeId } = incident.cohort;
    const fromMs = audienceStartMs + incident.startMs;
    const at = free.findIndex((freeze) => freeze.programmeId === programmeId && freeze.startMs >= fromMs);
    const [freeze] = at === -1 ? [] : free.splice(at, 1);
    if (freeze === undefined) {
      throw new ScenarioError(
        `${incident.id}: ${programmeId} does not freeze from ${incident.startMs} ms on; name a programme that does, or an earlier time`,
      );
    }
    const startMs = freeze.startMs - audienceStartMs;
    return { ...incident, startMs, durationMs: freeze.endMs - freeze.startMs, rampMs: 0 };
  });
  return { ...scenario, incidents };
}
