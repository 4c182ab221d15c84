/**
 * ffmpeg's options for each kind of input. Whatever lies behind HTTP, and every local manifest, is read from the loopback
 * fetcher: no other protocol is open to it then, so nothing in a manifest or in media can make ffmpeg open anything else.
 */
import { filePathOf, type StreamSpec } from './stream-spec.ts';

/** Containers that hold media and nothing that points elsewhere (no playlist, no concat script, no image sequence). */
const FILE_FORMATS =
  'mov,matroska,webm,mpegts,mpeg,mpegvideo,m4v,h264,hevc,avi,flv,asf,mxf,gxf,nut,ogg,wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,amr,dv,ivf,obu,rm,wtv,yuv4mpegpipe';
const HLS_FORMATS = 'hls,mpegts,mov,aac,mp3,ac3,eac3,webvtt';
const DASH_FORMATS = 'dash,mov,matroska,webm,mpegts';
/** The fetcher has limits of its own, which are shorter, and says why. */
const LOOPBACK_LIMIT = ['-rw_timeout', '60000000'];

export function fileArguments(input: string): string[] {
  return [...only('file', FILE_FORMATS), '-i', `file:${filePathOf(input)}`];
}

/** @param url where the fetcher serves it */
export function loopbackArguments(
  kind: 'hls' | 'dash' | 'media',
  url: string,
  options: ReadonlySet<string>,
): string[] {
  if (kind === 'media') return [...only('http,tcp', FILE_FORMATS), ...LOOPBACK_LIMIT, '-i', url];
  if (kind === 'dash') {
    return [
      ...only('http,tcp', DASH_FORMATS),
      ...LOOPBACK_LIMIT,
      '-allowed_extensions',
      'ALL',
      '-f',
      'dash',
      '-i',
      url,
    ];
  }
  return [
    // crypto: segments that a playlist says are encrypted; their key comes from the fetcher, too.
    ...only('http,tcp,crypto', HLS_FORMATS),
    ...LOOPBACK_LIMIT,
    // The names of segments are the fetcher's; what they are is told by their content.
    ...['-allowed_extensions', 'ALL'],
    ...(options.has('allowed_segment_extensions') ? ['-allowed_segment_extensions', 'ALL'] : []),
    ...(options.has('extension_picky') ? ['-extension_picky', '0'] : []),
    // A playlist that stands still is waited for; one that cannot be had ends ffmpeg, and the probe reconnects.
    ...['-max_reload', '1000', '-http_persistent', '0', '-http_multiple', '0'],
    ...['-f', 'hls', '-i', url],
  ];
}

/** Inputs that a sender pushes, or that are asked for over RTMP or SRT. ffmpeg does not reconnect: the probe does. */
export function streamArguments(spec: Pick<StreamSpec, 'input' | 'listen'>): string[] {
  const url = new URL(spec.input);
  switch (url.protocol) {
    case 'rtmp:':
      return [...only('rtmp,tcp', 'flv,live_flv'), ...rtmpArguments(spec.listen), '-i', spec.input];
    case 'rtmps:':
      return [...only('rtmps,rtmp,tls,tcp', 'flv,live_flv'), ...rtmpArguments(spec.listen), '-i', spec.input];
    case 'srt:':
      return [
        ...only('srt', 'mpegts'),
        ...(spec.listen ? ['-mode', 'listener'] : []),
        '-f',
        'mpegts',
        '-i',
        spec.input,
      ];
    case 'udp:':
      return [...only('udp', 'mpegts'), ...datagramArguments(url), '-f', 'mpegts', '-i', spec.input];
    default:
      return [...only('rtp,udp', 'rtp,sdp,mpegts'), ...bufferArguments(url), '-f', 'rtp', '-i', spec.input];
  }
}

/** The protocol of ffmpeg that an address needs; null for what is read from the fetcher or from a file. */
export function protocolOf(input: string): string | null {
  const scheme = /^(rtmps?|srt|udp|rtp):/i.exec(input)?.[1];
  return scheme?.toLowerCase() ?? null;
}

function only(protocols: string, formats: string): string[] {
  return ['-protocol_whitelist', protocols, '-format_whitelist', formats];
}

function rtmpArguments(listen: boolean): string[] {
  return listen ? ['-listen', '1'] : ['-rtmp_live', 'live', '-rw_timeout', '15000000'];
}

/** Room for bursts: 10 MB, or 80 s of a stream of 1 Mbit/s. What does not fit is lost, and does not end the decoder. */
const FIFO_PACKETS = 57_344;

function datagramArguments(url: URL): string[] {
  const { searchParams } = url;
  const fifo = searchParams.has('fifo_size') ? [] : ['-fifo_size', String(FIFO_PACKETS)];
  const address = url.hostname.replace(/^\[|\]$/g, '');
  // ffmpeg would take what comes to any address of this machine.
  const isOne =
    /^\d+\.\d+\.\d+\.\d+$/.test(address) && Number.parseInt(address, 10) < 224 && address !== '0.0.0.0';
  const local = isOne && !searchParams.has('localaddr') ? ['-localaddr', address] : [];
  return [...fifo, '-overrun_nonfatal', '1', ...local, ...bufferArguments(url)];
}

/** The kernel's own buffer, bytes; ffmpeg may be busy for a moment. */
function bufferArguments(url: URL): string[] {
  return url.searchParams.has('buffer_size') ? [] : ['-buffer_size', '2097152'];
}
