/** The whole way, as a user goes it: one command, then other people's clients. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { RunSummary } from '../consumers/summary/summary.ts';
import { findOnPath } from '../local/find-on-path.ts';
import { REPOSITORY } from '../local/folders.ts';
import { TOPIC_NAMES, valueSubject } from '../schemas/topics.ts';
import { type TestCluster, testCluster } from './support/local-cluster.ts';

const RUN_MS_MAX = 150_000;
const ALERT_MS_MAX = 30_000;

const dataDir = mkdtempSync(path.join(tmpdir(), 'everyview-start-'));
let cluster: TestCluster;
let env: NodeJS.ProcessEnv;

before(async () => {
  cluster = await testCluster();
  env = {
    ...process.env,
    KAFKA_BROKERS: cluster.brokers.join(','),
    SCHEMA_REGISTRY_URL: cluster.registryUrl,
    EVERYVIEW_DATA_DIR: dataDir,
  };
});
after(async () => {
  await cluster.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

test('start --for 20s finds the faults that were put in, and nothing else', {
  timeout: RUN_MS_MAX,
}, async () => {
  const { code, out, err } = await everyview(['start', '--for', '20s', '--seed', '3', '--json', '--strict']);
  assert.equal(code, 0, err);
  assert.equal(out.split('\n').length, 2, 'one line of JSON, and nothing else');
  const summary = JSON.parse(out) as RunSummary;
  assert.match(err, /first record after [\d.]+ s \(set-up [\d.]+ s, decoding [\d.]+ s\)/);
  assert.match(err, /FIRING/);
  assert.ok(summary.timing.watchedMs >= 20_000 && summary.timing.watchedMs < 25_000);
  checkStreams(summary);
  checkComparison(summary);
  checkLatency(summary);
});

test('what follows from the run is in the topics: tail and topics show it', async () => {
  const tail = await everyview(['tail', 'qos-alerts', '--from', 'beginning', '--until-end', '--json']);
  assert.equal(tail.code, 0, tail.err);
  const alerts = tail.out
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text).value);
  assert.ok(alerts.some(({ status }) => status === 'firing'));
  const versions = alerts.map(({ alertId, version }) => `${alertId} ${version}`);
  assert.equal(new Set(versions).size, versions.length, 'each version once');
  const topics = await everyview(['topics', '--json']);
  assert.equal(topics.code, 0, `${topics.err}${topics.out}`);
});

test('a raised alert reaches a subscriber of a few lines: the one in README.md', async () => {
  const [, code] = /```js\n\/\/ subscriber\.mjs\n([\s\S]*?)```/.exec(read('README.md')) ?? [];
  assert.ok(code, 'README.md has the subscriber');
  // kafkajs tells of itself on the same stream.
  const alert = /^(pending|firing) (info|warning|critical) demo-.* \(\S+ v1\)$/m;
  await printed(['--input-type=module', '--eval', code], alert);
});

test('kcat lists the topic, and the registry has every subject', async (context) => {
  const subjects = (await (await fetch(`${cluster.registryUrl}/subjects`)).json()) as string[];
  for (const name of TOPIC_NAMES) assert.ok(subjects.includes(valueSubject(name)), valueSubject(name));
  const kcat = findOnPath('kcat');
  if (kcat === null) return context.skip('kcat is not installed');
  const listed = execFileSync(kcat, ['-b', cluster.brokers.join(','), '-L', '-t', 'qos-alerts'], {
    encoding: 'utf8',
  });
  assert.match(listed, /topic "qos-alerts" with 1 partitions/);
});

test('a clip that cannot be read is named, and costs the exit code', { timeout: RUN_MS_MAX }, async () => {
  const { code, err } = await everyview(['ingest', '/nowhere/clip.mp4', '--programme', 'bad-clip']);
  assert.equal(code, 1);
  const last = err.trimEnd().split('\n').at(-1) ?? '';
  assert.match(last, /^everyview: bad-clip could not be watched: .*\/nowhere\/clip\.mp4/);
});

function checkStreams({ streams, totals }: RunSummary): void {
  assert.deepEqual(streams.map(({ programmeId }) => programmeId).sort(), [
    'demo-black',
    'demo-clean',
    'demo-freeze',
    'demo-live',
  ]);
  for (const { programmeId, mediaMs, frames } of streams) {
    assert.ok(mediaMs > 15_000, `${programmeId}: ${mediaMs} ms of media`);
    assert.ok(frames >= (mediaMs / 1000) * 23, `${programmeId}: ${frames} pictures in ${mediaMs} ms`);
  }
  assert.equal(totals.repeatedChunks, 0);
}

function checkComparison({ comparison, defects, alerts }: RunSummary): void {
  assert.ok(comparison !== null);
  assert.deepEqual([comparison.missed, comparison.falseAlarms], [0, []], JSON.stringify(comparison));
  assert.ok(comparison.found >= 3, `${comparison.found} found`);
  for (const fault of comparison.faults.filter(({ outcome }) => outcome === 'found')) {
    const { programmeId, type, startErrorMs, endErrorMs, alertId } = fault;
    const what = `${programmeId} ${type}: ${startErrorMs} ${endErrorMs}`;
    assert.ok(Math.abs(startErrorMs!) <= 100, what);
    assert.ok(endErrorMs === null || Math.abs(endErrorMs) <= 100, what);
    assert.notEqual(alertId, null, what);
  }
  assert.ok(defects.total >= comparison.found);
  assert.ok((alerts.byStatus.firing ?? 0) + (alerts.byStatus.resolved ?? 0) >= 1);
}

/** Loose bounds: this machine may be busy. What is measured is printed by the command itself. */
function checkLatency({ latency }: RunSummary): void {
  for (const { defect, alert } of [latency.decodedToLog, latency.decodedToSubscriber]) {
    for (const figures of [defect, alert]) {
      assert.ok(figures.count > 0);
      assert.ok(figures.p50Ms! >= 0 && figures.p50Ms! <= figures.p99Ms!, JSON.stringify(figures));
      assert.ok(figures.p99Ms! < 15_000, JSON.stringify(figures));
    }
  }
}

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

function everyview(args: readonly string[]): Promise<Ended> {
  const child = node(['--disable-warning=TimeoutNegativeWarning', 'cli/main.ts', ...args]);
  let out = '';
  let err = '';
  child.stdout.on('data', (text: string) => {
    out += text;
  });
  child.stderr.on('data', (text: string) => {
    err += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

/** Resolves when a program has printed this; it is ended then. */
async function printed(args: readonly string[], pattern: RegExp): Promise<void> {
  const child = node(args);
  let text = '';
  const take = (piece: string) => {
    text += piece;
    if (pattern.test(text)) child.kill('SIGKILL');
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const timer = setTimeout(() => child.kill('SIGKILL'), ALERT_MS_MAX);
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  assert.match(text, pattern);
}

function node(args: readonly string[]) {
  const child = spawn(process.execPath, args, { cwd: REPOSITORY, env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.setEncoding('utf8');
  child.stderr.setEncoding('utf8');
  return child;
}

function read(name: string): string {
  return readFileSync(path.join(REPOSITORY, name), 'utf8');
}
