/** Beacons in a log, as the collector's own code understands them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import { newTopics } from '../../schemas/topics.ts';
import { deviceOf } from '../collector/device.ts';
import { normaliseEventBody, normaliseQuery } from '../collector/normalise-cmcd.ts';
import { normaliseJson } from '../collector/normalise-json.ts';
import { startCollector } from '../collector/server.ts';
import { parseTenants } from '../collector/settings.ts';
import { testContext } from '../collector/testing.ts';
import { type NormaliseBeacon, writeBeacons } from './log-driver.ts';
import { playerVersionOf } from './population.ts';
import { startAudience } from './start-audience.ts';
import { PROGRAMMES, START_MS, scenarioOf, someAudience } from './testing.ts';

const PARTITIONS = 3;
const codec = localCodec();

const normalise: NormaliseBeacon = ({ form, text, viewer }, receivedAtMs) => {
  const context = testContext({ receivedAtMs, device: deviceOf(viewer.device.userAgent) });
  const read = { json: normaliseJson, 'cmcd-event': normaliseEventBody, 'cmcd-query': normaliseQuery }[form];
  return read(text, context).events;
};

function recordsOf(broker: MemoryBroker): { readonly atMs: number; readonly event: PlaybackEvent }[] {
  return Array.from({ length: PARTITIONS }, (_, partition) =>
    broker.dump('playback-events', partition).map(({ value, timestampMs }) => ({
      atMs: timestampMs,
      event: codec.decode('playback-events', value!) as PlaybackEvent,
    })),
  ).flat();
}

test('every beacon is one event that the collector reads whole, written when it is due', async () => {
  const clock = new VirtualClock({ startMs: START_MS });
  const broker = new MemoryBroker({ clock });
  broker.createTopics(newTopics(PARTITIONS));
  const made = someAudience({ viewers: 100 });
  const writing = writeBeacons({
    beacons: made,
    port: broker.openPort({ clientId: 'simulator' }),
    partitions: PARTITIONS,
    encode: (event) => codec.encode('playback-events', event),
    normalise,
    clock,
  });
  const counts = await clock.run(writing);
  const records = recordsOf(broker);
  assert.deepEqual(counts, { beacons: made.counts.sent, events: made.counts.sent, unusable: 0 });
  assert.equal(records.length, counts.events);
  for (const { atMs, event } of records) {
    assert.deepEqual(event.droppedKeys, []);
    assert.ok(atMs >= event.receivedAtMs && atMs - event.receivedAtMs <= 20);
  }
});

test('without a clock events keep the times at which they are due, and are the same again', async () => {
  const write = async () => {
    const broker = new MemoryBroker({ clock: new VirtualClock() });
    broker.createTopics(newTopics(PARTITIONS));
    await writeBeacons({
      beacons: someAudience(),
      port: broker.openPort({ clientId: 'simulator', keepsTimestamps: true }),
      partitions: PARTITIONS,
      encode: (event) => codec.encode('playback-events', event),
      normalise,
      clock: null,
    });
    return recordsOf(broker);
  };
  const records = await write();
  assert.ok(records.length > 500);
  assert.ok(records.every(({ atMs, event }) => atMs === event.receivedAtMs));
  assert.deepEqual(await write(), records);
});

test('what players tell arrives as what it was', () => {
  const scenario = scenarioOf({
    id: 'outage',
    kind: 'cdn-outage',
    startMs: 20_000,
    durationMs: 60_000,
    cohort: { cdn: 'cdn-a' },
    effect: { throughputPermille: 0 },
  });
  const seen = new Set<string>();
  for (const beacon of someAudience({ viewers: 150, scenario })) {
    const [event] = normalise(beacon, beacon.dueMs);
    const { viewer } = beacon;
    assert.equal(event!.sessionId, beacon.sessionId);
    seen.add(`${viewer.player.name} ${event!.event} ${event!.playerState}`);
    assert.equal(event!.contentId, viewer.programme.contentId);
    assert.equal(event!.deviceClass, viewer.device.deviceClass);
    if (beacon.form === 'cmcd-query') continue;
    assert.equal(event!.cdn, viewer.cdn);
    assert.equal(event!.asn, viewer.isp.asn);
    assert.equal(event!.country, viewer.isp.country);
    assert.equal(`${event!.playerName} ${event!.playerVersion}`, playerVersionOf(viewer.player));
    if (viewer.positionTold !== 'program-time') assert.equal(event!.programTimeMs, null);
    else if (event!.programTimeMs !== null) {
      const behindMs = event!.clientTimeMs! - viewer.clockSkewMs - event!.programTimeMs;
      assert.ok(behindMs >= viewer.latencyMs, `${behindMs} ms behind`);
    }
  }
  const told = [...seen].sort();
  for (const word of [
    'everyview-player intent null',
    'everyview-player leave quit',
    'everyview-player first-frame playing',
    'everyview-player error fatal-error',
    'hls.js play-state rebuffering',
    'hls.js bitrate-change playing',
    'dash.js time-interval playing',
    'stb-player request null',
    'shaka-player time-interval null',
  ])
    assert.ok(told.includes(word), `${word} is not among ${told.join(', ')}`);
});

test('over HTTP into a real collector: what is acknowledged is in the log, once for each beacon', async () => {
  const broker = new MemoryBroker({ clock: systemClock });
  broker.createTopics(newTopics(PARTITIONS));
  const token = 'simulator-token-0001';
  const collector = await startCollector({
    port: broker.openPort({ clientId: 'collector' }),
    codec,
    clock: systemClock,
    tenants: parseTenants({ tenants: [{ tenant: 'demo', tokens: [token] }] }, 'test'),
    secret: Buffer.alloc(32, 1),
    trustedProxies: ['127.0.0.1'],
  });
  try {
    const running = startAudience({
      collectorUrl: collector.url,
      token,
      seed: 11,
      viewers: 30,
      programmes: PROGRAMMES,
      clock: systemClock,
      forMs: 1_500,
      speed: 20,
    });
    const { audience, sender } = await running.done;
    assert.deepEqual([sender.refused, sender.givenUp, sender.leftOut, sender.stopped], [0, 0, 0, 0]);
    assert.equal(sender.acknowledged, audience.sent);
    const events = recordsOf(broker).map(({ event }) => event);
    assert.equal(events.length, sender.acknowledged);
    assert.ok(events.every(({ tenant, droppedKeys }) => tenant === 'demo' && droppedKeys.length === 0));
    assert.ok(
      new Set(events.map(({ addressHash }) => addressHash)).size > 10,
      'viewers have addresses of their own',
    );
  } finally {
    await collector.close();
    broker.close();
  }
});
