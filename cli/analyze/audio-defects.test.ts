/** Sound that is rendered and encoded by ffmpeg, with faults put in, from the file to the defects that are told. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { FFMPEG, ffmpeg, temporaryFolder } from '../../producers/ingest/testing.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { DetectionConfig } from '../../topologies/detectors/settings.ts';
import { analyse } from './analysis.ts';

const folder = temporaryFolder();
const file = (name: string): string => path.join(folder.path, name);
const media = (name: string): string => path.join(import.meta.dirname, '../../test/media', name);
after(() => folder.remove());

/** Two channels of a chord that swells, each a little different, about -18 LUFS. */
const CHORD = [330, 415]
  .map(
    (side) =>
      `0.16*sin(2*PI*220*t)*(0.6+0.4*sin(4.4*t))+0.12*sin(2*PI*${side}*t)*(0.5+0.5*sin(8*t))+0.1*sin(2*PI*1250*t)*pow(abs(sin(12*t)),8)`,
  )
  .join('|');
const music = (seconds: number): string[] => [
  '-f',
  'lavfi',
  '-i',
  `aevalsrc='${CHORD}':s=48000:d=${seconds}`,
];
const aac = (rate: string): string[] => ['-c:a', 'aac', '-b:a', rate];

/** A filter for each span [from, to) in seconds, the sound as it is in between. */
function inSpans(spans: readonly (readonly [from: number, to: number, filter: string])[]): string[] {
  const parts: [number, number | null, string][] = [];
  let at = 0;
  for (const [from, to, filter] of spans) {
    parts.push([at, from, 'anull'], [from, to, filter]);
    at = to;
  }
  parts.push([at, null, 'anull']);
  const split = parts.map((_, i) => `[s${i}]`).join('');
  const cut = parts.map(
    ([from, to, filter], i) =>
      `[s${i}]atrim=${from}${to === null ? '' : `:${to}`},asetpts=PTS-STARTPTS,${filter}[p${i}]`,
  );
  const joined = parts.map((_, i) => `[p${i}]`).join('');
  const graph = [`[0:a]asplit=${parts.length}${split}`, ...cut, `${joined}concat=n=${parts.length}:v=0:a=1`];
  return ['-filter_complex', graph.join(';')];
}

const clipped = (gain: number, after: string): string =>
  `volume=${gain},aformat=sample_fmts=s16,aformat=sample_fmts=fltp,volume=${after}`;
const INVERTED = 'pan=stereo|c0=c0|c1=-1*c1';

before(async () => {
  const faults = inSpans([
    [4.03, 8.03, clipped(6, '-2dB')],
    [12.03, 14.53, clipped(16, '-0.3dB')],
    [18.03, 21.03, INVERTED],
    [25.03, 29.03, 'pan=stereo|c0=c0|c1=0*c1'],
    [33.03, 35.53, 'pan=stereo|c0=0.0005*c0|c1=c1'],
  ]);
  await ffmpeg(...music(40), ...faults, ...aac('128k'), file('faults.m4a'));
  const levels = inSpans([
    [12.03, 24.03, 'volume=10dB'],
    [36.03, 50.03, 'volume=-12dB'],
  ]);
  // Turned down first: what is too loud is not to be clipped.
  await ffmpeg(
    ...music(62),
    ...['-filter_complex', `[0:a]volume=-8dB[q];${levels[1]!.replace('[0:a]', '[q]')}`],
    ...aac('96k'),
    file('levels.m4a'),
  );
});

type Found = {
  readonly type: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly open: boolean;
};

async function soundOf(input: string, config?: DetectionConfig): Promise<readonly Found[]> {
  const { defects } = await analyse({
    streamId: 'test',
    input,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    signal: new AbortController().signal,
    onProgress: () => {},
    ...(config === undefined ? {} : { config }),
  });
  return defects.filter(({ type }) => type.startsWith('audio-') || type === 'video-missing');
}

function assertFound(
  found: readonly Found[],
  expected: readonly (readonly [type: string, startMs: number, endMs: number])[],
  slackMs: number,
): void {
  const told = found.map(({ type, startMs, endMs }) => `${type} ${startMs}-${endMs}`).join(', ');
  assert.deepEqual(
    found.map(({ type }) => type),
    expected.map(([type]) => type),
    told,
  );
  for (const [i, [, startMs, endMs]] of expected.entries()) {
    assert.ok(Math.abs(found[i]!.startMs - startMs) < slackMs, told);
    assert.ok(Math.abs(found[i]!.endMs - endMs) < slackMs, told);
  }
}

test('clipped at two ceilings, inverted, one channel gone or nearly: each within 300 ms, and nothing else', async () => {
  assertFound(
    await soundOf(file('faults.m4a')),
    [
      ['audio-clipping', 4_030, 8_030],
      ['audio-clipping', 12_030, 14_530],
      ['audio-phase-inverted', 18_030, 21_030],
      ['audio-channel-lost', 25_030, 29_030],
      ['audio-channel-lost', 33_030, 35_530],
    ],
    300,
  );
});

test('too loud by 10 LU and too quiet by 12: within a second, where a target is declared', async () => {
  const config = { detectors: { 'audio-loudness': { targetCentiLufs: -2_600 } } };
  assertFound(
    await soundOf(file('levels.m4a'), config),
    [
      ['audio-loudness', 12_030, 24_030],
      ['audio-loudness', 36_030, 50_030],
    ],
    1_000,
  );
  assert.deepEqual(await soundOf(file('levels.m4a')), []);
});

test('a track that stops in the file, and one that is not there', async () => {
  const whole = file('whole.mkv');
  await ffmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=25:d=12'],
    ...['-f', 'lavfi', '-i', 'sine=f=440:r=48000:d=12'],
    ...['-c:v', 'mpeg4', '-g', '5', '-c:a', 'aac', whole],
  );
  const without = async (track: 'a' | 'v', name: string): Promise<string> => {
    const drop = ["noise=drop='between(pts*tb,4,8)'"];
    await ffmpeg('-i', whole, '-c', 'copy', `-bsf:${track}`, ...drop, file(name));
    return file(name);
  };
  assertFound(await soundOf(await without('a', 'no-sound.mkv')), [['audio-missing', 4_000, 8_000]], 300);
  assertFound(await soundOf(await without('v', 'no-pictures.mkv')), [['video-missing', 4_000, 8_000]], 300);

  const mute = file('mute.mkv');
  await ffmpeg('-i', whole, '-an', '-c', 'copy', mute);
  assert.deepEqual(await soundOf(mute), []);
  const expected = { streams: { test: { 'audio-missing': { expectAudio: 1 } } } };
  assertFound(await soundOf(mute, expected), [['audio-missing', 0, 12_000]], 100);
});

test('content is no fault: clean clips, low rates, wide stereo, quiet speech, brickwalled music, mono, fades', async () => {
  const clean: Record<string, string[]> = {
    'chord.m4a': [...music(12), ...aac('64k')],
    'wide.m4a': [...music(12), '-af', 'extrastereo=m=3:c=0', ...aac('128k')],
    'brickwall.m4a': [
      ...['-i', media('big-buck-bunny-trailer-360p.mp4'), '-vn'],
      ...['-af', 'volume=30dB,acompressor=ratio=8:threshold=0.1,alimiter=limit=0.97:level=0', ...aac('128k')],
    ],
    'trailer.m4a': ['-i', media('big-buck-bunny-trailer-360p.mp4'), '-vn', ...aac('48k')],
    'quiet-speech.m4a': [
      ...[
        '-i',
        media('speech-jfk-1961.wav'),
        '-af',
        'volume=-25dB,pan=stereo|c0=c0|c1=0.9*c0',
        ...aac('64k'),
      ],
    ],
    'mono.m4a': ['-i', media('speech-jfk-1961.wav'), ...aac('48k')],
    'fade.m4a': [...music(12), '-af', 'afade=in:d=3,afade=out:st=7:d=5', ...aac('96k')],
  };
  for (const [name, args] of Object.entries(clean)) {
    await ffmpeg(...args, file(name));
    const found = await soundOf(file(name));
    assert.deepEqual(
      found
        .filter(({ type }) => type !== 'audio-silence')
        .map(({ type, startMs, endMs }) => `${type} ${startMs}-${endMs}`),
      [],
      name,
    );
  }
});
