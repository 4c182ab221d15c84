/** What incidents do to one viewer's delivery at one moment. */
import { playerVersionOf, type Viewer } from './population.ts';
import type { Incident, IncidentCohort } from './scenario.ts';

/** Delivery as the player finds it. */
export type Conditions = {
  /** Thousandths of the ordinary throughput. */
  readonly throughputPermille: number;
  readonly responseDelayMs: number;
  readonly requestFailPermille: number;
  readonly startFailPermille: number;
  readonly bufferMsMax: number;
};

export const ORDINARY: Conditions = {
  throughputPermille: 1000,
  responseDelayMs: 0,
  requestFailPermille: 0,
  startFailPermille: 0,
  bufferMsMax: Number.MAX_SAFE_INTEGER,
};

/** An incident with its place in wall time: `[startMs, endMs)`, Unix ms. */
export type PlacedIncident = Incident & { readonly placedStartMs: number; readonly placedEndMs: number };

export function placeIncidents(incidents: readonly Incident[], audienceStartMs: number): PlacedIncident[] {
  return incidents.map((incident) => ({
    ...incident,
    placedStartMs: audienceStartMs + incident.startMs,
    placedEndMs: audienceStartMs + incident.startMs + incident.durationMs,
  }));
}

/** Whether a viewer belongs to a cohort: every field that it names has to fit. */
export function isInCohort(viewer: Viewer, cohort: IncidentCohort): boolean {
  const { programmeId, cdn, asn, country, device, playerVersion } = cohort;
  return (
    (programmeId === undefined || viewer.programme.programmeId === programmeId) &&
    (cdn === undefined || viewer.cdn === cdn) &&
    (asn === undefined || viewer.isp.asn === asn) &&
    (country === undefined || viewer.isp.country === country) &&
    (device === undefined || viewer.device.deviceClass === device) &&
    (playerVersion === undefined || playerVersionOf(viewer.player) === playerVersion)
  );
}

/** How strong an incident is at a moment, thousandths: it grows and goes back over its ramps. */
export function strengthPermille(incident: PlacedIncident, atMs: number): number {
  const { placedStartMs, placedEndMs, rampMs } = incident;
  if (atMs < placedStartMs || atMs >= placedEndMs) return 0;
  if (rampMs === 0) return 1000;
  const sinceMs = Math.min(atMs - placedStartMs, placedEndMs - atMs);
  return Math.min(1000, Math.floor((sinceMs * 1000) / rampMs));
}

/** All of a viewer's incidents together: shares that are left multiply, delays add up, refusals combine. */
export function conditionsAt(incidents: readonly PlacedIncident[], atMs: number): Conditions {
  let together = ORDINARY;
  for (const incident of incidents) {
    const strength = strengthPermille(incident, atMs);
    if (strength > 0) together = worsen(together, incident, strength);
  }
  return together;
}

/** The next moment after `atMs` at which conditions may change other than by a ramp; infinite when there is none. */
export function nextChangeMs(incidents: readonly PlacedIncident[], atMs: number): number {
  let nextMs = Number.POSITIVE_INFINITY;
  for (const { placedStartMs, placedEndMs } of incidents) {
    if (placedStartMs > atMs) nextMs = Math.min(nextMs, placedStartMs);
    else if (placedEndMs > atMs) nextMs = Math.min(nextMs, placedEndMs);
  }
  return nextMs;
}

function worsen(before: Conditions, { effect }: PlacedIncident, strength: number): Conditions {
  const lost = Math.floor(((1000 - effect.throughputPermille) * strength) / 1000);
  const share = (permille: number) => Math.floor((permille * strength) / 1000);
  const either = (a: number, b: number) => 1000 - Math.floor(((1000 - a) * (1000 - b)) / 1000);
  return {
    throughputPermille: Math.floor((before.throughputPermille * (1000 - lost)) / 1000),
    responseDelayMs: before.responseDelayMs + share(effect.responseDelayMs),
    requestFailPermille: either(before.requestFailPermille, share(effect.requestFailPermille)),
    startFailPermille: either(before.startFailPermille, share(effect.startFailPermille)),
    bufferMsMax: Math.min(before.bufferMsMax, effect.bufferMsMax ?? before.bufferMsMax),
  };
}
