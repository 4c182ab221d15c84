import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { putInForce } from '../runtime/put-configuration.ts';
import { tinyCluster, tinyCodec } from '../test/support/tiny-cluster.ts';
import { tinyCounting, tinyGathering } from '../test/support/tiny-topologies.ts';
import { configEntry, configurationOf, readConfiguration } from './configuration-file.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'everyview-config-'));
after(() => rmSync(folder, { recursive: true }));

function fileWith(text: string): string {
  const file = path.join(folder, 'rules.yaml');
  writeFileSync(file, text);
  return file;
}

test('the same content has the same hash, as YAML and as JSON, in any order', () => {
  const yaml = readConfiguration(
    fileWith('detectors:\n  video-freeze: { minMs: 4000 } # slower\nstreams: {}\n'),
  );
  const json = readConfiguration(fileWith('{"streams":{},"detectors":{"video-freeze":{"minMs":4000}}}'));
  assert.deepEqual(yaml, json);
  assert.deepEqual(yaml.config, { detectors: { 'video-freeze': { minMs: 4000 } }, streams: {} });
  assert.match(yaml.configHash, /^[0-9a-f]{64}$/);
});

test('what is wrong is said at once, with what would be right', () => {
  const refused = (text: string, expected: RegExp) =>
    assert.throws(() => readConfiguration(fileWith(text)), { message: expected });
  refused(
    'detectors: { video-frieze: {} }\nalarms: {}',
    /(?=.*no such detector; there are )(?=.*alarms: no such )/,
  );
  refused('detectors: { video-freeze: { minMs: soon } }', /minMs has to be an integer, and is "soon"/);
  refused('detectors: [', /neither YAML nor JSON/);
  refused('', /is empty/);
  refused('[1]', /has to be an object/);
  assert.throws(() => readConfiguration(path.join(folder, 'none.yaml')), /cannot be read/);
});

test('in force from its place in the log on, and handed on to those who read what is derived', async () => {
  const tiny = await tinyCluster();
  const workers = [tiny.work(tinyCounting), tiny.work(tinyGathering)];
  tiny.send('alpha', 0);
  await tiny.clock.advance(3_000);
  const { body, configHash } = configurationOf({ detectors: {} });
  const entry = configEntry(
    { body, configHash, config: {} },
    { author: 'ana', comment: '', createdAtMs: tiny.clock.nowMs() },
  );
  const told = await tiny.clock.run(
    putInForce(tiny.port, tiny.clock, tinyCodec, entry, [tinyCounting, tinyGathering], tiny.partitions),
  );
  assert.equal(told, 3);
  await tiny.clock.advance(3_000);
  tiny.send('alpha', 1);
  await tiny.clock.advance(10_000);
  const alerts = tiny.values('qos-alerts', 0);
  const hashes = [...new Set(alerts.map((alert) => alert.configHash))];
  assert.deepEqual(hashes, ['default', configHash]);
  for (const worker of workers) await tiny.clock.run(worker.stop());
});
