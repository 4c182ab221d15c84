/**
 * The truth about a simulated audience: what went wrong for whom, and what should be said about it. It is for comparing
 * afterwards; nothing that scores or alerts ever reads it.
 */
import type { PlacedIncident } from './incidents.ts';
import type { IncidentCohort, IncidentKind } from './scenario.ts';
import type { Stretch } from './viewing.ts';

/** Labels of an alert, as `qos-alerts` has them; a field that is missing is empty there. */
export type AlertLabels = {
  readonly programmeId?: string;
  readonly cdn?: string;
  readonly asn?: string;
  readonly country?: string;
  readonly device?: string;
  readonly playerVersion?: string;
  readonly defectType?: string;
};

export type IncidentLabel = {
  readonly incidentId: string;
  readonly kind: IncidentKind;
  /** In wall time, Unix ms: `[startMs, endMs)`, ramps included. */
  readonly startMs: number;
  readonly endMs: number;
  readonly rampMs: number;
  readonly cohort: IncidentCohort;
  readonly expectedAlert: { readonly scope: 'audience' | 'stream'; readonly labels: AlertLabels };
  /** Sessions of the cohort that were there at some moment of it. */
  readonly sessionsInCohort: number;
  /** Those of them that stalled, waited long or failed then; for a frozen picture those that saw it. */
  readonly sessionsAffected: number;
};

export type LabelsFile = {
  readonly version: 1;
  readonly scenario: string;
  readonly seed: number | string;
  readonly audienceStartMs: number;
  readonly incidents: readonly IncidentLabel[];
};

/** Counts sessions under each incident while an audience is made. */
export class LabelKeeper {
  readonly #counts: ReadonlyMap<string, { readonly there: Set<string>; readonly affected: Set<string> }>;
  readonly #incidents: readonly PlacedIncident[];

  constructor(incidents: readonly PlacedIncident[]) {
    this.#incidents = incidents;
    this.#counts = new Map(incidents.map(({ id }) => [id, { there: new Set(), affected: new Set() }]));
  }

  /** `incidents` are those whose cohort the viewer belongs to. */
  observe(incidents: readonly PlacedIncident[], stretch: Stretch): void {
    const { session, fromMs, toMs, isImpaired, seenLatencyMs } = stretch;
    for (const { id, kind, placedStartMs, placedEndMs } of incidents) {
      const counts = this.#counts.get(id)!;
      const isDuring = overlaps(fromMs, toMs, placedStartMs, placedEndMs);
      if (isDuring) counts.there.add(session.id);
      if (kind !== 'encoder-freeze') {
        if (isDuring && isImpaired) counts.affected.add(session.id);
      } else if (
        seenLatencyMs !== null &&
        overlaps(fromMs - seenLatencyMs, toMs - seenLatencyMs, placedStartMs, placedEndMs)
      ) {
        counts.there.add(session.id);
        counts.affected.add(session.id);
      }
    }
  }

  labels(): readonly IncidentLabel[] {
    return this.#incidents.map((incident) => {
      const { id, kind, placedStartMs, placedEndMs, rampMs, cohort } = incident;
      const { there, affected } = this.#counts.get(id)!;
      return {
        incidentId: id,
        kind,
        startMs: placedStartMs,
        endMs: placedEndMs,
        rampMs,
        cohort,
        expectedAlert: expectedAlert(kind, cohort),
        sessionsInCohort: there.size,
        sessionsAffected: affected.size,
      };
    });
  }
}

function expectedAlert(kind: IncidentKind, cohort: IncidentCohort): IncidentLabel['expectedAlert'] {
  if (kind === 'encoder-freeze') {
    return { scope: 'stream', labels: { programmeId: cohort.programmeId!, defectType: 'video-freeze' } };
  }
  const named = Object.entries(cohort).filter(([, value]) => value !== undefined);
  return {
    scope: 'audience',
    labels: Object.fromEntries(named.map(([field, value]) => [field, String(value)])),
  };
}

function overlaps(fromMs: number, toMs: number, startMs: number, endMs: number): boolean {
  return fromMs < endMs && toMs > startMs;
}
