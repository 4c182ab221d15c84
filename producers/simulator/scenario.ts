/**
 * Scenario files: what goes wrong, for whom, when and how badly. The pipeline never sees them; what it should find is
 * written apart, as labels (`labels.ts`). docs/scenarios.md describes every field for people.
 */
import { z } from 'zod';
import { messageOf } from '../../schemas/errors.ts';

const name = z
  .string()
  .min(1, 'must not be empty')
  .max(100, 'must be at most 100 characters')
  .regex(/^[^\p{Cc}]*$/u, 'must be without control characters');
const permille = z.int().min(0).max(1000);

const DURATION_MS_MAX = 7 * 86_400_000;

const INCIDENT_KINDS = [
  'encoder-freeze',
  'cdn-outage',
  'isp-congestion',
  'bad-player-release',
  'origin-overload',
] as const;

const cohortSchema = z.strictObject({
  programmeId: name.optional(),
  cdn: name.optional(),
  asn: z.int().min(0).max(4_294_967_295).optional(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'must be two capital letters, ISO 3166-1')
    .optional(),
  device: name.optional(),
  playerVersion: name.optional(),
});

const effectSchema = z.strictObject({
  /** What is left of the throughput, thousandths: 1000 is no change, 0 lets nothing through. */
  throughputPermille: permille.default(1000),
  /** Every request waits this much longer for its first byte, ms. */
  responseDelayMs: z.int().min(0).max(60_000).default(0),
  /** Share of requests that are refused with a 5xx, thousandths. */
  requestFailPermille: permille.default(0),
  /** Share of starts that end with a fatal error of the player, thousandths. */
  startFailPermille: permille.default(0),
  /** The player keeps no more than this much media buffered, ms; null: what it normally keeps. */
  bufferMsMax: z.int().min(0).max(120_000).nullable().default(null),
});

const incidentSchema = z
  .strictObject({
    id: name,
    kind: z.enum(INCIDENT_KINDS),
    /** From the start of the audience, ms. */
    startMs: z.int().min(0).max(DURATION_MS_MAX),
    durationMs: z.int().min(1).max(DURATION_MS_MAX),
    /** The effect grows over this much time at the start and goes back over as much at the end, ms. */
    rampMs: z.int().min(0).max(DURATION_MS_MAX).default(0),
    cohort: cohortSchema.default({}),
    effect: effectSchema.default({
      throughputPermille: 1000,
      responseDelayMs: 0,
      requestFailPermille: 0,
      startFailPermille: 0,
      bufferMsMax: null,
    }),
  })
  .superRefine(checkIncident);

const scenarioSchema = z.strictObject({
  version: z.literal(1),
  name,
  description: z.string().max(2_000).default(''),
  /** How many watch over the day: `flat`, `evening`, or 24 weights, one for each hour UTC. */
  shape: z
    .union([
      z.enum(['flat', 'evening']),
      z.array(permille).length(24, 'must be 24 numbers, one for each hour UTC'),
    ])
    .default('flat'),
  incidents: z.array(incidentSchema).max(1_000).default([]),
});

/** A scenario, every field decided. */
export type Scenario = Readonly<z.output<typeof scenarioSchema>>;
export type ScenarioInput = Readonly<z.input<typeof scenarioSchema>>;
export type Incident = Scenario['incidents'][number];
export type IncidentKind = Incident['kind'];
export type IncidentCohort = Incident['cohort'];
export type DayShape = Scenario['shape'];

/** A quiet day. */
export const NO_INCIDENTS: Scenario = {
  version: 1,
  name: 'quiet',
  description: '',
  shape: 'flat',
  incidents: [],
};

/** A scenario that cannot be used; the message names the field and says what to write. */
export class ScenarioError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ScenarioError';
  }
}

/** Checks a scenario and fills in the defaults. Throws {@link ScenarioError}. */
export function parseScenario(value: unknown): Scenario {
  const parsed = scenarioSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue!.path.join('.') || 'the scenario';
    throw new ScenarioError(`${field}: ${issue!.message}`);
  }
  const ids = new Set<string>();
  for (const { id } of parsed.data.incidents) {
    if (ids.has(id)) throw new ScenarioError(`two incidents are called ${id}; give each an id of its own`);
    ids.add(id);
  }
  return parsed.data;
}

/** The same from the text of a file. */
export function parseScenarioText(text: string): Scenario {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ScenarioError(`no JSON (${messageOf(error)})`);
  }
  return parseScenario(value);
}

type Unchecked = {
  readonly kind: IncidentKind;
  readonly durationMs: number;
  readonly rampMs: number;
  readonly cohort: z.output<typeof cohortSchema>;
  readonly effect: z.output<typeof effectSchema>;
};

/** Which cohort field makes an incident of this kind what it is. */
const NEEDS: Readonly<Partial<Record<IncidentKind, keyof z.output<typeof cohortSchema>>>> = {
  'encoder-freeze': 'programmeId',
  'cdn-outage': 'cdn',
  'isp-congestion': 'asn',
  'bad-player-release': 'playerVersion',
};

function checkIncident(incident: Unchecked, context: z.RefinementCtx): void {
  const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
  const { kind, durationMs, rampMs, cohort, effect } = incident;
  const needed = NEEDS[kind];
  if (needed !== undefined && cohort[needed] === undefined) {
    refuse(['cohort', needed], `an incident of the kind ${kind} has to say which`);
  }
  if (2 * rampMs > durationMs) refuse(['rampMs'], 'the two ramps are longer than the incident');
  if (kind === 'encoder-freeze') {
    const others = Object.keys(cohort).filter((field) => field !== 'programmeId');
    if (others.length > 0)
      refuse(['cohort', others[0]!], 'a stream that freezes does so for all its viewers');
    if (hasEffect(effect)) refuse(['effect'], 'a frozen picture changes nothing that players can tell');
  } else if (!hasEffect(effect)) refuse(['effect'], 'has to change something');
}

function hasEffect(effect: Unchecked['effect']): boolean {
  const { throughputPermille, responseDelayMs, requestFailPermille, startFailPermille, bufferMsMax } = effect;
  return (
    throughputPermille < 1000 ||
    responseDelayMs + requestFailPermille + startFailPermille > 0 ||
    bufferMsMax !== null
  );
}
