import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManifestProbe } from './manifest-probe.ts';

const URL_OF_LIST = 'http://origin/live.m3u8';
const START_MS = 1_000_000;

/** A live playlist of one segment that was loaded at the start. */
function startProbe(): ManifestProbe {
  const probe = new ManifestProbe(URL_OF_LIST, 'main', 'ladder', null);
  probe.beginPass(0);
  probe.events.onManifest!({
    ...{ kind: 'hls-media', url: URL_OF_LIST, finalUrl: URL_OF_LIST, status: 200, outcome: 'ok', reason: '' },
    body: '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n1.ts\n',
    ...{ atMs: START_MS, durationMs: 0 },
  });
  return probe;
}

function segmentAt(probe: ManifestProbe, atMs: number): void {
  probe.events.onSegment!({
    ...{ kind: 'segment', url: 'http://origin/1.ts', manifestUrl: URL_OF_LIST, range: null, reason: '' },
    ...{ status: 200, outcome: 'ok', bytes: 1, head: Uint8Array.of(0x47), atMs, durationMs: 0 },
  });
}

const isIdleAt = (probe: ManifestProbe, nowMs: number, sinceMs: number): boolean => {
  probe.tend(nowMs, () => {});
  return probe.isIdleSince(sinceMs);
};

test('a decoder that got nothing has nothing to decode; one that got its first segment is given time', () => {
  const probe = startProbe();
  const longAgoMs = START_MS - 600_000;
  assert.ok(isIdleAt(probe, START_MS + 60_000, longAgoMs));
  segmentAt(probe, START_MS + 120_000);
  assert.ok(isIdleAt(probe, START_MS + 134_000, longAgoMs));
  assert.ok(!isIdleAt(probe, START_MS + 136_000, longAgoMs), 'it hangs');
  assert.ok(isIdleAt(probe, START_MS + 136_000, START_MS + 121_000), 'it decoded what it got');
  probe.beginPass(1_000);
  assert.ok(isIdleAt(probe, START_MS + 137_000, longAgoMs), 'another decoder, which got nothing yet');
});

test('between two periods something is yet to come, and a silent decoder is not waited for', () => {
  const probe = startProbe();
  assert.deepEqual([probe.isBetweenPeriods, isIdleAt(probe, START_MS, START_MS)], [false, true]);
  probe.events.onPeriodEnd!();
  assert.deepEqual([probe.isBetweenPeriods, isIdleAt(probe, START_MS, START_MS)], [true, false]);
  assert.ok(probe.isLive);
  probe.beginPass(1_000);
  assert.deepEqual([probe.isBetweenPeriods, isIdleAt(probe, START_MS, START_MS)], [false, true]);
});
