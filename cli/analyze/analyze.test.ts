import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ffmpeg, temporaryFolder } from '../../producers/ingest/testing.ts';
import { DEFECT_TYPES } from '../../topologies/detectors/defect-types.ts';
import { runCli } from '../program.ts';
import type { Terminal } from '../terminal.ts';

const folder = temporaryFolder();
const clip = path.join(folder.path, 'clip.mkv');
after(() => folder.remove());

before(async () => {
  // 9 s: black in [2, 4.4), silent in [1, 3.5), frozen from 6 s to the end.
  await ffmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=9'],
    ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=9,volume=0.5'],
    ...['-vf', "drawbox=color=black:t=fill:enable='gte(t,1.99)*lt(t,4.39)',trim=0:6,loop=75:1:149"],
    ...['-af', "asetnsamples=n=480,volume=volume=0:enable='gte(t,0.999)*lt(t,3.499)'"],
    ...['-t', '9', '-c:v', 'mpeg4', '-q:v', '3', '-pix_fmt', 'yuv420p', '-c:a', 'flac', clip],
  );
});

type Outcome = { readonly exitCode: number; readonly out: string; readonly err: string };

async function analyze(...args: readonly string[]): Promise<Outcome> {
  let [out, err] = ['', ''];
  const terminal = (write: (text: string) => void): Terminal => ({
    isTty: false,
    hasColour: false,
    columns: 100,
    write,
  });
  const exitCode = await runCli(['analyze', ...args], {
    out: terminal((text) => {
      out += text;
    }),
    err: terminal((text) => {
      err += text;
    }),
    env: { ...process.env, EVERYVIEW_DATA_DIR: path.join(folder.path, 'data') },
    interruption: { signal: new AbortController().signal },
  });
  return { exitCode, out, err };
}

type Line = Record<string, unknown> & { readonly type: string };
const linesOf = (out: string): readonly Line[] =>
  out
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as Line);

test('NDJSON: a line for each defect in order of start, then what was not judged; the same bytes each time', async () => {
  const first = await analyze(clip, '--json');
  assert.equal(first.exitCode, 0);
  const lines = linesOf(first.out);
  const found = lines.slice(0, -1).map(({ type, startMs, endMs, open }) => ({ type, startMs, endMs, open }));
  assert.deepEqual(
    found.map(({ type, open }) => [type, open]),
    [
      ['audio-silence', false],
      ['video-black', false],
      ['video-freeze', true],
    ],
  );
  const near = (value: unknown, expected: number) =>
    assert.ok(Math.abs((value as number) - expected) <= 100, `${value}`);
  near(found[0]!.startMs, 1_000);
  near(found[1]!.startMs, 2_000);
  near(found[1]!.endMs, 4_400);
  near(found[2]!.startMs, 6_000);
  const summary = lines.at(-1)!;
  assert.equal(summary.type, 'summary');
  assert.equal(found[2]!.endMs, summary.durationMs, 'it runs to the end of the stream');
  const notWatched = summary.notWatched as readonly string[];
  assert.ok(notWatched.includes('audio-loudness') && !notWatched.includes('video-black'));
  assert.ok(notWatched.every((type) => (DEFECT_TYPES as readonly string[]).includes(type)));
  const keys = ['streamId', 'type', 'startMs', 'endMs', 'open', 'severity', 'confidence', 'reason'];
  for (const line of lines.slice(0, -1)) assert.deepEqual(Object.keys(line).sort(), [...keys].sort());
  assert.equal((await analyze(clip, '--json')).out, first.out);

  const copy = path.join(folder.path, 'renamed.mkv');
  copyFileSync(clip, copy);
  const renamed = await analyze(copy, '--json');
  assert.equal(renamed.out.replaceAll('renamed', 'clip'), first.out);
});

test('for people: a timeline; for a browser: one page with plots and a picture of each defect', async () => {
  const page = path.join(folder.path, 'report.html');
  const { exitCode, out } = await analyze(clip, '--html', page);
  assert.equal(exitCode, 0);
  assert.match(out, /^clip: 00:0[89]\.\d{3}, \d+ pictures\n/);
  assert.match(out, /\n {2}video-black +·+█+·+\n/);
  assert.match(out, /00:02\.\d{3} +to 00:04\.\d{3} +2\.4 s +medium +video-black/);
  const html = readFileSync(page, 'utf8');
  assert.equal(
    html.match(/data:image\/jpeg;base64,/g)?.length,
    3 + 10,
    'each defect, and the strip above the timeline',
  );
  assert.doesNotMatch(html, /(?:src|href)="(?!data:)/, 'the page needs nothing else');
  assert.match(html, /aria-label="luma"/);
  assert.match(html, /aria-label="loudness"/);
  assert.match(html, /integrated loudness -\d+\.\d LUFS, loudness range \d+\.\d LU/);
});

test('exit codes: 1 for what --fail-on names, 3 for what cannot be read, 2 for wrong usage', async () => {
  assert.equal((await analyze(clip, '--fail-on', 'critical')).exitCode, 0);
  assert.equal((await analyze(clip, '--fail-on', 'video-freeze,audio-clipping')).exitCode, 1);
  assert.equal((await analyze(clip, '--fail-on', 'medium')).exitCode, 1);
  const garbage = path.join(folder.path, 'garbage.mp4');
  writeFileSync(garbage, 'no media');
  const unreadable = await analyze(garbage, '--json');
  assert.deepEqual([unreadable.exitCode, unreadable.out], [3, '']);
  assert.match(unreadable.err, /garbage\.mp4 cannot be read/);
  assert.equal((await analyze(path.join(folder.path, 'none.mp4'))).exitCode, 3);
  for (const wrong of [[clip, '--fail-on', 'video-frieze'], [], ['concat:a|b']])
    assert.equal((await analyze(...wrong)).exitCode, 2, wrong.join(' '));
});

test('--expect: tracks that have to be there and the loudness that is meant; without it nobody can tell', async () => {
  const mute = path.join(folder.path, 'mute.mkv');
  await ffmpeg('-i', clip, '-an', '-c', 'copy', mute);
  const summaryOf = (out: string) => linesOf(out).at(-1)!;
  const alone = await analyze(mute, '--json');
  assert.ok((summaryOf(alone.out).notWatched as string[]).includes('audio-missing'));
  const rules = path.join(folder.path, 'rules.json');
  const stream = { streamId: 'news', input: 'mute.mkv', video: true, audio: true, loudnessLufs: -23 };
  writeFileSync(rules, JSON.stringify({ streams: [stream] }));
  for (const inputs of [[], [mute]]) {
    const { out } = await analyze(...inputs, '--expect', rules, '--json');
    const found = linesOf(out).find(({ type }) => type === 'audio-missing')!;
    assert.deepEqual([found.streamId, found.startMs, found.open], ['news', 0, true]);
    assert.ok(!(summaryOf(out).notWatched as string[]).includes('audio-missing'));
  }
  writeFileSync(rules, '{"streams":[{"streamId":"news","input":"x","loudness":-23}]}');
  const wrong = await analyze('--expect', rules);
  assert.equal(wrong.exitCode, 2);
  assert.match(wrong.err, /rules\.json: streams\.0: .*loudness/);
});
