/**
 * Damage and blur in real clips: bytes of the coded pictures changed, packets of the transport lost, detail taken. Where
 * pictures are damaged is found by comparing them with the undamaged ones: below 40 dB (definitions, section 1).
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { analyse } from '../../cli/analyze/analysis.ts';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { systemClock } from '../../runtime/system-clock.ts';

const run = promisify(execFile);
const FFMPEG = process.env.FFMPEG_BIN ?? 'ffmpeg';
const FILM = 'test/media/big-buck-bunny-trailer-360p.mp4';
const CITY = 'test/media/city-360p.mp4';
const FRAMES_PER_SECOND = 24;
let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'everyview-damage-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const CODECS = {
  h264: ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '24', '-g', '60'],
  mpeg2: ['-c:v', 'mpeg2video', '-b:v', '1500k', '-g', '15', '-bf', '2'],
  hevc: ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:pools=1:keyint=48'],
};

test('lost packets: damage from the first picture that shows it to the next whole key picture, in every codec', async () => {
  for (const [codec, seed] of [
    ['h264', 1],
    ['mpeg2', 2],
    ['hevc', 3],
  ] as const) {
    const clean = await encoded(`film-${codec}.ts`, FILM, ['-ss', '34', '-t', '7'], [], CODECS[codec]);
    assert.deepEqual(await damageIn(clean), [], codec);
    const damaged = await thinned(clean, 3_000, 3_800, 0.1, new SeededRandom(seed));
    await finds(clean, damaged);
  }
});

test('changed bytes: the same', async () => {
  const clean = await encoded('city.ts', CITY, ['-t', '6'], ['fps=24'], CODECS.h264);
  const damaged = join(folder, 'city-noised.ts');
  const amount = 'if(between(pts*tb-startpts*tb,2.5,3.1),2503,0)';
  await ffmpeg('-i', clean, '-c', 'copy', '-bsf:v', `noise=amount='${amount}'`, damaged);
  await finds(clean, damaged);
});

test('blur from 1.1 % of the height on, with cuts in it, and half of that', async () => {
  const blur = (permille: number) =>
    `fps=24,scale=-2:240,gblur=sigma=${(240 * permille) / 1_000}:steps=2:enable='between(t,5,8.99)'`;
  const fast = ['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '24'];
  for (const permille of [11, 25]) {
    const path = await encoded('blur.mkv', FILM, ['-ss', '10', '-t', '12'], [blur(permille)], fast);
    const [[, startMs, endMs] = ['', 0, 0], ...more] = await defectsIn(path, ['video-blur']);
    assert.deepEqual(more, []);
    assert.ok(Math.abs(startMs - 5_000) <= 300 && Math.abs(endMs - 9_000) <= 300, `${startMs} to ${endMs}`);
  }
  for (const filter of [blur(5), 'fps=24,scale=-2:240']) {
    const path = await encoded('soft.mkv', FILM, ['-ss', '10', '-t', '12'], [filter], fast);
    assert.deepEqual(await defectsIn(path, ['video-blur', 'video-block-corruption']), []);
  }
});

type Span = readonly [startMs: number, endMs: number];

/** One defect for each span of visible damage, that covers it by half at least and begins within 300 ms. */
async function finds(clean: string, damaged: string): Promise<void> {
  const [expected, found] = [await truth(clean, damaged), await damageIn(damaged)];
  const drawn = `${damaged}: ${JSON.stringify(found)} for ${JSON.stringify(expected)}`;
  assert.ok(expected.length > 0, `${damaged} shows no damage`);
  assert.equal(found.length, expected.length, drawn);
  for (const [at, span] of expected.entries()) {
    assert.ok(share(found[at]!, span) >= 0.5 && Math.abs(found[at]![0] - span[0]) <= 300, drawn);
  }
}

async function damageIn(input: string): Promise<readonly Span[]> {
  const found = await defectsIn(input, ['video-block-corruption']);
  return found.map(([, startMs, endMs]) => [startMs, endMs]);
}

async function defectsIn(
  input: string,
  types: readonly string[],
): Promise<readonly (readonly [type: string, ...Span])[]> {
  const { defects } = await analyse({
    streamId: 'clip',
    input,
    ffmpegPath: FFMPEG,
    clock: systemClock,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  return defects
    .filter(({ type }) => types.includes(type))
    .map(({ type, startMs, endMs }) => [type, startMs, endMs] as const);
}

/** Where pictures of `damaged` lie below 40 dB against those of `clean`, for 200 ms and more; gaps below 600 ms joined. */
async function truth(clean: string, damaged: string): Promise<readonly Span[]> {
  const graph = '[0:v]settb=AVTB[a];[1:v]settb=AVTB[b];[a][b]psnr=stats_file=-';
  const quiet = ['-hide_banner', '-nostdin', '-loglevel', 'fatal', '-max_error_rate', '1'];
  const inputs = ['-copyts', '-i', clean, '-copyts', '-i', damaged];
  const { stdout } = await run(FFMPEG, [...quiet, ...inputs, '-lavfi', graph, '-f', 'null', '-'], {
    maxBuffer: 1 << 24,
  });
  const spans: [number, number][] = [];
  for (const [, number, figure] of stdout.matchAll(/^n:(\d+).*psnr_avg:(\S+)/gm)) {
    if (figure === 'inf' || Number(figure) >= 40) continue;
    const startMs = ((Number(number) - 1) * 1_000) / FRAMES_PER_SECOND;
    const last = spans.at(-1);
    if (last !== undefined && startMs - last[1] < 600) last[1] = startMs + 1_000 / FRAMES_PER_SECOND;
    else spans.push([startMs, startMs + 1_000 / FRAMES_PER_SECOND]);
  }
  return spans.filter(([startMs, endMs]) => endMs - startMs >= 200);
}

function share([a, b]: Span, [c, d]: Span): number {
  return Math.max(0, Math.min(b, d) - Math.max(a, c)) / (Math.max(b, d) - Math.min(a, c));
}

async function encoded(
  name: string,
  input: string,
  cut: readonly string[],
  filters: readonly string[],
  codec: readonly string[],
): Promise<string> {
  const path = join(folder, name);
  const shown = filters.length === 0 ? ['scale=-2:240'] : filters;
  await ffmpeg(...cut, '-i', input, '-an', '-vf', [...shown, 'format=yuv420p'].join(), ...codec, path);
  return path;
}

async function ffmpeg(...args: string[]): Promise<void> {
  await run(FFMPEG, ['-hide_banner', '-nostdin', '-loglevel', 'fatal', '-y', ...args]);
}

const PACKET_BYTES = 188;
const PICTURE_PID = 256;

/** Leaves packets of the pictures out at random while their timestamps are in the span. */
async function thinned(
  clean: string,
  fromMs: number,
  toMs: number,
  probability: number,
  random: SeededRandom,
): Promise<string> {
  const bytes = await readFile(clean);
  const kept: Buffer[] = [];
  let originMs: number | null = null;
  let nowMs = 0;
  for (let at = 0; at + PACKET_BYTES <= bytes.length; at += PACKET_BYTES) {
    const packet = bytes.subarray(at, at + PACKET_BYTES);
    const isPicture = (((packet[1]! & 0x1f) << 8) | packet[2]!) === PICTURE_PID;
    const startsAtMs = isPicture && (packet[1]! & 0x40) !== 0 ? timestampMs(packet) : null;
    originMs ??= startsAtMs;
    if (startsAtMs !== null) nowMs = startsAtMs - originMs!;
    const isIn = isPicture && nowMs >= fromMs && nowMs < toMs;
    if (!isIn || !random.chance(Math.round(probability * 1_000))) kept.push(packet);
  }
  const path = `${clean}-thinned.ts`;
  await writeFile(path, Buffer.concat(kept));
  return path;
}

/** Presentation timestamp of the packet that a picture begins in. */
function timestampMs(packet: Buffer): number | null {
  const payload = 4 + ((packet[3]! & 0x20) === 0 ? 0 : 1 + packet[4]!);
  if (payload + 14 > PACKET_BYTES || packet.readUIntBE(payload, 3) !== 1) return null;
  const at = payload + 9;
  const high = (packet[at]! >> 1) & 7;
  const ticks =
    high * 2 ** 30 + (packet.readUInt16BE(at + 1) >> 1) * 2 ** 15 + (packet.readUInt16BE(at + 3) >> 1);
  return ticks / 90;
}
