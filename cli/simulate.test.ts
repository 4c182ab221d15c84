/** `everyview simulate` against a collector whose log is in memory. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { startCollector } from '../producers/collector/server.ts';
import { parseTenants } from '../producers/collector/settings.ts';
import type { LabelsFile } from '../producers/simulator/labels.ts';
import { MemoryBroker } from '../runtime/memory-broker.ts';
import { systemClock } from '../runtime/system-clock.ts';
import { localCodec } from '../runtime/value-codec.ts';
import { newTopics } from '../schemas/topics.ts';
import { runCli } from './program.ts';
import type { Terminal } from './terminal.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'everyview-simulate-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string) => path.join(folder, name);

const TOKEN = 'simulator-token-0001';
const TENANTS = { tenants: [{ tenant: 'demo', tokens: [TOKEN] }] };

async function simulate(line: string, dataDir = inFolder('data')) {
  const written = { out: '', err: '' };
  const terminal = (name: 'out' | 'err'): Terminal => ({
    isTty: false,
    hasColour: false,
    columns: 100,
    write: (text) => {
      written[name] += text;
    },
  });
  const exitCode = await runCli(['simulate', ...line.split(' ')], {
    out: terminal('out'),
    err: terminal('err'),
    env: { PATH: process.env.PATH, EVERYVIEW_DATA_DIR: dataDir },
    interruption: { signal: new AbortController().signal },
  });
  return { exitCode, ...written };
}

async function withCollector(work: (url: string, events: () => number) => Promise<void>): Promise<void> {
  const broker = new MemoryBroker({ clock: systemClock });
  broker.createTopics(newTopics(2));
  const collector = await startCollector({
    port: broker.openPort({ clientId: 'collector' }),
    codec: localCodec(),
    clock: systemClock,
    tenants: parseTenants(TENANTS, 'test'),
    secret: Buffer.alloc(32, 1),
  });
  try {
    await work(collector.url, () =>
      [0, 1].reduce((sum, partition) => sum + broker.dump('playback-events', partition).length, 0),
    );
  } finally {
    await collector.close();
    broker.close();
  }
}

test('reports reach the log, labels a file, and the summary accounts for all of them', async () => {
  const scenario = inFolder('scenario.json');
  const incident = {
    id: 'out',
    kind: 'cdn-outage',
    startMs: 9_000,
    durationMs: 25_000,
    cohort: { cdn: 'cdn-a' },
    effect: { throughputPermille: 0 },
  };
  writeFileSync(scenario, JSON.stringify({ version: 1, name: 'short', incidents: [incident] }));
  writeFileSync(inFolder('token.txt'), `${TOKEN}\n`);
  await withCollector(async (url, events) => {
    const { exitCode, out, err } = await simulate(
      `--collector ${url} --token-file ${inFolder('token.txt')} --viewers 40 --seed 5 --scenario ${scenario} ` +
        `--programme news=news-live --for 2s --speed 20 --labels ${inFolder('labels.json')} --json`,
    );
    assert.equal(exitCode, 0, err);
    const summary = JSON.parse(out) as {
      sender: { acknowledged: number; taken: number };
      labels: LabelsFile;
    };
    assert.equal(summary.sender.acknowledged, events());
    assert.equal(summary.sender.taken, events());
    const labels = JSON.parse(readFileSync(inFolder('labels.json'), 'utf8')) as LabelsFile;
    assert.deepEqual(labels, summary.labels);
    const [label] = labels.incidents;
    assert.equal(label!.incidentId, 'out');
    assert.deepEqual(label!.expectedAlert, { scope: 'audience', labels: { cdn: 'cdn-a' } });
    assert.ok(label!.sessionsAffected >= 5 && label!.sessionsAffected <= label!.sessionsInCohort);
    assert.match(err, /^40 viewers \(seed 5, scenario short\) watch news; Ctrl-C ends it\n/);
    assert.doesNotMatch(out + err, new RegExp(TOKEN));
  });
});

test("this machine's own tenants file will do, and without --json the summary is for people", async () => {
  const dataDir = inFolder('own');
  mkdirSync(path.join(dataDir, 'collector'), { recursive: true });
  writeFileSync(path.join(dataDir, 'collector', 'tenants.json'), JSON.stringify(TENANTS));
  await withCollector(async (url, events) => {
    const { exitCode, out } = await simulate(
      `--collector ${url} --viewers 5 --for 500ms --speed 20`,
      dataDir,
    );
    assert.equal(exitCode, 0);
    assert.match(out, new RegExp(`^\\d+ reports to send: ${events()} acknowledged, 0 refused`, 'm'));
  });
});

const REFUSED: readonly (readonly [string, number, RegExp])[] = [
  ['--for 1s', 2, /no token is given.*everyview collect/],
  ['--token-file TOKEN --scenario nowhere.json --for 1s', 2, /nowhere\.json cannot be read \(ENOENT\)/],
  ['--token-file TOKEN --scenario BAD --for 1s', 2, /incidents\.0\.cohort\.cdn: .*docs\/scenarios\.md/],
  ['--token-file TOKEN --collector ftp://x --for 1s', 2, /ftp:\/\/x is no address of a collector/],
  ['--token-file TOKEN --collector NOWHERE --for 100ms --speed 50', 1, /no report was acknowledged/],
  ['--viewers 0', 2, /It is no number of viewers/],
];

test('what cannot work is one line with what to do', async () => {
  writeFileSync(inFolder('TOKEN'), TOKEN);
  const incident = {
    id: 'x',
    kind: 'cdn-outage',
    startMs: 0,
    durationMs: 1,
    effect: { throughputPermille: 0 },
  };
  writeFileSync(inFolder('BAD'), JSON.stringify({ version: 1, name: 'bad', incidents: [incident] }));
  for (const [args, exitCode, message] of REFUSED) {
    const outcome = await simulate(
      args.replace(/\b(TOKEN|BAD)\b/g, (name) => inFolder(name)).replace('NOWHERE', await nobodysUrl()),
      inFolder('none'),
    );
    assert.equal(outcome.exitCode, exitCode, args);
    assert.match(outcome.err.trim().split('\n').at(-1)!, message, args);
  }
});

/** Where somebody listened a moment ago. */
async function nobodysUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}
