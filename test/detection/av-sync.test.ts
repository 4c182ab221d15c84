/** av-sync-offset by content, between a clip and another encode of it with its sound shifted; on speech and on music. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { analyse } from '../../cli/analyze/analysis.ts';
import { FFMPEG, ffmpeg, temporaryFolder } from '../../producers/ingest/testing.ts';
import { systemClock } from '../../runtime/system-clock.ts';

const folder = temporaryFolder();
after(() => folder.remove());

const at = (name: string) => `${folder.path}/${name}`;
const media = (name: string) => `test/media/${name}`;
const SECONDS = '11';

/** A clip of real pictures and real sound, as it leaves the origin. */
async function origin(name: string, fps: number, sound: readonly string[]): Promise<string> {
  const path = at(`${name}-${fps}.mp4`);
  const film = ['-ss', '6', '-i', media('big-buck-bunny-trailer-360p.mp4')];
  await ffmpeg(
    ...[...film, ...sound, '-map', '0:v', '-map', '1:a', '-t', SECONDS],
    ...['-vf', `scale=320:180,fps=${fps}`, '-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '20'],
    ...['-ar', '48000', '-ac', '2', '-c:a', 'aac', '-b:a', '128k', path],
  );
  return path;
}

/** Another encode of it, in which sound comes `leadMs` before its pictures: all of it, or up to and from a time on. */
async function delivered(from: string, leadMs: number): Promise<string> {
  const path = `${from}${leadMs}.ts`;
  await ffmpeg(
    ...['-i', from, '-itsoffset', String(-leadMs / 1_000), '-i', from, '-map', '0:v', '-map', '1:a'],
    ...['-vf', 'scale=256:144', '-c:v', 'mpeg4', '-b:v', '250k', '-bf', '2'],
    ...['-c:a', 'libmp3lame', '-ar', '44100', '-ac', '1', '-b:a', '48k', path],
  );
  return path;
}

async function compared(input: string, reference: string) {
  const { defects, notWatched } = await analyse({
    streamId: 'clip',
    input,
    reference,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  return { found: defects.filter(({ type }) => type === 'av-sync-offset'), notWatched };
}

async function tells(from: string, leadMs: number): Promise<void> {
  const { found, notWatched } = await compared(await delivered(from, leadMs), from);
  assert.ok(!notWatched.includes('av-sync-offset'), `${from} ${leadMs}: it was not judged`);
  const isBad = leadMs > 40 || leadMs < -60;
  assert.equal(found.length, isBad ? 1 : 0, `${from} ${leadMs}: ${JSON.stringify(found)}`);
  if (!isBad) return;
  const { startMs, endMs, open, offsetMs } = found[0]!;
  assert.ok(Math.abs(offsetMs! - leadMs) <= 10, `${from}: ${offsetMs} instead of ${leadMs}`);
  assert.ok(startMs <= 1_000 && endMs >= 10_000 && open, `${from}: ${startMs} to ${endMs}`);
}

const SPEECH = ['-i', media('speech-jfk-1961.wav')];
const MUSIC = ['-ss', '6', '-i', media('big-buck-bunny-trailer-360p.mp4')];

test('speech at 12 pictures a second: +200 and -80 are told, -40 is not', async () => {
  const from = await origin('speech', 12, SPEECH);
  for (const leadMs of [200, -80, -40]) await tells(from, leadMs);
});

test('music at 50 pictures a second: +60 and -200 are told, +20 is not', async () => {
  const from = await origin('music', 50, MUSIC);
  for (const leadMs of [60, -200, 20]) await tells(from, leadMs);
});

test('another programme, and one without sound, are not judged', async () => {
  const from = await origin('film', 25, MUSIC);
  const mute = at('mute.mp4');
  await ffmpeg('-i', from, '-an', '-c', 'copy', mute);
  for (const other of [media('city-360p.mp4'), mute]) {
    const { found, notWatched } = await compared(other, from);
    assert.deepEqual([found.length, notWatched.includes('av-sync-offset')], [0, true], other);
  }
});
