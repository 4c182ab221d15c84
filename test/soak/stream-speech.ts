/**
 * Streams at live pace, drawn from a seed: a chunk of features a second from each, in which pictures go black, freeze,
 * sound falls silent, probes die and come back, now and then for some seconds.
 */
import { partitionOf } from '../../runtime/partitioner.ts';
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import { blankRecord } from '../../schemas/blank-record.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { type Saying, type SpeechOptions, type SpokenRecord, spoil } from '../chaos/speech.ts';

/** @param perPartition streams in each partition: as many in each, so that a task is as large as any other */
export function streamSpeech(perPartition: number): (options: SpeechOptions) => Saying {
  return (options) => {
    const { random, partitions, codec, spoiledPermille = SPOILED_PERMILLE } = options;
    const names = streamNames(partitions, perPartition);
    const streams = names.map((name, at) => new Stream(name, random.fork(name), at / names.length));
    const recordOf = (chunk: FrameFeatures): SpokenRecord => {
      const key = Buffer.from(chunk.programmeId);
      const value = codec.encode('frame-features', chunk);
      return { topic: 'frame-features', partition: partitionOf(key, partitions), key, value, headers: [] };
    };
    return {
      say: (_size, nowMs) =>
        streams
          .flatMap((stream) => stream.due(nowMs))
          .map(recordOf)
          .map((record) => (random.chance(spoiledPermille) ? spoil(record, options) : record)),
      sayFeatures: (size, nowMs) =>
        Array.from({ length: size }, (_, i) => recordOf(streams[i % streams.length]!.next(nowMs))),
    };
  };
}

/** As many in each partition. */
export function streamNames(partitions: number, perPartition: number): readonly string[] {
  const counts = Array.from({ length: partitions }, () => 0);
  const names: string[] = [];
  for (let number = 1; names.length < partitions * perPartition; number++) {
    const name = `channel-${number}`;
    const partition = partitionOf(Buffer.from(name), partitions);
    if (counts[partition]! >= perPartition) continue;
    counts[partition]! += 1;
    names.push(name);
  }
  return names;
}

/** What a second may look and sound like, and how many seconds of a thousand something of the kind begins. */
const EPISODES = [
  { kind: 'black', permille: 6 },
  { kind: 'frozen', permille: 6 },
  { kind: 'silent', permille: 6 },
  { kind: 'gone', permille: 3 },
  { kind: 'restarted', permille: 2 },
] as const;
type Kind = (typeof EPISODES)[number]['kind'] | 'good';

const BLANK = blankRecord('frame-features', {});

class Stream {
  readonly #name: string;
  readonly #random: SeededRandom;
  readonly #phaseMs: number;
  #probeEpochMs = 0;
  #seq = 0;
  #basePtsMs = 0;
  #nextAtMs: number | null = null;
  #kind: Kind = 'good';
  #secondsLeft = 0;
  #stillSinceMs: number | null = null;

  constructor(name: string, random: SeededRandom, phase: number) {
    this.#name = name;
    this.#random = random;
    this.#phaseMs = Math.floor(phase * CHUNK_MS);
  }

  /** Chunks whose second is over. A probe that cannot get rid of them keeps some, and loses the others. */
  due(nowMs: number): readonly FrameFeatures[] {
    this.#nextAtMs ??= nowMs + this.#phaseMs;
    const chunks: FrameFeatures[] = [];
    while (this.#nextAtMs <= nowMs) {
      const isLost = nowMs - this.#nextAtMs > KEPT_MS;
      const chunk = this.next(this.#nextAtMs);
      if (!isLost && this.#kind !== 'gone') chunks.push(chunk);
      this.#nextAtMs += CHUNK_MS;
    }
    return chunks;
  }

  next(nowMs: number): FrameFeatures {
    this.#turn(nowMs);
    const chunk = this.#chunk(nowMs);
    this.#seq += 1;
    this.#basePtsMs += CHUNK_MS;
    return chunk;
  }

  #turn(nowMs: number): void {
    if (this.#probeEpochMs === 0) this.#probeEpochMs = nowMs;
    if (this.#secondsLeft > 0) {
      this.#secondsLeft -= 1;
      return;
    }
    let draw = this.#random.below(1_000);
    this.#kind = 'good';
    for (const { kind, permille } of EPISODES) {
      if (draw >= 0 && draw < permille) this.#kind = kind;
      draw -= permille;
    }
    if (this.#kind === 'good') return;
    this.#secondsLeft = this.#random.between(1, 10);
    if (this.#kind !== 'restarted') return;
    this.#probeEpochMs = nowMs;
    this.#seq = 0;
    this.#basePtsMs = 0;
    this.#stillSinceMs = null;
  }

  #chunk(nowMs: number): FrameFeatures {
    return {
      ...BLANK,
      programmeId: this.#name,
      renditionId: 'main',
      vantage: 'origin',
      probeId: 'probe-1',
      probeEpochMs: this.#probeEpochMs,
      seq: this.#seq,
      event: 'features',
      basePtsMs: this.#basePtsMs,
      durationMs: CHUNK_MS,
      programTimeMs: nowMs - CHUNK_MS,
      programTimeSource: 'pdt',
      uncertaintyMs: 0,
      decodedAtMs: nowMs,
      decoder: 'soak',
      depth: 'full',
      hasVideo: true,
      hasAudio: true,
      frameIntervalUs: PICTURE_MS * 1_000,
      ...this.#pictures(),
      ...this.#sound(),
      decodeErrors: 0,
    };
  }

  #pictures() {
    const random = this.#random;
    const isBlack = this.#kind === 'black';
    const isStill = isBlack || this.#kind === 'frozen';
    const column = (value: (ptsMs: number) => number): number[] => PICTURES_MS.map(value);
    const wasStill = this.#stillSinceMs !== null;
    if (!isStill) this.#stillSinceMs = null;
    else this.#stillSinceMs ??= this.#basePtsMs;
    const ageAt = (ptsMs: number): number =>
      this.#stillSinceMs === null ? 0 : this.#basePtsMs + ptsMs - this.#stillSinceMs;
    return {
      framePtsMs: [...PICTURES_MS],
      lumaMeanCenti: column(() => (isBlack ? 1_600 : random.between(9_000, 12_000))),
      lumaSpreadCenti: column(() => (isBlack ? 10 : random.between(3_800, 4_200))),
      chromaSpreadCenti: column(() => (isBlack ? 5 : random.between(800, 1_000))),
      darkPermille: column(() => (isBlack ? 1_000 : random.below(60))),
      diffMeanCenti: column((ptsMs) => {
        if (!isStill) return random.between(150, 400);
        return !wasStill && ptsMs === 0 ? 2_000 : random.below(2);
      }),
      anchorMeanCenti: column((ptsMs) => (ageAt(ptsMs) === 0 ? 0 : random.below(3))),
      anchorPeakCenti: column((ptsMs) => (ageAt(ptsMs) === 0 ? 0 : random.below(20))),
      anchorAgeMs: column(ageAt),
    };
  }

  #sound() {
    const levels = Array.from({ length: 2 * (CHUNK_MS / BLOCK_MS) }, () =>
      this.#kind === 'silent' ? -9_000 : this.#random.between(-3_000, -1_800),
    );
    return {
      audioStartMs: 0,
      audioBlockMs: BLOCK_MS,
      audioChannels: 2,
      audioRmsCentiDbfs: levels,
      audioPeakCentiDbfs: levels.map((level) => level + 600),
      audioClipPermille: levels.map(() => 4),
      audioCorrelationPermille: levels.filter((_, at) => at % 2 === 0).map(() => 700),
      audioLoudnessCentiLufs: levels.filter((_, at) => at % 2 === 0),
    };
  }
}

const CHUNK_MS = 1_000;
const PICTURE_MS = 40;
const PICTURES_MS = Array.from({ length: CHUNK_MS / PICTURE_MS }, (_, i) => i * PICTURE_MS);
const BLOCK_MS = 100;
const KEPT_MS = 10_000;
export const SPOILED_PERMILLE = 5;
