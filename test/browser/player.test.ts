/**
 * hls.js in Chromium plays a stream over a network that is cut and slowed; its reports go through the collector, Kafka and
 * the topologies. What the scores say is held against the media element's own events.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { chromiumFlags, resolveChromium } from '../../local/chromium.ts';
import { resolveFfmpeg } from '../../local/ffmpeg.ts';
import { startCollector } from '../../producers/collector/server.ts';
import { parseTenants } from '../../producers/collector/settings.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import type { QosScore } from '../../schemas/records.ts';
import { sessionScoring } from '../../topologies/session-scoring.ts';
import { testCluster } from '../support/local-cluster.ts';
import { type LoggedEvent, startScoring } from './scoring.ts';
import { renderStream, type StreamOrigin, startStreamOrigin } from './stream-origin.ts';
import { type Note, truthOf } from './truth.ts';

const STREAM_MS = 11_000;
const TOKEN = 'browser-token-0123456789';
const TIMEOUT_MS = 60_000;
/** A session ends after 90 s of which nothing is heard; no test waits for that. */
const SILENCE_MS = 200_000;

const NOTHING_OWN = {
  playerName: '',
  playerVersion: '',
  programTimeMs: null,
  programTimeSource: 'none',
  renditionShown: false,
};

const closing = new AsyncDisposableStack();
after(() => closing.disposeAsync());

test('scores of an hls.js session agree with the media element; version 1 tells less, and is believed for less', {
  timeout: 240_000,
}, async (t) => {
  const { scoring, collector, origin, browser } = await startAll();
  const open = (version: 1 | 2) =>
    openPlayer(browser, origin, `${collector.url}/t/${TOKEN}/v2/events/main`, version);
  const [v2, v1] = await Promise.all([open(2), open(1)]);
  await Promise.race([perform(origin, [v2, v1]), scoring.failed]);
  const [notes, notesV1] = await Promise.all([notesOf(v2), notesOf(v1)]);
  const [truth, truthV1] = [truthOf(notes), truthOf(notesV1)];

  const isFinal = (score: QosScore) => score.kind === 'final' && score.sessionId === 'session-2';
  await Promise.race([until(() => scoring.scores.some(isFinal)), scoring.failed]);
  const final = scoring.scores.findLast(isFinal)!;
  t.diagnostic(
    `in truth ${shown(truth.startupMs, truth.stallsMs.length, sum(truth.stallsMs), truth.playingMs, truth.bitrateBps)}`,
  );
  t.diagnostic(
    `as told  ${shown(final.joinTimeMs, final.stallCount, final.stallMs, final.playingMs, final.bitrateBps)}`,
  );
  assert.equal(final.outcome, 'play');
  assert.ok(final.ended && !final.provisional && final.eventsLost === 0);
  near('startup', final.joinTimeMs, truth.startupMs);
  assert.equal(final.stallCount, truth.stallsMs.length);
  assert.ok(final.stallCount >= 2, 'the script makes it stall twice');
  near('stalls', final.stallMs, sum(truth.stallsMs));
  near('playing', final.playingMs, truth.playingMs);
  near('bitrate', final.bitrateBps, truth.bitrateBps, 0);
  assert.equal(final.switchesUp + final.switchesDown, truth.switches);
  assert.equal(final.playerVersion.split(' ')[0], 'hls.js');

  checkPlayhead(scoring.events, notes);

  // A page that adds nothing of its own: hls.js is not known by name, and says what it chose.
  const plain = scoring.events.map(({ logTimeMs, event }) => ({
    logTimeMs,
    event: { ...event, ...NOTHING_OWN },
  }));
  const finalPlain = finalOf(plain, 'session-2');
  near('startup of a plain page', finalPlain.joinTimeMs, truth.startupMs);
  assert.equal(finalPlain.stallCount, truth.stallsMs.length);
  near('stalls of a plain page', finalPlain.stallMs, sum(truth.stallsMs));

  const finalV1 = finalOf(scoring.events, 'session-1');
  t.diagnostic(
    `version 1 ${shown(finalV1.joinTimeMs, finalV1.stallCount, finalV1.stallMs, finalV1.playingMs, finalV1.bitrateBps)}`,
  );
  const { joinTimeMs, contentStartupMs, rebufferingPlayingPermille, rebufferingWatchPermille } = finalV1;
  assert.deepEqual(
    [joinTimeMs, contentStartupMs, rebufferingPlayingPermille, rebufferingWatchPermille],
    [null, null, null, null],
  );
  assert.ok(finalV1.stallCount <= truthV1.stallsMs.length, 'a lower bound');
  assert.ok(finalV1.confidencePermille < final.confidencePermille);
});

async function startAll() {
  const folder = mkdtempSync(path.join(tmpdir(), 'everyview-browser-'));
  closing.defer(() => rmSync(folder, { recursive: true, force: true }));
  const setup = { allowInstall: true, onProgress: () => undefined };
  const [cluster, ffmpeg, executablePath] = await Promise.all([
    testCluster(),
    resolveFfmpeg(setup),
    resolveChromium(setup),
  ]);
  closing.defer(() => cluster.stop());
  await renderStream(ffmpeg.path, folder, STREAM_MS);
  const scoring = await startScoring(cluster);
  closing.defer(() => scoring.stop());
  const collector = await startCollector({
    port: scoring.port,
    codec: scoring.codec,
    clock: systemClock,
    tenants: parseTenants({ tenants: [{ tenant: 'browser', tokens: [TOKEN] }] }, 'test'),
    secret: Buffer.alloc(32, 1),
  });
  closing.defer(() => collector.close());
  // What a CDN's log would pass on of each request.
  const origin = await startStreamOrigin(folder, (cmcd, userAgent) => {
    const query = new URLSearchParams({ CMCD: cmcd, token: TOKEN });
    void fetch(`${collector.url}/v1?${query}`, { headers: { 'user-agent': userAgent } });
  });
  closing.defer(() => origin.stop());
  const browser = await chromium.launch({ executablePath, args: [...chromiumFlags()] });
  closing.defer(() => browser.close());
  return { scoring, collector, origin, browser };
}

async function openPlayer(
  browser: Browser,
  origin: StreamOrigin,
  target: string,
  version: 1 | 2,
): Promise<Page> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const settings = {
    version: String(version),
    session: `session-${version}`,
    content: 'clip',
    stream: '/master.m3u8',
  };
  await page.goto(`${origin.url}/?${new URLSearchParams({ ...settings, collector: target })}`);
  await holds(page, "notes.some(({ what }) => what === 'manifest')");
  return page;
}

/** Plays to the end: the network is cut until both players stall, gets slow, and is cut once more. */
async function perform(origin: StreamOrigin, pages: readonly Page[]): Promise<void> {
  const all = (expression: string) => Promise.all(pages.map((page) => holds(page, expression)));
  const stall = async (): Promise<void> => {
    origin.cut(true);
    await all("notes.findLast(({ what }) => what === 'playing' || what === 'waiting').what === 'waiting'");
    // However long it takes from here: both sides measure the same wait.
    await all('performance.timeOrigin + performance.now() - notes.at(-1).atMs > 1200');
    origin.cut(false);
    await all("notes.at(-1).what !== 'waiting' && notes.at(-1).what !== 'error'");
  };
  origin.slow(450_000);
  await Promise.all(pages.map((page) => page.click('#play')));
  await all('video.currentTime > 2');
  await stall();
  origin.slow(120_000);
  await all('video.currentTime > 5');
  await stall();
  origin.slow(null);
  await all("notes.at(-1).what === 'ended'");
}

async function holds(page: Page, expression: string): Promise<void> {
  await page.waitForFunction(expression, null, { timeout: TIMEOUT_MS, polling: 50 });
}

async function notesOf(page: Page): Promise<readonly Note[]> {
  return (await page.evaluate('notes')) as readonly Note[];
}

/** The final record of a session that has said its last word, as the topology has it once log time has gone on. */
function finalOf(events: readonly LoggedEvent[], sessionId: string): QosScore {
  const driver = new TopologyTestDriver(sessionScoring);
  const own = events
    .filter(({ event }) => event.sessionId === sessionId)
    .sort((a, b) => a.logTimeMs - b.logTimeMs);
  for (const { event, logTimeMs } of own) driver.pipe('playback-events', event.sessionKey, event, logTimeMs);
  const endMs = own.at(-1)!.logTimeMs + SILENCE_MS;
  for (let atMs = own.at(-1)!.logTimeMs; atMs < endMs; atMs += 1_000) driver.advanceTo(atMs);
  const final = driver.outputs('qos-scores').findLast(({ value }) => value.kind === 'final');
  assert.ok(final !== undefined, `no final record of ${sessionId}`);
  return final.value;
}

/** The programme time that the page tells with each stall moves with the picture. */
function checkPlayhead(events: readonly LoggedEvent[], notes: readonly Note[]): void {
  const told = events.filter(
    ({ event }) =>
      event.programTimeSource === 'custom-key' &&
      event.playerState === 'rebuffering' &&
      event.event === 'play-state',
  );
  const first = notes.findIndex(({ what }) => what === 'playing');
  const waits = notes.slice(first).filter(({ what }) => what === 'waiting');
  assert.equal(told.length, waits.length);
  for (const [index, { event }] of told.entries()) {
    const movedMs = waits[index]!.mediaMs - waits[0]!.mediaMs;
    near('playhead', event.programTimeMs! - told[0]!.event.programTimeMs!, movedMs);
  }
}

function shown(
  startupMs: number | null,
  stalls: number,
  stallMs: number,
  playingMs: number,
  bitrateBps: number | null,
): string {
  const figures = [startupMs, stallMs, playingMs, bitrateBps].map((figure) =>
    figure === null ? 'null' : Math.round(figure),
  );
  return `startup ${figures[0]} ms, ${stalls} stalls of ${figures[1]} ms, playing ${figures[2]} ms at ${figures[3]} bit/s`;
}

/** Within 100 ms or 2 %, whichever is more. */
function near(what: string, told: number | null, truth: number, leastMs = 100): void {
  const allowed = Math.max(leastMs, truth * 0.02);
  assert.ok(
    told !== null && Math.abs(told - truth) <= allowed,
    `${what}: ${told}, in truth ${Math.round(truth)}`,
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Asks again until the condition holds; the test's own limit ends what never does. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await systemClock.sleep(50);
}
