/** What tests of the simulator share. */
import { type Audience, type AudienceOptions, audience, type Beacon } from './audience.ts';
import type { Programme } from './population.ts';
import { parseScenario, type ScenarioInput } from './scenario.ts';

export const START_MS = 1_800_000_000_000;

export const PROGRAMMES: readonly Programme[] = [
  { programmeId: 'news', contentId: 'news-live', weight: 3 },
  { programmeId: 'sports', contentId: 'sports-live', weight: 1 },
];

/** An audience of 60 viewers for two minutes, unless said otherwise. */
export function someAudience(changes: Partial<AudienceOptions> = {}): Audience {
  return audience({
    seed: 7,
    viewers: 60,
    programmes: PROGRAMMES,
    startMs: START_MS,
    untilMs: START_MS + 120_000,
    ...changes,
  });
}

export function scenarioOf(...incidents: NonNullable<ScenarioInput['incidents']>) {
  return parseScenario({ version: 1, name: 'test', incidents });
}

/** Fields of a JSON event that tests look at. */
export type Told = {
  readonly event: string;
  readonly sessionId: string;
  readonly previousSessionId?: string;
  readonly sn: number;
  readonly clientTimeMs: number;
  readonly playerState?: string;
  readonly programTimeMs?: number;
  readonly liveLatencyMs?: number;
  readonly bitrateBps?: number;
  readonly bufferMs: number;
  readonly stallCount: number;
  readonly stallMs: number;
  readonly startupMs?: number;
  readonly cdn: string;
  readonly asn: number;
};

/** The JSON events among the beacons, each with its beacon, in order of their numbers within a session. */
export function toldBy(beacons: Iterable<Beacon>): { readonly beacon: Beacon; readonly told: Told }[] {
  const found = new Map<string, { beacon: Beacon; told: Told }>();
  for (const beacon of beacons) {
    if (beacon.form !== 'json') continue;
    const told = JSON.parse(beacon.text) as Told;
    const name = `${told.sessionId} ${String(told.sn).padStart(6, '0')}`;
    if (!found.has(name)) found.set(name, { beacon, told });
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}
