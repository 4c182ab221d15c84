/** Viewers and a probe drawn as text, run through session scoring: for tests. */
import assert from 'node:assert/strict';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { PlaybackEvent, QosScore } from '../../schemas/records.ts';
import { sessionScoring } from '../session-scoring.ts';
import { type Arrival, draw, LOG_START_MS } from '../sessions/drawn-session.ts';
import { anchor, defectRecord } from './drawn-defects.ts';

/** Programme time that a viewer sees at the start of a drawing: 15 s behind the programme's own clock. */
export const PROGRAM_MS = 1_650_000_000_000;
/** The probe's picture comes in 5 s behind the programme's own clock, so viewers see it 10 s after the probe. */
const PROBE_LEAD_MS = 10_000;

/** Log time at which the probe sees what viewers see at `ms` of the drawing. */
export const probeMs = (ms: number) => LOG_START_MS + ms - PROBE_LEAD_MS;

export type Step = { readonly atMs: number; readonly run: (driver: TopologyTestDriver) => void };

export const events = (arrivals: readonly Arrival[]): readonly Step[] =>
  arrivals.map(({ logMs, event }) => ({
    atMs: logMs,
    run: (driver) => driver.pipe('playback-events', event.sessionKey, event, logMs),
  }));

/** A live viewer that says with each word where it is in the programme. */
export function viewer(sid: string, drawing: string, fields: Partial<PlaybackEvent> = {}): readonly Step[] {
  const own = {
    sessionKey: `key-${sid}`,
    sessionId: sid,
    streamType: 'live',
    cdn: 'cdn-a',
    country: 'DE',
    ...fields,
  };
  return events(
    draw(drawing, own).map(({ logMs, event }) => ({
      logMs,
      event: {
        ...event,
        programTimeMs: fields.programTimeMs === null ? null : PROGRAM_MS + (logMs - LOG_START_MS),
        programTimeSource: fields.programTimeMs === null ? 'none' : 'player',
        bitrateBps: event.bitrateBps ?? 6_000_000,
        heightPx: event.heightPx ?? 1_080,
      },
    })),
  );
}

/** A probe that watches `news` and sees a freeze from 22 to 28 s of the drawing; seals 3 s behind, once a second. */
export function probe(withFreeze = true, seals = 300): readonly Step[] {
  const record = (ms: number, told: Parameters<typeof defectRecord>[0]): Step => {
    const programmeMs = (mediaMs: number) => PROGRAM_MS + mediaMs;
    const value = defectRecord({
      ...told,
      programTimeStartMs: programmeMs(told.startMs ?? 0),
      programTimeEndMs: told.endMs == null ? null : programmeMs(told.endMs),
    });
    return { atMs: probeMs(ms), run: (driver) => driver.pipe('stream-defects', 'news', value, probeMs(ms)) };
  };
  const freeze = [
    record(24_300, { event: 'open', startMs: 22_000, defectId: 'freeze-1' }),
    record(28_900, { event: 'close', startMs: 22_000, endMs: 28_000, defectId: 'freeze-1' }),
  ];
  return [
    record(-20_000, anchor(-20_000)),
    record(40_000, anchor(40_000)),
    ...(withFreeze ? freeze : []),
    ...Array.from({ length: seals }, (_, index): Step => {
      const atMs = probeMs(-20_000 + index * 1_000);
      return { atMs, run: (driver) => driver.pipeSeal('stream-defects', atMs - 3_000, atMs) };
    }),
  ];
}

export function run(...parts: readonly (readonly Step[])[]): TopologyTestDriver {
  return play(parts.flat().toSorted((a, b) => a.atMs - b.atMs));
}

export function play(
  steps: readonly Step[],
  driver = new TopologyTestDriver(sessionScoring),
): TopologyTestDriver {
  for (const { run: step } of steps) step(driver);
  // as ticks do where nobody says anything
  for (let atMs = driver.timeMs; atMs < LOG_START_MS + 300_000; atMs += 1_000) driver.advanceTo(atMs);
  driver.advanceTo(LOG_START_MS + 900_000);
  return driver;
}

export const scoresOf = (driver: TopologyTestDriver, sid: string) =>
  driver
    .outputs('qos-scores')
    .map(({ value }) => value)
    .filter(({ sessionId }) => sessionId === sid);

export const windowAt = (driver: TopologyTestDriver, sid: string, ms: number): QosScore => {
  const found = scoresOf(driver, sid).find(
    ({ kind, windowStartMs }) => kind === 'window' && windowStartMs === LOG_START_MS + ms,
  );
  assert.ok(found !== undefined, `no window of ${sid} at ${ms}`);
  return found;
};
export const finalOf = (driver: TopologyTestDriver, sid: string) => {
  const final = scoresOf(driver, sid).findLast(({ kind }) => kind === 'final');
  assert.ok(final !== undefined, `no final of ${sid}`);
  return final;
};

export const told = ({ defectTypes, defectMs, defectIds, defectPossibleMs, coveragePermille }: QosScore) =>
  [
    ...defectTypes.map((type, i) => `${type} ${defectMs[i]} ${defectIds.join()}`),
    ...(defectPossibleMs > 0 ? [`possible ${defectPossibleMs}`] : []),
    `coverage ${coveragePermille}`,
  ].join(', ');

/** Sixty seconds, a word every five. */
export const PLAYS = `s.p${'.......t..'.repeat(12)}e`;
