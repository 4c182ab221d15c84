import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { runCli } from './program.ts';
import { ReportLines } from './report-lines.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'everyview-score-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function score(...args: readonly string[]) {
  const told = { out: '', err: '' };
  const terminal = (name: 'out' | 'err') => ({
    isTty: false,
    hasColour: false,
    columns: 100,
    write: (text: string) => {
      told[name] += text;
    },
  });
  const exitCode = await runCli(['score', ...args], {
    out: terminal('out'),
    err: terminal('err'),
    env: {},
    interruption: { signal: new AbortController().signal },
  });
  return { exitCode, ...told };
}

function file(name: string, lines: readonly string[], separator = '\n'): string {
  const place = path.join(folder, name);
  writeFileSync(place, lines.join(separator));
  return place;
}

const START_MS = 1_795_259_051_201;

const EVENTS = [
  `cid="news",e=ps,sid="a",sn=0,sta=s,ts=${START_MS},v=2`,
  `cid="news",e=ps,sid="a",sn=1,sta=p,ts=${START_MS + 450},v=2`,
  `br=(2856),cid="news",e=t,sid="a",sn=2,sta=p,ts=${START_MS + 1_000},v=2`,
  `cid="news",e=ps,sid="a",sn=3,sta=r,ts=${START_MS + 9_000},v=2`,
  `cid="news",e=ps,sid="a",sn=4,sta=p,ts=${START_MS + 11_057},v=2`,
  `cid="news",e=ps,sid="a",sn=5,sta=e,ts=${START_MS + 40_000},v=2`,
];
const URLS = [
  'https://cdn.example/a.m3u8?token=1&CMCD=cid%3D%22news%22%2Cot%3Dm%2Csid%3D%22v1%22%2Csu',
  '/1.m4s?CMCD=bl%3D2000%2Cbr%3D1500%2Ccid%3D%22news%22%2Cd%3D4000%2Cot%3Dv%2Csid%3D%22v1%22#x',
  'bl=3000,br=1500,bs,cid="news",d=4000,ot=v,sid="v1"',
];
const JSON_EVENTS = [
  { event: 'intent', sessionId: 'j', clientTimeMs: START_MS },
  { event: 'first-frame', sessionId: 'j', clientTimeMs: START_MS + 700 },
  { event: 'content-frame', sessionId: 'j', clientTimeMs: START_MS + 800 },
  { event: 'leave', sessionId: 'j', clientTimeMs: START_MS + 30_000 },
].map((event) => JSON.stringify(event));

const MIXED = [...EVENTS, '', ...URLS, ...JSON_EVENTS];

test('one JSON line for each session, in the documented form', async () => {
  const { exitCode, out, err } = await score(file('mixed.txt', MIXED), '--json');
  assert.deepEqual([exitCode, err], [0, '']);
  const lines = out
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text));
  assert.deepEqual(Object.keys(lines[0]), [
    'sessionId',
    'final',
    'outcome',
    'startupMs',
    'stallCount',
    'stallMs',
    'score',
    'mosCenti',
    'coverage',
    'confidence',
    'causes',
  ]);
  assert.deepEqual(
    lines.map(({ sessionId, final, outcome, startupMs, stallCount, stallMs }) => [
      sessionId,
      final,
      outcome,
      startupMs,
      stallCount,
      stallMs,
    ]),
    [
      ['a', true, 'play', 450, 1, 2_057],
      ['j', true, 'play', 800, 0, 0],
      ['v1', false, 'play', null, 1, null],
    ],
  );
});

test('shuffled, repeated, spread over files, with other line ends: the same bytes', async () => {
  const { out } = await score(file('mixed.txt', MIXED), '--json');
  const shuffled = file('shuffled.txt', [...MIXED].reverse(), '\r\n');
  const repeated = file('repeated.txt', [...MIXED, ...EVENTS, ...URLS, '']);
  assert.equal((await score(shuffled, '--json')).out, out);
  assert.equal((await score(repeated, shuffled, '--json')).out, out);
});

test('lines that cannot be read are counted, and cost nothing else', async () => {
  const noise = ['nothing of use', '{"event":"intent"}', 'e=ps,sta=p,v=2', '{"sessionId":"x"}'];
  const { exitCode, out, err } = await score(file('noise.txt', [...noise, ...MIXED]), '--json');
  assert.equal(exitCode, 0);
  assert.equal(out, (await score(file('mixed.txt', MIXED), '--json')).out);
  assert.match(err, /^1 line left out: the report is neither CMCD nor JSON/m);
  assert.match(err, /^2 lines left out: the report has no session id/m);
  assert.match(err, /^1 line left out: the JSON report names no event/m);
});

test('a table for people; sessions without an attempt are counted', async () => {
  const preload = `e=ps,sid="p",sn=0,sta=d,ts=${START_MS},v=2`;
  const { exitCode, out, err } = await score(file('table.txt', [...EVENTS, preload]));
  assert.equal(exitCode, 0);
  assert.match(out, /^session +outcome +startup/);
  assert.match(out, /^a +play +450 ms +1 +2057 ms/m);
  assert.match(err, /^1 session never asked for playback: not scored$/m);
});

test('no file, no such file, and nothing to read each end with one line that says what to do', async () => {
  assert.equal((await score()).exitCode, 2);
  const missing = await score(path.join(folder, 'missing.txt'));
  assert.equal(missing.exitCode, 1);
  assert.match(missing.err, /^everyview: .*missing\.txt cannot be read: [^\n]+\n$/);
  const empty = await score(file('empty.txt', ['']));
  assert.equal(empty.exitCode, 1);
  assert.match(empty.err, /^everyview: there is no report of a player in [^\n]+\n$/);
});

test('a line that stands twice is one report', () => {
  const reports = new ReportLines();
  for (const line of [URLS[2]!, ` ${URLS[2]!}\r`, URLS[2]!]) reports.take(line);
  assert.equal(reports.events.length, 1);
});
