/** The account of one run: what was watched, what was found, how fast, and how that compares with the truth. */
import { type AudienceComparison, compareAudience, type LabelledIncident } from './audience-comparison.ts';
import type { AudienceRecord, AudienceSummary } from './audience-record.ts';
import { compareWithTruth, type FaultResult, type FoundDefect, type InjectedFault } from './comparison.ts';
import { type LatencyFigures, latencyFigures } from './latency.ts';
import type { Delay, RunRecord, WatchedStream } from './run-record.ts';
import { tally } from './tally.ts';

export type StreamSummary = {
  readonly programmeId: string;
  readonly renditionId: string;
  readonly vantage: string;
  readonly frames: number;
  readonly chunks: number;
  /** Media time that was watched, ms. */
  readonly mediaMs: number;
  /** What the probe said last: `features` while all is well. */
  readonly lastEvent: string;
  readonly decodeErrors: number;
};

export type ComparedFault = FaultResult & {
  /** The alert that tells of it; null when there is none. */
  readonly alertId: string | null;
  /** Its latest status; empty when there is none. */
  readonly alertStatus: string;
};

export type ComparisonSummary = {
  readonly found: number;
  readonly missed: number;
  readonly notFinished: number;
  readonly falseAlarms: readonly FoundDefect[];
  readonly faults: readonly ComparedFault[];
};

/** From the decoding of what caused it; durations in ms, where probe and broker share a clock. */
export type Latencies = {
  readonly defect: LatencyFigures;
  /** The first version of an alert, pending or firing. */
  readonly alert: LatencyFigures;
  /** The version that fires: what the rule holds back before that is included. */
  readonly firing: LatencyFigures;
};

export type LatencySummary = {
  /** From the records alone: decodedAtMs of the causing chunk to the log time of the record or timer that caused the result. */
  readonly decodedToLog: Latencies;
  /** decodedAtMs to the moment at which a read_committed subscriber in this process had the result in hand. */
  readonly decodedToSubscriber: Latencies;
};

export type RunTiming = {
  /** From the start of the process to the first feature record in the log, ms; null when there was none. */
  readonly firstRecordMs: number | null;
  /** The part of it that was set-up: parts, Kafka, registry, clips, topics, schemas, workers. */
  readonly setupMs: number;
  /** From the first feature record to the end of ingest. */
  readonly watchedMs: number;
};

export type RunSummary = {
  readonly version: 1;
  readonly timing: RunTiming;
  readonly streams: readonly StreamSummary[];
  readonly totals: {
    readonly streams: number;
    readonly frames: number;
    readonly chunks: number;
    readonly repeatedChunks: number;
    readonly mediaMs: number;
  };
  readonly defects: {
    readonly total: number;
    readonly open: number;
    readonly closed: number;
    readonly byType: Readonly<Record<string, number>>;
    /** Began in an earlier run; not in the other figures. */
    readonly carriedOver: number;
  };
  readonly alerts: {
    readonly total: number;
    readonly versions: number;
    readonly byStatus: Readonly<Record<string, number>>;
    readonly carriedOver: number;
  };
  readonly latency: LatencySummary;
  /** Null where no list of faults is known: streams that are not the demo's. */
  readonly comparison: ComparisonSummary | null;
  /** Null where nothing was reported. */
  readonly audience: (AudienceSummary & { readonly comparison: AudienceComparison | null }) | null;
};

/** The viewers' part of a run. */
export type AudiencePart = {
  readonly record: AudienceRecord;
  /** Null where no list of incidents is known: viewers that are not simulated. */
  readonly incidents: readonly LabelledIncident[] | null;
  /** Log time up to which everything was read. */
  readonly endMs: number;
};

export function summarise(
  run: RunRecord,
  truth: readonly InjectedFault[] | null,
  timing: RunTiming,
  audience: AudiencePart | null = null,
): RunSummary {
  const streams = [...run.streams.values()].map(streamSummary);
  const defects = [...run.defects.values()].map(({ latest }) => latest);
  const { alerts } = run;
  const open = defects.filter(({ endMs }) => endMs === null).length;
  return {
    version: 1,
    timing,
    streams,
    totals: {
      streams: streams.length,
      frames: sum(streams, ({ frames }) => frames),
      chunks: sum(streams, ({ chunks }) => chunks),
      repeatedChunks: run.repeatedChunks,
      mediaMs: sum(streams, ({ mediaMs }) => mediaMs),
    },
    defects: {
      total: defects.length,
      open,
      closed: defects.length - open,
      byType: tally(defects.map(({ type }) => type)),
      carriedOver: run.carriedOverDefects.size,
    },
    alerts: {
      total: alerts.length,
      versions: sum(alerts, ({ versions }) => versions),
      byStatus: tally(alerts.map(({ latest }) => latest.status)),
      carriedOver: run.carriedOverAlerts,
    },
    latency: latencyOf(run),
    comparison: truth === null ? null : comparisonOf(run, truth),
    audience: audience === null || audience.record.beacons === 0 ? null : audienceOf(run, audience),
  };
}

function audienceOf(run: RunRecord, { record, incidents, endMs }: AudiencePart): RunSummary['audience'] {
  const alerts = run.alerts.map(({ latest }) => latest);
  return {
    ...record.summary(),
    comparison:
      incidents === null
        ? null
        : compareAudience(
            // what had not begun could not be found; stream faults are compared with their own list
            incidents.filter(
              ({ startMs, expectedAlert }) => startMs < endMs && expectedAlert.scope === 'audience',
            ),
            alerts,
            endMs,
          ),
  };
}

function latencyOf({ detected, raised, fired }: RunRecord): LatencySummary {
  const figures = (durationMs: (delay: Delay) => number): Latencies => ({
    defect: latencyFigures(detected.map(durationMs)),
    alert: latencyFigures(raised.map(durationMs)),
    firing: latencyFigures(fired.map(durationMs)),
  });
  return {
    decodedToLog: figures(({ toLogMs }) => toLogMs),
    decodedToSubscriber: figures(({ toSeenMs }) => toSeenMs),
  };
}

function comparisonOf(run: RunRecord, truth: readonly InjectedFault[]): ComparisonSummary {
  const defects = [...run.defects.values()].map(({ latest }) => foundDefect(latest));
  const { faults, falseAlarms } = compareWithTruth(truth, defects, run.watchedUpToMs());
  const compared = faults.map((fault): ComparedFault => {
    const alert = run.alerts.find(
      ({ latest }) => fault.defectId !== null && latest.defectIds.includes(fault.defectId),
    );
    return { ...fault, alertId: alert?.latest.alertId ?? null, alertStatus: alert?.latest.status ?? '' };
  });
  const count = (outcome: FaultResult['outcome']) =>
    faults.filter((fault) => fault.outcome === outcome).length;
  return {
    found: count('found'),
    missed: count('missed'),
    notFinished: count('not-finished'),
    falseAlarms,
    faults: compared,
  };
}

function streamSummary(stream: WatchedStream): StreamSummary {
  const { programmeId, renditionId, vantage, frames, chunks, mediaMs, lastEvent, decodeErrors } = stream;
  return { programmeId, renditionId, vantage, frames, chunks, mediaMs, lastEvent, decodeErrors };
}

function foundDefect({ defectId, programmeId, type, startMs, endMs }: FoundDefect): FoundDefect {
  return { defectId, programmeId, type, startMs, endMs };
}

function sum<T>(items: readonly T[], amountOf: (item: T) => number): number {
  return items.reduce((total, item) => total + amountOf(item), 0);
}
