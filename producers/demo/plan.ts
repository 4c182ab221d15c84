/** Which demonstration streams there are, and where their faults lie: data, the same for the same seed. */
import { SeededRandom } from '../../runtime/seeded-random.ts';
import type { FaultTruth, FaultType } from './truth.ts';

/** A clip of `test/media/`: what it is made of, and what is wrong with it by nature. */
export type Clip = {
  readonly picture: string;
  /** File whose sound goes with the picture. */
  readonly sound: string;
  readonly framesPerSecond: number;
  /** Part of the picture file that is used, [fromMs, toMs); null: all of it, again and again. */
  readonly cut: { readonly fromMs: number; readonly toMs: number } | null;
  /** On the clip's own timeline. */
  readonly natural: readonly { readonly type: FaultType; readonly startMs: number; readonly endMs: number }[];
};

export type InsertedFault = { readonly type: FaultType; readonly startMs: number; readonly endMs: number };

export type PlannedStream = {
  readonly streamId: string;
  readonly what: string;
  readonly clip: Clip;
  readonly delivery: 'file' | 'hls';
  /** Length of one repetition, a multiple of {@link REPEAT_UNIT_MS}. */
  readonly durationMs: number;
  readonly faults: readonly InsertedFault[];
};

/**
 * Repetitions are multiples of this: whole pictures at 24 and 25 per second and whole AAC frames of 1024 samples at
 * 48 kHz, so that picture and sound end together and the next repetition begins exactly there.
 */
export const REPEAT_UNIT_MS = 8000;
export const DEMO_DURATION_MS_MIN = 16_000;

const TRAILER = 'big-buck-bunny-trailer-360p.mp4';
const TRAILER_END_MS = 55_000;

/** The trailer before its closing black: short fades to black, title cards, a silence of 1.8 s, and no defect. */
const TRAILER_BODY: Clip = {
  picture: TRAILER,
  sound: TRAILER,
  framesPerSecond: 24,
  cut: { fromMs: 500, toMs: 40_500 },
  natural: [],
};
/** The trailer's end with its closing black and silence, which are defects by definition. */
const TRAILER_CLOSE: Clip = {
  picture: TRAILER,
  sound: TRAILER,
  framesPerSecond: 24,
  cut: { fromMs: 39_000, toMs: TRAILER_END_MS },
  natural: [
    { type: 'video-black', startMs: 51_542, endMs: TRAILER_END_MS },
    { type: 'audio-silence', startMs: 51_800, endMs: TRAILER_END_MS },
  ],
};
const CITY: Clip = {
  picture: 'city-360p.mp4',
  sound: 'speech-jfk-1961.wav',
  framesPerSecond: 25,
  cut: null,
  natural: [],
};

/**
 * Four streams of at most `durationMs` before they repeat: a clean one, one with freezes, one with black, one with all
 * kinds over live HLS.
 */
export function planDemo(durationMs: number, seed: number): PlannedStream[] {
  if (!(durationMs >= DEMO_DURATION_MS_MIN)) {
    throw new RangeError(
      `a demonstration of ${durationMs} ms is too short; ask for ${DEMO_DURATION_MS_MIN} or more`,
    );
  }
  const random = new SeededRandom(`demo:${seed}`);
  const stream = (
    streamId: string,
    what: string,
    clip: Clip,
    delivery: PlannedStream['delivery'],
    types: readonly FaultType[],
  ): PlannedStream => {
    const lengthMs = clip.cut === null ? REPEATED_CLIP_MS_MAX : clip.cut.toMs - clip.cut.fromMs;
    const repeatMs = Math.floor(Math.min(durationMs, lengthMs) / REPEAT_UNIT_MS) * REPEAT_UNIT_MS;
    const planned = { streamId, what, clip, delivery, durationMs: repeatMs };
    return { ...planned, faults: placeFaults(random, usableMs(clip, repeatMs), types, clip) };
  };
  return [
    stream('demo-clean', 'film trailer, no fault put in', TRAILER_BODY, 'file', []),
    stream('demo-freeze', 'city street, freezes put in', CITY, 'file', ['video-freeze']),
    stream('demo-black', 'film trailer, black put in', TRAILER_CLOSE, 'file', ['video-black']),
    stream('demo-live', 'city street as live HLS, all kinds put in', CITY, 'hls', [
      'audio-silence',
      'video-freeze',
      'video-black',
    ]),
  ];
}

/** The faults of a stream, put in and natural, as they appear on its presentation timeline. */
export function truthOf(stream: PlannedStream): FaultTruth[] {
  const { streamId, clip, durationMs } = stream;
  const shiftMs = stream.delivery === 'hls' ? PRIMING_MS : 0;
  const inserted = stream.faults.map((fault) => ({ ...fault, origin: 'inserted' as const }));
  const fromMs = clip.cut?.fromMs ?? 0;
  const natural = clip.natural.map(({ type, startMs, endMs }) => ({
    type,
    startMs: startMs - fromMs,
    endMs: Math.min(endMs - fromMs, durationMs),
    origin: 'natural' as const,
  }));
  return [...inserted, ...natural]
    .filter((fault) => fault.endMs - fault.startMs >= FAULT_MS_MIN)
    .map(({ startMs, endMs, ...fault }) => ({
      streamId,
      ...fault,
      startMs: startMs + shiftMs,
      endMs: endMs + shiftMs,
      repeatEveryMs: durationMs,
    }))
    .sort((a, b) => a.startMs - b.startMs);
}

/** Time of the first picture at or after `ms`, in whole ms as the decoder rounds it. */
export function pictureAtOrAfterMs(ms: number, framesPerSecond: number): number {
  return Math.round((Math.ceil((ms * framesPerSecond) / 1000 - 1e-9) * 1000) / framesPerSecond);
}

/** Enough for a fault of each type, and quick to render. */
const REPEATED_CLIP_MS_MAX = 32_000;
/** Shortest of any of the three types by definition; what is put in is a little longer, to be beyond doubt. */
const FAULT_MS_MIN = 2000;
const INSERTED_MS_MIN = 2500;
const INSERTED_MS_MAX = 5000;
const GRID_MS = 100;
/** One fault in each window of this length, with clean content before and after. */
const WINDOW_MS = 10_000;
const MARGIN_MS = 1500;

/** A transport stream keeps the 1024 samples that the AAC encoder puts in front, and its timeline begins with them. */
const PRIMING_MS = 21;

/** Faults are put in only before what is wrong by nature. */
function usableMs(clip: Clip, durationMs: number): number {
  const fromMs = clip.cut?.fromMs ?? 0;
  return Math.min(durationMs, ...clip.natural.map((fault) => fault.startMs - fromMs));
}

function placeFaults(
  random: SeededRandom,
  usable: number,
  types: readonly FaultType[],
  clip: Clip,
): InsertedFault[] {
  const faults: InsertedFault[] = [];
  if (types.length === 0) return faults;
  for (let windowMs = 0; windowMs + WINDOW_MS <= usable; windowMs += WINDOW_MS) {
    const type = types[faults.length % types.length]!;
    const lengthMs = pick(random, INSERTED_MS_MIN, INSERTED_MS_MAX);
    const startMs = windowMs + pick(random, MARGIN_MS, WINDOW_MS - MARGIN_MS - lengthMs);
    const endMs = startMs + lengthMs;
    const onPicture = (ms: number) => pictureAtOrAfterMs(ms, clip.framesPerSecond);
    if (type === 'audio-silence') faults.push({ type, startMs, endMs });
    else faults.push({ type, startMs: onPicture(startMs), endMs: onPicture(endMs) });
  }
  return faults;
}

/** A multiple of the grid in [fromMs, toMs]. */
function pick(random: SeededRandom, fromMs: number, toMs: number): number {
  return fromMs + random.below(Math.floor((toMs - fromMs) / GRID_MS) + 1) * GRID_MS;
}
