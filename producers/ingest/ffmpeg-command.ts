/** The decoder's command line: what it may open, and how it has to decode so that the same bytes give the same features. */

import type { Depth } from '../../schemas/depths.ts';
import { trackSkewMsMax } from './chunker.ts';
import { PICTURE_HEIGHT_PX, PICTURE_WIDTH_PX } from './frame-analysis.ts';
import type { DecoderInput } from './input-source.ts';
import { LOOK_INTERVAL_MAX_S, LOOK_INTERVAL_S, LOOK_LINE_STEP } from './picture-look.ts';
import { MARK_FILTER } from './picture-marks.ts';

/** Which tracks to decode: both where present, or one alone when the other never delivers. */
export type TrackChoice = 'both' | 'video' | 'audio';

/** Time base that pictures are timed in, the finest of the usual containers. */
const PICTURE_TICKS_PER_S = 90_000;
/**
 * Added to every timestamp of the decoder's output, the same for both tracks, because NUT holds no negative ones. It
 * falls out again: the timeline counts from the first timestamp.
 */
const OUTPUT_OFFSET_S = 100;

/**
 * Arguments for one decoder.
 *
 * - `-threads 1` and `bitexact`: no result depends on the machine.
 * - `-fps_mode passthrough`: missing pictures stay missing instead of turning into repeated ones.
 * - No `-copyts`: ffmpeg takes backward steps of the input's clock out, which NUT could not hold. Forward steps and
 *   gaps stay as they are (`dts_delta_threshold`): ffmpeg would take a pause of one track for a step of both.
 * - Of a live input every packet is handed on at once; a file's tens of kilobytes may wait for the next one.
 * - `area` scaling averages all pixels under one small one, so coding noise cancels out and a logo keeps its share.
 */
export function decoderArguments(
  input: DecoderInput,
  choice: TrackChoice,
  depth: Depth = 'full',
  captions = false,
): string[] {
  const packetsMax = input.isLive ? START_PACKETS_LIVE_MAX : START_PACKETS_FILE_MAX;
  const queue = ['-max_muxing_queue_size', String(packetsMax)];
  return [
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'repeat+level+info'],
    ...['-filter_threads', '1', '-dts_delta_threshold', '36000'],
    // A damaged file is looked at to its end.
    ...['-max_error_rate', '1'],
    ...['-threads', '1', '-noautorotate'],
    ...(depth === 'keyframes' ? KEY_FRAMES_ALONE : EVERY_PICTURE),
    ...BOUNDS,
    ...input.arguments,
    ...(depth === 'packets' ? packetArguments(choice) : decodingArguments(choice, depth, input.isLive)),
    ...(captions && hasCaptionTracks(choice, depth) ? CAPTIONS : []),
    ...[...queue, '-muxing_queue_data_threshold', '1'],
    ...['-output_ts_offset', String(OUTPUT_OFFSET_S), '-flush_packets', input.isLive ? '1' : '0'],
    ...['-f', depth === 'packets' ? 'framecrc' : 'nut', 'pipe:1'],
  ];
}

/**
 * A picture that no other is made of keeps the edges of its blocks: taking them out costs a twentieth of decoding, and
 * under the pixels of a small picture they average out. Looks are for other pictures (`pictureArguments`).
 */
const EVERY_PICTURE = ['-flags', '+bitexact', '-skip_loop_filter:v', 'noref'];

/** A picture that needs no other one is given out without waiting for those that would follow it. */
const KEY_FRAMES_ALONE = ['-flags', '+bitexact+low_delay', '-skip_frame:v', 'nokey'];

function decodingArguments(choice: TrackChoice, depth: Depth, isLive: boolean): string[] {
  const skewMsMax = isLive ? trackSkewMsMax(depth) : FILE_SKEW_MS_MAX;
  return [
    ...MAPS[choice].flatMap((map) => ['-map', map]),
    ...(choice === 'audio' ? [] : pictureArguments()),
    ...(choice === 'video' ? [] : ['-c:a', 'pcm_s16le']),
    ...['-max_interleave_delta', String(skewMsMax * 1000)],
  ];
}

/** Whether there are tracks of captions beside the decoded ones. */
function hasCaptionTracks(choice: TrackChoice, depth: Depth): boolean {
  return choice !== 'audio' && depth === 'full';
}

/**
 * User data of the pictures as it came, without the pictures: SEI messages of H.264 (6) and HEVC (39, 40), user data of
 * MPEG-2 (178). Then a track of subtitles, as text. ffmpeg refuses both for other codecs, and does not start.
 */
const CAPTIONS = [
  ...['-map', '0:V:0?', '-c:v:2', 'copy', '-bsf:v:2', 'filter_units=pass_types=6|39|40|178'],
  ...['-map', '0:s:0?', '-c:s', 'text'],
];

/** Packets as they come, sorted no further than next to each other: their order in the container tells the skew. */
function packetArguments(choice: TrackChoice): string[] {
  const maps = [...new Set(MAPS[choice])];
  return [
    ...maps.flatMap((map) => ['-map', map]),
    ...['-c', 'copy', '-copyinkf', '-max_interleave_delta', '1'],
  ];
}

/** Pictures go out twice: small ones, and lines of a few at native size; see `picture-look.ts`. */
const MAPS: { readonly [choice in TrackChoice]: readonly string[] } = {
  both: ['0:V:0?', '0:V:0?', '0:a:0?'],
  video: ['0:V:0', '0:V:0'],
  audio: ['0:a:0'],
};

/** Environment of the decoder: nothing of ours, above all no proxy and no credentials. */
export function decoderEnvironment(): Record<string, string> {
  const path = process.env.PATH;
  return { LC_ALL: 'C', AV_LOG_FORCE_NOCOLOR: '1', ...(path === undefined ? {} : { PATH: path }) };
}

/**
 * Packets that the decoder holds of one track while another that the input declares has not delivered anything: about
 * 80 s of pictures in a file, 10 s live. Past it the decoder gives up, and is started again for the track that is there.
 */
const START_PACKETS_FILE_MAX = 2000;
const START_PACKETS_LIVE_MAX = 256;
/**
 * In a file nothing is late, but its tracks may be apart: muxers wait for one up to 10 s. What comes first waits in the
 * decoder: of sound 0.2 MB a second, of pictures 0.5 MB (at 25 a second) and 0.4 MB of lines (at 720p). It takes no
 * time: at live pace the decoder reads ahead.
 */
const FILE_SKEW_MS_MAX = 15_000;
/** A header may claim any size: one picture, and one block of memory, that nothing real comes near. */
const BOUNDS = ['-max_pixels', '134217728', '-max_alloc', '536870912'];

/**
 * Small pictures, each announced among the messages with its kind before it is written. `field` takes every other line
 * by doubling the stride, so that nothing but the lines themselves is copied.
 */
function pictureArguments(): string[] {
  const scale = `scale=${PICTURE_WIDTH_PX}:${PICTURE_HEIGHT_PX}:flags=area+bitexact+accurate_rnd:out_range=tv`;
  const sometimes =
    `select=isnan(prev_selected_t)+gte(t-prev_selected_t\\,${LOOK_INTERVAL_S})*not(eq(pict_type\\,B))` +
    `+gte(t-prev_selected_t\\,${LOOK_INTERVAL_MAX_S})`;
  const lines = Array.from({ length: Math.log2(LOOK_LINE_STEP) }, () => 'field=top').join(',');
  return [
    ...['-filter:v:0', `${scale},format=yuv420p,${MARK_FILTER}`],
    ...['-filter:v:1', `${sometimes},${lines},extractplanes=y,format=gray`],
    // One thread: copying a picture out is no work to be shared, and sharing it costs more.
    ...['-c:v', 'rawvideo', '-threads:v', '1', '-fps_mode:v', 'passthrough'],
    ...['-enc_time_base:v', `1:${PICTURE_TICKS_PER_S}`],
  ];
}
