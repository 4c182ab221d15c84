/** Records of stream defects for tests, and tables made of them by the real reducer. */
import type { StepContext } from '../../runtime/topology.ts';
import type { StreamDefect } from '../../schemas/records.ts';
import { type DefectTable, defectTable } from './defect-table.ts';

/** Programme time of presentation time 0. */
export const PROGRAM_START_MS = 1_700_000_000_000;

/** Log time at which presentation time 0 came in: the probe is 4 s behind the programme's own clock. */
export const LOG_START_MS = PROGRAM_START_MS + 4_000;

export type Told = Partial<StreamDefect> & Pick<StreamDefect, 'event'>;

/** A step of a defect whose times follow from `startMs` and `endMs`, presentation time. */
export function defectRecord(told: Told): StreamDefect {
  const startMs = told.startMs ?? 0;
  const endMs = told.endMs ?? null;
  return {
    defectId: told.event === 'anchor' ? '' : 'defect-1',
    revision: told.event === 'close' ? 2 : 1,
    programmeId: 'news',
    renditionId: 'main',
    trackId: 'video',
    vantage: 'origin',
    probeId: 'probe-1',
    type: told.event === 'anchor' ? '' : 'video-freeze',
    severity: 'medium',
    confidencePermille: 1_000,
    reason: '',
    startMs,
    endMs,
    durationMs: 0,
    chargeFromMs: startMs,
    programTimeStartMs: PROGRAM_START_MS + startMs,
    programTimeEndMs: endMs === null ? null : PROGRAM_START_MS + endMs,
    programTimeUncertaintyMs: 0,
    detectedAtMs: 0,
    decodedAtMs: 0,
    evidenceTopic: 'frame-features',
    evidencePartition: 0,
    evidenceFirstOffset: 0,
    evidenceLastOffset: 0,
    configHash: 'default',
    offsetMs: null,
    announced: '',
    ...told,
  };
}

export const anchor = (startMs: number, changes: Partial<StreamDefect> = {}) =>
  defectRecord({ event: 'anchor', startMs, ...changes });

/** A record with the log time at which it came and how far its partition was sealed by then. */
export type Logged = { readonly record: StreamDefect; readonly timeMs: number; readonly sealedMs: number };

/** As live detection tells it: at `timeMs` after the start everything up to 3 s before is sealed. */
export function atMs(ms: number, record: StreamDefect): Logged {
  return { record, timeMs: LOG_START_MS + ms, sealedMs: LOG_START_MS + ms - 3_000 };
}

/** The table after these records; `leftOut` says why records were not used. */
export function tableOf(logged: readonly Logged[]): { table: DefectTable; leftOut: string[] } {
  const table = defectTable.init('news');
  const leftOut: string[] = [];
  for (const { record, timeMs, sealedMs } of logged) {
    const context: StepContext = {
      configHash: 'default',
      config: null,
      sealedUpToMs: 0,
      sealedUpToMsOf: () => sealedMs,
      sealsOf: () => [sealedMs],
      read: () => undefined,
    };
    const origin = { topic: 'stream-defects', partition: 0, offset: 0 };
    const input = { kind: 'record', key: 'news', timeMs, value: record, origin } as const;
    for (const effect of defectTable.step(table, input, context))
      if (effect.kind === 'drop') leftOut.push(effect.reason);
  }
  return { table: defectTable.state.decode(defectTable.state.encode(table), 1), leftOut };
}
