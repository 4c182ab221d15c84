/**
 * What the simulated players went through, against what session scoring makes of their reports: two accounts of the same
 * sessions that share nothing but the reports.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normaliseEventBody, normaliseQuery } from '../../producers/collector/normalise-cmcd.ts';
import { normaliseJson } from '../../producers/collector/normalise-json.ts';
import { testContext } from '../../producers/collector/testing.ts';
import { isInCohort, placeIncidents } from '../../producers/simulator/incidents.ts';
import { DEFAULT_POPULATION, drawViewer, type Viewer } from '../../producers/simulator/population.ts';
import { Reporter } from '../../producers/simulator/reporter.ts';
import { parseScenario } from '../../producers/simulator/scenario.ts';
import { type PlayerEvent, watch } from '../../producers/simulator/viewing.ts';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { PlaybackEvent, QosScore } from '../../schemas/records.ts';
import { sessionScoring } from '../../topologies/session-scoring.ts';

const START_MS = 1_800_000_000_000;
const VIEWERS = 90;
const LASTS_MS = 200_000;
const READ = { json: normaliseJson, 'cmcd-event': normaliseEventBody, 'cmcd-query': normaliseQuery };

const INCIDENTS = parseScenario({
  version: 1,
  name: 'cross-check',
  incidents: [
    {
      id: 'congestion',
      kind: 'isp-congestion',
      startMs: 40_000,
      durationMs: 50_000,
      rampMs: 2_000,
      cohort: { asn: 64496 },
      effect: { throughputPermille: 15 },
    },
    {
      id: 'release',
      kind: 'bad-player-release',
      startMs: 0,
      durationMs: LASTS_MS,
      cohort: { playerVersion: 'everyview-player 4.3.0' },
      effect: { startFailPermille: 400 },
    },
  ],
}).incidents;

/** A session up to the last thing that its player told: of what came after it nobody can know. */
type Lived = {
  readonly viewer: Viewer;
  readonly told: PlayerEvent;
  readonly shortStalls: number;
  readonly playingMs: number;
  /** Bits on screen while content played, thousandths. */
  readonly bits: number;
};
type Logged = { readonly logMs: number; readonly event: PlaybackEvent };

/** Every viewer's sessions as they were, and the events that the collector makes of their reports, none of them lost. */
function live(): { readonly sessions: ReadonlyMap<string, Lived>; readonly logged: readonly Logged[] } {
  const placed = placeIncidents(INCIDENTS, START_MS);
  const sessions = new Map<string, Lived>();
  const logged: Logged[] = [];
  for (let index = 0; index < VIEWERS; index++) {
    const random = new SeededRandom(`cross-check ${index}`);
    const programmes = [{ programmeId: 'news', contentId: 'news-live', weight: 1 }];
    const viewer = drawViewer(index, random.fork('viewer'), DEFAULT_POPULATION, programmes);
    const incidents = placed.filter(({ cohort }) => isInCohort(viewer, cohort));
    const [arrivalMs, untilMs] = [START_MS + index * 100, START_MS + LASTS_MS];
    const options = { viewer, incidents, random: random.fork('viewing'), arrivalMs, untilMs };
    let [reporter, account] = [new Reporter(viewer, START_MS), newAccount()];
    for (const event of watch({ ...options, onStretch: () => {} })) {
      const { id } = event.session;
      if (event.name === 'intent') [reporter, account] = [new Reporter(viewer, START_MS), newAccount()];
      addTo(account, event);
      const report = reporter.report(event);
      if (report === null) continue;
      const { shortStalls, playingMs, bits } = account;
      sessions.set(id, { viewer, told: event, shortStalls, playingMs, bits });
      const logMs = event.atMs + 20;
      for (const one of READ[report.form](report.text, testContext({ receivedAtMs: logMs })).events)
        logged.push({ logMs, event: one });
    }
  }
  return { sessions, logged: logged.sort((a, b) => a.logMs - b.logMs) };
}

function newAccount() {
  return { last: null as PlayerEvent | null, stalledAtMs: 0, shortStalls: 0, playingMs: 0, bits: 0 };
}

function addTo(account: ReturnType<typeof newAccount>, event: PlayerEvent): void {
  const { last } = account;
  account.last = event;
  if (last?.state === 'playing' && !last.adPlaying) {
    account.playingMs += event.atMs - last.atMs;
    account.bits += (event.atMs - last.atMs) * (last.shownRung?.bitrateBps ?? 0);
  }
  if (event.name !== 'state') return;
  if (event.state === 'rebuffering') account.stalledAtMs = event.atMs;
  else if (event.state === 'playing' && event.atMs - account.stalledAtMs < 100) account.shortStalls += 1;
}

function finalsOf(logged: readonly Logged[]): ReadonlyMap<string, QosScore> {
  const driver = new TopologyTestDriver(sessionScoring);
  let secondMs = START_MS;
  const tickTo = (untilMs: number): void => {
    for (; secondMs <= untilMs; secondMs += 1_000) driver.advanceTo(secondMs);
  };
  for (const { logMs, event } of logged) {
    tickTo(logMs);
    driver.pipe('playback-events', event.sessionKey, event, logMs);
  }
  tickTo(START_MS + LASTS_MS + 600_000);
  assert.equal(driver.leftOut.size, 0);
  const finals = driver.outputs('qos-scores').filter(({ value }) => value.kind === 'final');
  return new Map(finals.map(({ value }) => [value.sessionId, value]));
}

test('startup, playing time, bitrate, stalls and failures are what they were, for every player that tells them', () => {
  const { sessions, logged } = live();
  const finals = finalsOf(logged);
  assert.equal(finals.size, sessions.size);
  const seen = { stalled: 0, failed: 0, played: 0, silent: 0 };
  for (const [id, { viewer, told: last, shortStalls, playingMs, bits }] of sessions) {
    const final = finals.get(id)!;
    const { name, version, dialect } = viewer.player;
    const which = `${name} ${version}, session ${id}`;
    assert.equal(100 - final.causePoints.reduce((sum, points) => sum + points, 0), final.score ?? 100, which);
    if (dialect === 'cmcd-v1' || !viewer.player.tellsState) {
      // Told too little: never a time that did not come from the player, and no stall that was none.
      assert.equal(final.joinTimeMs, null, which);
      assert.ok(final.stallCount <= last.stallCount, which);
      seen.silent += 1;
      continue;
    }
    near(final.playingMs, playingMs, `${which}: playing time`);
    if (dialect === 'json' && playingMs > 0)
      near(final.bitrateBps ?? 0, bits / playingMs, `${which}: bitrate`);
    near(final.stallMs, last.stallMs, `${which}: stall time`);
    if (dialect !== 'json') assert.equal(final.stallCount, last.stallCount - shortStalls, `${which}: stalls`);
    if (last.startupMs !== null) near(final.joinTimeMs ?? -1, last.startupMs, `${which}: startup`);
    else assert.equal(final.joinTimeMs, null, which);
    if (last.stallCount > 0) seen.stalled += 1;
    if (last.startupMs !== null) {
      assert.equal(final.outcome, 'play', which);
      seen.played += 1;
    } else if (dialect === 'json' && last.state === 'fatal-error') {
      assert.equal(final.outcome, 'vsf-technical', which);
      seen.failed += 1;
    }
  }
  assert.ok(
    seen.stalled >= 10 && seen.failed >= 2 && seen.played >= 50 && seen.silent >= 5,
    JSON.stringify(seen),
  );
});

/** Within 100 (ms) or 2 %. */
function near(actual: number, expected: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= Math.max(100, expected * 0.02),
    `${what}: ${actual}, and it was ${expected}`,
  );
}
