import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { TOPIC_NAMES } from '../schemas/topics.ts';
import { runCli } from './program.ts';
import type { Terminal } from './terminal.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'everyview-cli-'));
after(() => rmSync(folder, { recursive: true, force: true }));

type Outcome = { readonly exitCode: number; readonly out: string; readonly err: string };

/** Runs a command line in this process, with an empty data folder and no Kafka unless `env` names one. */
async function everyview(line: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  let out = '';
  let err = '';
  const terminal = (write: (text: string) => void): Terminal => ({
    isTty: false,
    hasColour: false,
    columns: 100,
    write,
  });
  const exitCode = await runCli(line === '' ? [] : line.split(' '), {
    out: terminal((text) => {
      out += text;
    }),
    err: terminal((text) => {
      err += text;
    }),
    env: { PATH: process.env.PATH, EVERYVIEW_DATA_DIR: path.join(folder, 'data'), ...env },
    interruption: { signal: new AbortController().signal },
  });
  return { exitCode, out, err };
}

/** One clear line on stderr, nothing on stdout. */
async function checkRefused(line: string, exitCode: number, message: RegExp, env?: NodeJS.ProcessEnv) {
  const outcome = await everyview(line, env);
  assert.deepEqual([outcome.exitCode, outcome.out], [exitCode, ''], line);
  assert.match(outcome.err, /^everyview: [^\n]+[.?]\n$/, line);
  assert.match(outcome.err, message, line);
}

const COMMANDS = [
  'start',
  'tail',
  'describe',
  'topics',
  'run',
  'reset',
  'ingest',
  'collect',
  'score',
  'simulate',
  'doctor',
];

test('help teaches: every command has examples and says what comes next', async () => {
  const { out, exitCode } = await everyview('--help');
  assert.equal(exitCode, 0);
  for (const command of COMMANDS) {
    assert.match(out, new RegExp(`^  ${command} `, 'm'));
    const help = await everyview(`${command} --help`);
    assert.equal(help.exitCode, 0, command);
    const examples = help.out.match(new RegExp(`\\$ .*everyview ${command}`, 'g')) ?? [];
    assert.ok(examples.length >= 2, `${command} has ${examples.length} examples`);
    assert.match(help.out, /^Next: /m, command);
  }
});

test('the version is the one of package.json', async () => {
  const { out, exitCode } = await everyview('--version');
  assert.match(out, /^\d+\.\d+\.\d+\n$/);
  assert.equal(exitCode, 0);
});

test('a command waits for nothing that only others need', async () => {
  const told =
    "import { registerHooks } from 'node:module';" +
    "registerHooks({ load(url, context, next) { process.stderr.write('loaded ' + url + '\\n'); return next(url, context); } });";
  const loaded = async (...args: readonly string[]): Promise<readonly string[]> => {
    const hooks = `data:text/javascript,${encodeURIComponent(told)}`;
    const main = path.join(import.meta.dirname, 'main.ts');
    const ended = promisify(execFile)(process.execPath, ['--import', hooks, main, ...args]);
    // A command line that is refused tells as well what was loaded until then.
    const { stderr } = await ended.catch((error: { stderr: string }) => error);
    return stderr.split('\n').filter((line) => line.startsWith('loaded '));
  };
  const help = await loaded('--help');
  assert.ok(help.some((line) => line.endsWith('/cli/program.ts')));
  assert.deepEqual(
    help.filter((line) => /producers|consumers|topologies|kafkajs/.test(line) && !/errors?\.ts$/.test(line)),
    [],
  );
  for (const args of [['--help'], []]) {
    const analyze = await loaded('analyze', ...args);
    assert.ok(analyze.some((line) => line.endsWith('/cli/analyze/analysis.ts')));
    assert.deepEqual(
      analyze.filter((line) => /kafkajs|fastify|zod|\/pg\/|fetcher\.ts|node:http/.test(line)),
      [],
    );
  }
  const expecting = await loaded('analyze', '--expect', path.join(folder, 'none.json'));
  assert.ok(expecting.some((line) => line.includes('/node_modules/zod/')));
});

test('no command at all shows what there is', async () => {
  const { err, out, exitCode } = await everyview('');
  assert.match(err, /^Usage: everyview/);
  assert.deepEqual([out, exitCode], ['', 2]);
});

test('wrong command lines: one line with what to write instead, exit 2', async () => {
  await checkRefused('strat', 2, /unknown command 'strat'.*Did you mean start\?/);
  await checkRefused('start --fro 60s', 2, /unknown option '--fro'.*Did you mean --for\?/);
  await checkRefused('start --for 60', 2, /--for.*no unit.*60s/);
  await checkRefused('start --seed one', 2, /--seed.*whole number/);
  await checkRefused('start --streams x.json --seed 3', 2, /--seed is for the demonstration/);
  await checkRefused('tail', 2, /missing required argument 'topic'/);
  await checkRefused('tail qos-alert', 2, /no topic: there are .*qos-alerts/);
  await checkRefused('tail qos-alerts --from yesterday', 2, /write beginning, latest/);
  await checkRefused('tail qos-alerts --max 0', 2, /write a whole number from 1/);
  await checkRefused(
    'describe nothing',
    2,
    /no topology 'nothing'.*stream-detection, session-scoring, cohort-merge and qos-alerting/,
  );
  await checkRefused('run nothing', 2, /no topology 'nothing'/);
  await checkRefused('topics --partitions 3', 2, /Add --deploy/);
  await checkRefused('run --metrics-port 70000', 2, /write a whole number from 1 to 65535/);
  await checkRefused('run --metrics-host 0.0.0.0', 2, /Add --metrics-port/);
  await checkRefused('run --metrics-port 9464 --metrics-host http://all', 2, /no address/);
  await checkRefused('reset', 2, /missing required argument 'topology'/);
  await checkRefused('reset nothing', 2, /no topology 'nothing'/);
  await checkRefused('reset qos-alerting --to-latest --to-offset 3', 2, /only one place to begin/);
  await checkRefused('reset qos-alerting --to-datetime 2026-01-31', 2, /2026-01-31T18:30:00Z/);
  await checkRefused('reset qos-alerting --to-offset -1', 2, /write a whole number from 0/);
  await checkRefused('ingest', 2, /no input is given/);
  await checkRefused('ingest a.mp4', 2, /--programme news/);
  await checkRefused('ingest a.mp4 --programme a --pace slow', 2, /Allowed choices are live, fast/);
  await checkRefused('ingest a.mp4 --streams x.json', 2, /one or the other/);
});

test('a stream that cannot be watched as it is described is refused before anything is waited for', async () => {
  const check = (line: string, message: RegExp) =>
    checkRefused(line, 1, message, { KAFKA_BROKERS: '127.0.0.1:1' });
  await check('ingest a.mp4 --programme a\u0007', /programmeId: must be 1 to 200 characters/);
  await check('ingest a.mp4 --programme a --vantage moon', /vantage: must be "origin" or "cdn:NAME"/);
  await check('ingest a.m3u8 --programme a --loop', /a\.m3u8: only a file can be looped; leave --loop out/);
  await check('ingest ftp://x/y --programme a', /inputs of the kind "ftp:" are not read; give the path/);
});

test('commands that need a Kafka say so when there is none', async () => {
  for (const line of ['tail qos-alerts', 'run', 'reset qos-alerting', 'topics --deploy'])
    await checkRefused(line, 1, /no Kafka runs here.*everyview start.*KAFKA_BROKERS/);
});

test('a broker or a registry that does not answer, and addresses that are none', async () => {
  const broker = { KAFKA_BROKERS: '127.0.0.1:1', SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' };
  await checkRefused('tail qos-alerts', 1, /no .* answers at .*127\.0\.0\.1:1/, broker);
  await checkRefused('tail qos-alerts', 1, /SCHEMA_REGISTRY_URL/, { KAFKA_BROKERS: '127.0.0.1:1' });
  await checkRefused('run', 1, /KAFKA_BROKERS: "kafka" is not an address/, { KAFKA_BROKERS: 'kafka' });
});

test('a metrics port that is taken', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    for (const command of ['run', 'start'])
      await checkRefused(`${command} --metrics-port ${port}`, 1, /somebody else listens.*--metrics-port/);
  } finally {
    server.close();
  }
});

test('a data folder that cannot be written', async () => {
  const file = path.join(folder, 'a-file');
  writeFileSync(file, '');
  await checkRefused('start', 1, /data folder.*cannot be written.*EVERYVIEW_DATA_DIR/, {
    EVERYVIEW_DATA_DIR: path.join(file, 'data'),
  });
});

test('describe prints text, a diagram or JSON', async () => {
  const text = await everyview('describe qos-alerting');
  assert.match(text.out, /^Topologies:\n {3}Sub-topology: 0 \(qos-alerting\)\n/);
  const mermaid = await everyview('describe --mermaid');
  assert.match(mermaid.out, /^flowchart LR\n/);
  const [first] = JSON.parse((await everyview('describe --json')).out);
  assert.equal(first.name, 'stream-detection');
  assert.deepEqual(first.sources, [{ topic: 'frame-features', span: 'same', writers: 'external' }]);
});

test('topics lists what would be created where there is no Kafka', async () => {
  const { out, err, exitCode } = await everyview('topics');
  for (const name of TOPIC_NAMES) assert.match(out, new RegExp(`^${name} .*${name}-value`, 'm'));
  assert.match(out, /^everyview-stream-detection-\S+-changelog /m);
  assert.match(err, /topics --deploy/);
  assert.equal(exitCode, 0);
  const rows = (await everyview('topics --json')).out
    .trimEnd()
    .split('\n')
    .map((row) => JSON.parse(row));
  const alerts = rows.find(({ topic }) => topic === 'qos-alerts');
  assert.deepEqual([alerts.wanted.partitions, alerts.found, alerts.drift], [1, null, []]);
});

test('doctor says what is there, for people and for machines', async () => {
  const { out } = await everyview('doctor');
  assert.match(out, /^ok +node /m);
  const checks: { name: string; status: string }[] = JSON.parse((await everyview('doctor --json')).out);
  assert.equal(checks.find(({ name }) => name === 'node')?.status, 'ok');
});
