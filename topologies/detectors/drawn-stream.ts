/**
 * Streams drawn as text, for the tests of detectors: what a test means can be seen.
 *
 * Each character is 500 ms of pictures at 20 per second and of sound in blocks of 100 ms. `_` means that nothing arrives
 * (pictures and sound are missing), `~` that a chunk was lost on the way; what every other character looks and sounds
 * like is said by {@link Looks}. Chunks are a second long.
 *
 * @example
 * const check = checkerFor(videoBlack, { '.': {}, '#': { darkPermille: 1000 } });
 * check('..#####.', 'open@1000 close@3500');
 */
import assert from 'node:assert/strict';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import { blankRecord } from '../../schemas/blank-record.ts';
import type { FrameFeatures, StreamDefect } from '../../schemas/records.ts';
import { streamDetectionWith } from '../stream-detection.ts';
import type { Detector } from './sample-detector.ts';
import type { Frame } from './samples.ts';
import type { DetectionConfig } from './settings.ts';

/** What differs from an ordinary moving picture with ordinary sound. */
export type Look = Partial<
  Omit<
    Frame,
    'ptsMs' | 'intervalMs' | 'anchorAgeMs' | 'afterLoss' | 'gridSteps' | 'otherSteps' | 'sceneCenti'
  >
> & {
  /** The picture is one of a still run; the first of the run is its anchor, and looks like a moving one. */
  readonly still?: boolean;
  /** A closer look, every fourth picture. */
  readonly look?: Partial<typeof LOOKED>;
  /** One track alone has nothing here. */
  readonly without?: 'video' | 'audio';
} & Partial<Sound>;

/** What a block of sound is drawn with. */
export type Sound = {
  /** Level of every channel, hundredths of dBFS. */
  readonly rmsCentiDbfs: readonly number[];
  /** The same for the sample peak; 6 dB above the level unless said otherwise. */
  readonly peakCentiDbfs: readonly number[];
  /** Share of samples near each channel's peak, thousandths. */
  readonly clipPermille: readonly number[];
  /** Of left and right, thousandths. */
  readonly correlationPermille: number;
  /** Hundredths of LUFS. */
  readonly loudnessCentiLufs: number;
};

/** By character; a function gets the number of the picture or block, for looks that change. */
export type Looks = { readonly [character: string]: Look | ((index: number) => Look) };

/** Everything a probe would measure, before it is cut into chunks. */
export type Recording = {
  readonly frames: readonly (Omit<Frame, 'afterLoss' | 'gridSteps' | 'otherSteps' | 'sceneCenti'> & {
    readonly look: typeof LOOKED | null;
  })[];
  readonly blocks: readonly (Sound & { readonly startMs: number })[];
  readonly durationMs: number;
  /** Spans whose chunks never arrive. */
  readonly lost: readonly (readonly [fromMs: number, toMs: number])[];
  /** Where the clock stepped, and by how much. */
  readonly steps?: readonly (readonly [atMs: number, sizeMs: number])[];
};

export const CHARACTER_MS = 500;
const FRAME_MS = 50;
const BLOCK_MS = 100;
/** Log time at which presentation time 0 is live. */
export const LOG_START_MS = 1_700_000_000_000;
const LATENCY_MS = 300;

const MOVING = {
  lumaMeanCenti: 11_000,
  lumaSpreadCenti: 4_000,
  chromaSpreadCenti: 900,
  darkPermille: 50,
  diffMeanCenti: 300,
  anchorMeanCenti: 0,
  anchorPeakCenti: 0,
};
const LOOKED = {
  sharpPermille: 500,
  medianSharpPermille: 450,
  texturedBlocks: 90,
  sceneCenti: 150,
  gridSteps: 200,
  otherSteps: 150,
};
const PICTURES_PER_LOOK = 4;
const LEVELS = [-2_000, -2_200];

export function draw(drawing: string, looks: Looks): Recording {
  const frames: Recording['frames'][number][] = [];
  const blocks: Recording['blocks'][number][] = [];
  const lost: [number, number][] = [];
  let anchorMs = 0;
  let before = '';
  for (const [at, character] of [...drawing].entries()) {
    const fromMs = at * CHARACTER_MS;
    if (character === '~') lost.push([fromMs, fromMs + CHARACTER_MS]);
    const lookAt = lookOf(character, looks);
    if (lookAt === null) continue;
    for (let ptsMs = fromMs; ptsMs < fromMs + CHARACTER_MS; ptsMs += FRAME_MS) {
      const { still = false, without, look, ...figures } = lookAt(ptsMs / FRAME_MS);
      if (without === 'video') continue;
      const repeats = still && (before === character || ptsMs > fromMs);
      if (!repeats) anchorMs = ptsMs;
      const moved = still && !repeats ? { ...figures, diffMeanCenti: MOVING.diffMeanCenti } : figures;
      frames.push({
        ...MOVING,
        isDamaged: false,
        isKey: ptsMs === 0,
        damage: 0,
        ...moved,
        look: (ptsMs / FRAME_MS) % PICTURES_PER_LOOK === 0 ? { ...LOOKED, ...look } : null,
        ptsMs,
        anchorAgeMs: ptsMs - anchorMs,
        intervalMs: FRAME_MS,
      });
    }
    for (let startMs = fromMs; startMs < fromMs + CHARACTER_MS; startMs += BLOCK_MS) {
      const look = lookAt(startMs / BLOCK_MS);
      if (look.without !== 'audio') blocks.push({ ...soundOf(look), startMs });
    }
    before = character;
  }
  return { frames, blocks, durationMs: [...drawing].length * CHARACTER_MS, lost };
}

/**
 * Cuts a recording at these presentation times into chunks with seq from 0; lost ones are left out. Where sound comes back
 * after a gap a chunk begins too: a column of blocks has no gaps.
 */
export function cut(recording: Recording, cutsMs: readonly number[]): readonly FrameFeatures[] {
  const { blocks, durationMs } = recording;
  const resumed = blocks
    .map(({ startMs }) => startMs)
    .filter((ms, at) => ms - BLOCK_MS !== blocks[at - 1]?.startMs);
  const edges = [...new Set([0, ...cutsMs, ...resumed, durationMs])].sort((a, b) => a - b);
  const chunks: FrameFeatures[] = [];
  for (let seq = 0; seq + 1 < edges.length; seq++) {
    const fromMs = edges[seq]!;
    const toMs = edges[seq + 1]!;
    if (recording.lost.some(([from, to]) => fromMs < to && from < toMs)) continue;
    chunks.push(chunkOf(recording, seq, fromMs, toMs));
  }
  return chunks;
}

export function everySecond(recording: Recording): readonly number[] {
  return Array.from({ length: Math.floor(recording.durationMs / 1_000) }, (_, second) => second * 1_000);
}

/** A chunk without pictures or sound: what the probe says when something happened. */
export function eventChunk(
  event: string,
  seq: number,
  basePtsMs: number,
  fields: Partial<FrameFeatures> = {},
) {
  const empty: Recording = { frames: [], blocks: [], durationMs: 0, lost: [] };
  return { ...chunkOf(empty, seq, basePtsMs, basePtsMs), event, ...fields };
}

/** Log time at which a chunk arrives that ends at this presentation time, at live pace. */
export function arrivalMs(presentationMs: number): number {
  return LOG_START_MS + presentationMs + LATENCY_MS;
}

/** Defects as text, in log order: `open@` and `close@` presentation time, a severity where it rises, `cause` if asked. */
export function tell(defects: readonly StreamDefect[], mainType: string): string {
  const words: string[] = [];
  for (const one of defects) {
    if (one.event === 'anchor') continue;
    const prefix = one.type === mainType ? '' : `${one.type}:`;
    const lastMs = one.startMs + one.durationMs;
    if (one.event === 'open') words.push(`${prefix}open@${one.startMs}`);
    else if (one.event === 'point') words.push(`${prefix}point@${one.startMs}`);
    else if (one.event === 'update') words.push(`${prefix}${one.severity}@${lastMs}`);
    else words.push(`${prefix}close@${one.endMs}`);
  }
  return words.join(' ');
}

/** What stream detection with these detectors says of chunks that arrive at live pace. */
export function defectsOf(
  detectors: readonly Detector[],
  chunks: readonly FrameFeatures[],
  config: DetectionConfig | null = null,
): readonly StreamDefect[] {
  const driver = new TopologyTestDriver(streamDetectionWith(detectors), { config });
  for (const chunk of chunks) {
    driver.pipe('frame-features', chunk.programmeId, chunk, arrivalMs(chunk.basePtsMs + chunk.durationMs));
  }
  return driver.outputs('stream-defects').map(({ value }) => value);
}

export type Check = (drawing: string, expected: string, config?: DetectionConfig) => void;

/** A `check` for one detector: draws a stream, runs the topology, compares what it says. */
export function checkerFor(detector: Detector, looks: Looks): Check {
  return (drawing, expected, config) => {
    const recording = draw(drawing, looks);
    const defects = defectsOf([detector], cut(recording, everySecond(recording)), config ?? null);
    assert.equal(tell(defects, detector.type), expected, `drawn: ${drawing}`);
  };
}

function lookOf(character: string, looks: Looks): ((index: number) => Look) | null {
  if (character === '_' || character === '~') return null;
  const look = looks[character];
  if (look === undefined)
    throw new Error(`no look for '${character}'; there are ${Object.keys(looks).join(' ')}`);
  return typeof look === 'function' ? look : () => look;
}

function soundOf({ rmsCentiDbfs = LEVELS, ...given }: Look): Sound {
  return {
    rmsCentiDbfs,
    peakCentiDbfs: given.peakCentiDbfs ?? rmsCentiDbfs.map((level) => level + 600),
    clipPermille: given.clipPermille ?? rmsCentiDbfs.map(() => 4),
    correlationPermille: given.correlationPermille ?? 700,
    loudnessCentiLufs: given.loudnessCentiLufs ?? Math.max(...rmsCentiDbfs),
  };
}

const BLANK = blankRecord('frame-features', {});

function chunkOf(recording: Recording, seq: number, fromMs: number, toMs: number): FrameFeatures {
  const frames = recording.frames.filter(({ ptsMs }) => ptsMs >= fromMs && ptsMs < toMs);
  // As the probe does it: a block is told by the chunk in which it begins.
  const blocks = recording.blocks.filter(({ startMs }) => startMs >= fromMs && startMs < toMs);
  const steps = (recording.steps ?? []).filter(([atMs]) => atMs >= fromMs && atMs < toMs);
  const column = (name: keyof typeof MOVING | 'anchorAgeMs') => frames.map((frame) => frame[name]);
  return {
    ...BLANK,
    programmeId: 'news',
    renditionId: 'main',
    vantage: 'origin',
    probeId: 'probe-1',
    probeEpochMs: LOG_START_MS,
    seq,
    event: 'features',
    basePtsMs: fromMs,
    durationMs: toMs - fromMs,
    programTimeMs: null,
    programTimeSource: 'none',
    uncertaintyMs: 0,
    decodedAtMs: LOG_START_MS + toMs,
    decoder: 'test',
    depth: 'full',
    hasVideo: true,
    hasAudio: true,
    frameIntervalUs: FRAME_MS * 1_000,
    framePtsMs: frames.map(({ ptsMs }) => ptsMs - fromMs),
    lumaMeanCenti: column('lumaMeanCenti'),
    lumaSpreadCenti: column('lumaSpreadCenti'),
    chromaSpreadCenti: column('chromaSpreadCenti'),
    darkPermille: column('darkPermille'),
    diffMeanCenti: column('diffMeanCenti'),
    anchorMeanCenti: column('anchorMeanCenti'),
    anchorPeakCenti: column('anchorPeakCenti'),
    anchorAgeMs: column('anchorAgeMs'),
    audioStartMs: blocks.length === 0 ? 0 : blocks[0]!.startMs - fromMs,
    audioBlockMs: BLOCK_MS,
    audioChannels: blocks[0]?.rmsCentiDbfs.length ?? 0,
    audioRmsCentiDbfs: blocks.flatMap(({ rmsCentiDbfs }) => rmsCentiDbfs),
    audioPeakCentiDbfs: blocks.flatMap(({ peakCentiDbfs }) => peakCentiDbfs),
    audioClipPermille: blocks.flatMap(({ clipPermille }) => clipPermille),
    audioCorrelationPermille: blocks
      .filter(({ rmsCentiDbfs }) => rmsCentiDbfs.length > 1)
      .map(({ correlationPermille }) => correlationPermille),
    audioLoudnessCentiLufs: blocks.map(({ loudnessCentiLufs }) => loudnessCentiLufs),
    decodeErrors: 0,
    decodeErrorPtsMs: frames.filter(({ isDamaged }) => isDamaged).map(({ ptsMs }) => ptsMs - fromMs),
    stepPtsMs: steps.map(([atMs]) => atMs - fromMs),
    stepSizeMs: steps.map(([, sizeMs]) => sizeMs),
    ...lookColumns(frames, fromMs),
  };
}

function lookColumns(frames: Recording['frames'], fromMs: number) {
  const damaged = frames.filter(({ damage }) => damage !== 0);
  const looked = frames.filter(({ look }) => look !== null);
  const column = (name: keyof typeof LOOKED) => looked.map(({ look }) => look![name]);
  return {
    keyFramePtsMs: frames.filter(({ isKey }) => isKey).map(({ ptsMs }) => ptsMs - fromMs),
    damagePtsMs: damaged.map(({ ptsMs }) => ptsMs - fromMs),
    damageKinds: damaged.map(({ damage }) => damage),
    lookPtsMs: looked.map(({ ptsMs }) => ptsMs - fromMs),
    lookSharpPermille: column('sharpPermille'),
    lookMedianSharpPermille: column('medianSharpPermille'),
    lookTexturedBlocks: column('texturedBlocks'),
    lookSceneCenti: column('sceneCenti'),
    lookGridSteps: column('gridSteps'),
    lookOtherSteps: column('otherSteps'),
  };
}
