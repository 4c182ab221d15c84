/** What ffmpeg's own filters say of a file, at their defaults: the nearest thing to a detector that everyone has. */
import type { MediaFile, Span } from './media-file.ts';
import type { Workshop } from './workshop.ts';

/** The type of defect that each filter is held against. */
export const PEERS = {
  blackdetect: 'video-black',
  freezedetect: 'video-freeze',
  silencedetect: 'audio-silence',
  blockdetect: 'video-block-corruption',
} as const;
export type PeerName = keyof typeof PEERS;

export type PeerResult = {
  /** Intervals that the filters tell of by themselves, with the type that they stand for. */
  readonly found: readonly Span[];
  /** blockdetect tells a figure for each picture and decides nothing: [presentation time in ms, blockiness]. */
  readonly blockiness: readonly (readonly [ms: number, blockiness: number])[];
};

export async function askPeers(workshop: Workshop, { path, durationMs }: MediaFile): Promise<PeerResult> {
  return workshop.found(['peers', path, 2], async () => {
    const { stderr } = await workshop.ffmpeg(
      [
        ...['-threads', '1', '-max_error_rate', '1', '-i', path, '-map', '0:V?', '-map', '0:a?'],
        ...['-filter:v', 'blackdetect,freezedetect,blockdetect,metadata=print:key=lavfi.block'],
        ...['-filter:a', 'silencedetect', '-fps_mode', 'passthrough', '-f', 'null', '-'],
      ],
      'info',
    );
    return { found: intervalsIn(stderr, durationMs), blockiness: blockinessIn(stderr) };
  });
}

/** Intervals in which the figure is above a limit, joined and bounded as the definitions have it for block corruption. */
export function blocky(blockiness: PeerResult['blockiness'], limit: number): readonly Span[] {
  const [joinMs, minMs, pictureMs] = [600, 200, 40];
  const spans: { type: string; startMs: number; endMs: number }[] = [];
  for (const [ms, figure] of blockiness) {
    if (figure <= limit) continue;
    const last = spans.at(-1);
    if (last !== undefined && ms - last.endMs < joinMs) last.endMs = ms + pictureMs;
    else spans.push({ type: PEERS.blockdetect, startMs: ms, endMs: ms + pictureMs });
  }
  return spans.filter(({ startMs, endMs }) => endMs - startMs >= minMs);
}

function intervalsIn(messages: string, durationMs: number): Span[] {
  const spans: Span[] = [];
  const open = new Map<string, number>();
  const add = (type: string, startMs: number, endMs: number): void => {
    spans.push({ type, startMs: Math.round(startMs), endMs: Math.round(endMs) });
  };
  for (const [, from, to] of messages.matchAll(/black_start:(\S+) black_end:(\S+)/g))
    add(PEERS.blackdetect, Number(from) * 1_000, Number(to) * 1_000);
  for (const [, word, edge, figure] of messages.matchAll(/(freeze|silence)_(start|end): (-?[\d.]+)/g)) {
    const type = word === 'freeze' ? PEERS.freezedetect : PEERS.silencedetect;
    const ms = Number(figure) * 1_000;
    const fromMs = open.get(type);
    if (edge === 'start') open.set(type, ms);
    else if (fromMs !== undefined) {
      add(type, fromMs, ms);
      open.delete(type);
    }
  }
  for (const [type, fromMs] of open) add(type, fromMs, durationMs);
  return spans;
}

function blockinessIn(messages: string): (readonly [number, number])[] {
  const rows: (readonly [number, number])[] = [];
  let ms: number | null = null;
  for (const [, time, figure] of messages.matchAll(/pts_time:(\S+)|lavfi\.block=(\S+)/g)) {
    if (time !== undefined) ms = Math.round(Number(time) * 1_000);
    else if (ms !== null && figure !== undefined) rows.push([ms, Math.round(Number(figure) * 1_000) / 1_000]);
  }
  return rows;
}
