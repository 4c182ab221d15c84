/**
 * What the topologies say of two drawn streams with faults and of a simulated audience with an incident: the real
 * reducers over reports as players send them, without a log. Four minutes of it, ending now.
 */
import { deviceOf } from '../../producers/collector/device.ts';
import { normaliseEventBody, normaliseQuery } from '../../producers/collector/normalise-cmcd.ts';
import { normaliseJson } from '../../producers/collector/normalise-json.ts';
import { testContext } from '../../producers/collector/testing.ts';
import { audience } from '../../producers/simulator/audience.ts';
import { scenarioOf } from '../../producers/simulator/testing.ts';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import type { RecordOf, TopicName } from '../../schemas/topics.ts';
import { cohortMerge } from '../../topologies/cohort-merge.ts';
import {
  arrivalMs,
  cut,
  draw,
  everySecond,
  LOG_START_MS,
  type Looks,
} from '../../topologies/detectors/drawn-stream.ts';
import { qosAlerting } from '../../topologies/qos-alerting.ts';
import { sessionScoring } from '../../topologies/session-scoring.ts';
import { streamDetection } from '../../topologies/stream-detection.ts';

export type Derived = {
  readonly topic: TopicName;
  readonly key: string;
  readonly value: unknown;
  readonly timeMs: number;
};

const LASTS_MS = 240_000;
const AUDIENCE_MS = 150_000;
const VIEWERS = 80;

const LOOKS: Looks = {
  '.': {},
  b: { darkPermille: 1_000, still: true, diffMeanCenti: 0 },
  f: { still: true, diffMeanCenti: 1, anchorMeanCenti: 40 },
  s: { rmsCentiDbfs: [-9_000, -9_500] },
};

/** In the order of log time; the same for the same `nowMs`. */
export function derivedRecords(nowMs: number): readonly Derived[] {
  const startMs = nowMs - (nowMs % 10_000) - LASTS_MS;
  const streams = detect(startMs);
  const sessions = score(startMs, streams);
  const cohorts = merge(startMs, sessions);
  const alerts = alert(startMs, [...streams, ...cohorts]);
  return sorted([...streams, ...sessions, ...cohorts, ...alerts]);
}

function detect(startMs: number): readonly Derived[] {
  const driver = new TopologyTestDriver(streamDetection);
  const drawings = {
    news: `${'.'.repeat(120)}${'b'.repeat(24)}${'.'.repeat(80)}${'f'.repeat(16)}${'.'.repeat(160)}`,
    sports: `${'.'.repeat(180)}${'s'.repeat(20)}${'.'.repeat(200)}`,
  };
  const chunks = Object.entries(drawings).flatMap(([programmeId, drawing]) => {
    const recording = draw(drawing, LOOKS);
    return cut(recording, everySecond(recording)).map((chunk) => shifted(chunk, programmeId, startMs));
  });
  for (const { chunk, atMs } of chunks.toSorted((a, b) => a.atMs - b.atMs))
    driver.pipe('frame-features', chunk.programmeId, chunk, atMs);
  tickTo(driver, startMs + LASTS_MS);
  return outputsOf(driver, ['stream-defects', 'stream-health']);
}

function score(startMs: number, streams: readonly Derived[]): readonly Derived[] {
  const driver = new TopologyTestDriver(sessionScoring);
  const scenario = scenarioOf({
    id: 'outage',
    kind: 'cdn-outage',
    startMs: 40_000,
    durationMs: 60_000,
    cohort: { cdn: 'cdn-a' },
    effect: { throughputPermille: 20 },
  });
  const programmes = ['news', 'sports'].map((programmeId) => ({
    programmeId,
    contentId: programmeId,
    weight: 1,
  }));
  const made = audience({
    seed: 5,
    viewers: VIEWERS,
    programmes,
    scenario,
    startMs,
    untilMs: startMs + AUDIENCE_MS,
  });
  const read = { json: normaliseJson, 'cmcd-event': normaliseEventBody, 'cmcd-query': normaliseQuery };
  const events = [...made].flatMap(({ form, text, viewer, dueMs }) => {
    const context = testContext({
      receivedAtMs: dueMs,
      device: deviceOf(viewer.device.userAgent),
      programmeIdOf: (contentId) => contentId,
    });
    return read[form](text, context).events.map((event) => ({ timeMs: dueMs, event }));
  });
  const defects = streams.filter(({ topic }) => topic === 'stream-defects');
  const inputs = [
    ...events.map(({ timeMs, event }) => ({
      timeMs,
      run: () => driver.pipe('playback-events', event.sessionKey, event, timeMs),
    })),
    ...defects.map(({ timeMs, key, value }) => ({
      timeMs,
      run: () => driver.pipe('stream-defects', key, value as RecordOf['stream-defects'], timeMs),
    })),
    ...seconds(startMs).map((timeMs) => ({
      timeMs,
      run: () => driver.pipeSeal('stream-defects', timeMs - 3_000, timeMs),
    })),
  ];
  for (const { run } of inputs.toSorted((a, b) => a.timeMs - b.timeMs)) run();
  tickTo(driver, startMs + LASTS_MS);
  return outputsOf(driver, ['qos-scores', 'cohort-partials']);
}

function merge(startMs: number, sessions: readonly Derived[]): readonly Derived[] {
  const driver = new TopologyTestDriver(cohortMerge);
  const inputs = [
    ...sessions
      .filter(({ topic }) => topic === 'cohort-partials')
      .map(({ timeMs, key, value }) => ({
        timeMs,
        run: () => driver.pipe('cohort-partials', key, value as RecordOf['cohort-partials'], timeMs),
      })),
    ...seconds(startMs).map((timeMs) => ({
      timeMs,
      run: () => driver.pipeSeal('cohort-partials', timeMs, timeMs),
    })),
  ];
  for (const { run } of inputs.toSorted((a, b) => a.timeMs - b.timeMs)) run();
  tickTo(driver, startMs + LASTS_MS);
  return outputsOf(driver, ['cohort-windows']);
}

function alert(startMs: number, inputs: readonly Derived[]): readonly Derived[] {
  const driver = new TopologyTestDriver(qosAlerting);
  for (const { topic, key, value, timeMs } of sorted(inputs)) {
    if (topic !== 'stream-defects' && topic !== 'cohort-windows') continue;
    for (let at = driver.timeMs; at !== 0 && at + 1_000 < timeMs; at += 1_000) driver.advanceTo(at + 1_000);
    driver.pipe(topic, key, value as never, timeMs);
  }
  tickTo(driver, startMs + LASTS_MS);
  return outputsOf(driver, ['qos-alerts']);
}

function shifted(chunk: FrameFeatures, programmeId: string, startMs: number) {
  const atMs = startMs + arrivalMs(chunk.basePtsMs + chunk.durationMs) - LOG_START_MS;
  return { atMs, chunk: { ...chunk, programmeId, decodedAtMs: atMs - 80, probeEpochMs: startMs } };
}

function seconds(startMs: number): readonly number[] {
  return Array.from({ length: LASTS_MS / 1_000 }, (_, second) => startMs + second * 1_000);
}

function tickTo(driver: TopologyTestDriver, untilMs: number): void {
  for (let atMs = driver.timeMs; atMs <= untilMs; atMs += 1_000) driver.advanceTo(atMs);
}

function outputsOf(driver: TopologyTestDriver, topics: readonly TopicName[]): readonly Derived[] {
  return topics.flatMap((topic) => driver.outputs(topic));
}

function sorted(records: readonly Derived[]): readonly Derived[] {
  return records.toSorted((a, b) => a.timeMs - b.timeMs);
}
