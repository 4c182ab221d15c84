/**
 * Honest damage: bytes of the coded pictures changed, or packets of the transport lost, and what that does to the pictures
 * is what comes. Where they are damaged is found by comparing decoded pictures: below 40 dB PSNR against the undamaged
 * decode (definitions, section 1). Where the decoder meets errors is where coded pictures differ and it says so.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import type { Container } from './encode.ts';
import type { Span } from './media-file.ts';
import type { Workshop } from './workshop.ts';

const DAMAGED_BELOW_DB = 40;
export type Stretch = { readonly startMs: number; readonly endMs: number };

/** Changes about one byte in `everyBytes` of the pictures' packets in the stretches. */
export function noised(
  workshop: Workshop,
  clean: string,
  container: Container,
  stretches: readonly (Stretch & { readonly everyBytes: number })[],
): Promise<string> {
  const offsetS = container === 'ts' ? TS_START_S : 0;
  const amount = stretches
    .map(({ startMs, endMs, everyBytes }) => {
      const [from, to] = [startMs / 1_000 + offsetS, endMs / 1_000 + offsetS];
      return `${everyBytes}*between(pts*tb,${from.toFixed(3)},${to.toFixed(3)})`;
    })
    .join('+');
  return workshop.made(['noised', clean, amount], container, async (file) => {
    await workshop.ffmpeg([
      ...['-copyts', '-i', clean, '-map', '0', '-c', 'copy', '-bsf:v', `noise=amount='${amount}'`],
      ...['-fflags', '+bitexact', file],
    ]);
  });
}

/** ffmpeg's transport streams begin there. */
const TS_START_S = 1.4;
const PACKET_BYTES = 188;
const TICKS_PER_MS = 90;

/** Leaves packets of both tracks out, in bursts, while the pictures' timestamps are in the stretches. */
export function thinned(
  workshop: Workshop,
  clean: string,
  stretches: readonly (Stretch & { readonly lossPermille: number; readonly burst: number })[],
  random: SeededRandom,
): Promise<string> {
  const seed = random.next();
  return workshop.made(['thinned', clean, stretches, seed], 'ts', async (file) => {
    const draw = random.fork(String(seed));
    const bytes = readFileSync(clean);
    const kept: Buffer[] = [];
    let nowMs = 0;
    let losing = 0;
    for (let at = 0; at + PACKET_BYTES <= bytes.length; at += PACKET_BYTES) {
      const packet = bytes.subarray(at, at + PACKET_BYTES);
      const pid = ((packet[1]! & 0x1f) << 8) | packet[2]!;
      nowMs = (pid === PICTURE_PID ? timestampMs(packet) : null) ?? nowMs;
      const stretch = stretches.find(({ startMs, endMs }) => nowMs >= startMs && nowMs < endMs);
      if (
        stretch !== undefined &&
        losing === 0 &&
        draw.chance(Math.ceil(stretch.lossPermille / stretch.burst))
      )
        losing = stretch.burst;
      if (stretch === undefined) losing = 0;
      if (losing > 0 && pid >= PICTURE_PID && pid <= PICTURE_PID + 1) losing -= 1;
      else kept.push(packet);
    }
    writeFileSync(file, Buffer.concat(kept));
  });
}

const PICTURE_PID = 256;

/** Decoding timestamp of a packet that begins a picture, else its presentation timestamp; from the stream's start. */
function timestampMs(packet: Buffer): number | null {
  if ((packet[1]! & 0x40) === 0) return null;
  const payload = 4 + ((packet[3]! & 0x20) === 0 ? 0 : 1 + packet[4]!);
  if (payload + 14 > PACKET_BYTES || packet.readUIntBE(payload, 3) !== 1) return null;
  const at = payload + 9;
  const high = (packet[at]! >> 1) & 7;
  const ticks =
    high * 2 ** 30 + (packet.readUInt16BE(at + 1) >> 1) * 2 ** 15 + (packet.readUInt16BE(at + 3) >> 1);
  return ticks / TICKS_PER_MS - TS_START_S * 1_000;
}

const CORRUPTION = { type: 'video-block-corruption', minMs: 200, joinMs: 600 } as const;
/** By so many pictures decoders are ahead of what they give out, at most. */
const AHEAD_PICTURES = 6;
const DECODE_ERROR = { type: 'video-decode-error', minMs: 200, joinMs: 1_000 } as const;

/** What is wrong with `damaged`, of which `clean` is the undamaged one. */
export function damageOf(
  workshop: Workshop,
  clean: string,
  damaged: string,
  framesPerSecond: number,
): Promise<readonly Span[]> {
  return workshop.found(['damage', 3, clean, damaged], async () => {
    const pictureMs = 1_000 / framesPerSecond;
    const visible = await picturesBelow(workshop, clean, damaged, pictureMs);
    const coded = await packetsThatDiffer(workshop, clean, damaged);
    const told = await complaints(workshop, damaged);
    // It tells of an error when it decodes a picture, which is a few before it gives that one out.
    const met = coded.filter((ms) =>
      told.some((atMs) => atMs <= ms + pictureMs && atMs >= ms - AHEAD_PICTURES * pictureMs),
    );
    return [...spansOf(visible, pictureMs, CORRUPTION), ...spansOf(met, pictureMs, DECODE_ERROR)];
  });
}

/** Times of the pictures of `clean` for which `damaged` shows another one. */
async function picturesBelow(
  workshop: Workshop,
  clean: string,
  damaged: string,
  pictureMs: number,
): Promise<number[]> {
  const graph = '[0:v]null[a];[1:v][a]scale2ref[b][c];[c][b]psnr=stats_file=-[v]';
  const { stdout } = await workshop.ffmpeg(
    [
      ...['-i', clean, '-max_error_rate', '1', '-i', damaged, '-filter_complex', graph, '-map', '[v]'],
      ...['-fps_mode', 'passthrough', '-f', 'null', '/dev/null'],
    ],
    'fatal',
  );
  const below: number[] = [];
  for (const [, number, figure] of stdout.toString().matchAll(/^n:(\d+).*psnr_avg:(\S+)/gm)) {
    if (figure !== 'inf' && Number(figure) < DAMAGED_BELOW_DB) below.push((Number(number) - 1) * pictureMs);
  }
  return below;
}

/** Times of the coded pictures of `clean` that are not, or not the same, in `damaged`. */
async function packetsThatDiffer(workshop: Workshop, clean: string, damaged: string): Promise<number[]> {
  const packets = async (file: string): Promise<Map<number, string>> => {
    const { stdout } = await workshop.ffmpeg(
      [
        ...[
          '-copyts',
          '-i',
          file,
          '-map',
          '0:v',
          '-c',
          'copy',
          '-f',
          'framehash',
          '-hash',
          'crc32',
          'pipe:1',
        ],
      ],
      'fatal',
    );
    const text = stdout.toString();
    const [, over = '1', under = '1000'] = /^#tb 0: (\d+)\/(\d+)/m.exec(text) ?? [];
    const rows = [...text.matchAll(/^0,\s*\S+,\s*(-?\d+),\s*\d+,\s*\d+, (\S+)/gm)];
    return new Map(
      rows.map(([, pts, hash]) => [Math.round((Number(pts) * Number(over) * 1_000) / Number(under)), hash!]),
    );
  };
  const [before, after] = [await packets(clean), await packets(damaged)];
  const [firstMs, firstAfterMs] = [before, after].map((rows) => Math.min(...rows.keys())) as [number, number];
  return [...before]
    .map(([ms, hash]) => [ms - firstMs, hash] as const)
    .filter(([ms, hash]) => after.get(ms + firstAfterMs) !== hash)
    .map(([ms]) => ms);
}

/** Times of the pictures before which the decoder told of errors or concealment. Not all that is changed is an error to it. */
async function complaints(workshop: Workshop, damaged: string): Promise<number[]> {
  const { stderr } = await workshop.ffmpeg(
    [
      '-threads',
      '1',
      '-max_error_rate',
      '1',
      '-i',
      damaged,
      '-map',
      '0:V',
      '-vf',
      'showinfo',
      '-fps_mode',
      'passthrough',
      '-f',
      'null',
      '-',
    ],
    'repeat+level+info',
  );
  const times: number[] = [];
  let isTold = false;
  for (const line of stderr.split('\n')) {
    const shown = /\[Parsed_showinfo.* pts_time:(\S+)/.exec(line);
    if (shown === null) isTold ||= /concealing|\[error\]/.test(line) && !line.startsWith('[mpegts');
    else {
      if (isTold) times.push(Number(shown[1]) * 1_000);
      isTold = false;
    }
  }
  return times;
}

/** Runs of pictures with gaps shorter than `joinMs`, where they last `minMs`. */
function spansOf(
  timesMs: readonly number[],
  pictureMs: number,
  { type, minMs, joinMs }: { readonly type: string; readonly minMs: number; readonly joinMs: number },
): Span[] {
  const spans: { startMs: number; endMs: number }[] = [];
  for (const ms of timesMs.toSorted((a, b) => a - b)) {
    const last = spans.at(-1);
    if (last !== undefined && ms - last.endMs < joinMs) last.endMs = ms + pictureMs;
    else spans.push({ startMs: ms, endMs: ms + pictureMs });
  }
  return spans
    .filter(({ startMs, endMs }) => endMs - startMs >= minMs)
    .map(({ startMs, endMs }) => ({ type, startMs: Math.round(startMs), endMs: Math.round(endMs) }));
}
