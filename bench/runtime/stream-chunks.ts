/**
 * W1: stream detection, the real topology. 1,000 streams of 30 pictures/s and stereo sound, one record a second each;
 * every value of a column is drawn, with sizes and rates of change as real clips have them (about a sixth of the pictures
 * differ so little from the one before that they count as still). From one record in a hundred on, a stream is black,
 * frozen, silent or hardly moving for three seconds.
 */
import { partitionOf } from '../../runtime/partitioner.ts';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { blankRecord } from '../../schemas/blank-record.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { streamDetection } from '../../topologies/stream-detection.ts';
import { type InputRecord, PARTITIONS, type Workload } from './workload.ts';

export const streamChunks: Workload = {
  name: 'W1-full',
  title: 'stream detection as it runs',
  unit: 'chunks',
  topology: streamDetection,
  codec: localCodec,
  inputTopic: 'frame-features',
  outputTopics: ['stream-defects', 'stream-health'],
  records: 1_200_000,
  evidencePerSecond: 390_000,
  *generate(count: number): Iterable<InputRecord> {
    const streams = Array.from({ length: STREAMS }, (_, number) => new Stream(number));
    for (let at = 0; at < count; at++) {
      const stream = streams[at % STREAMS]!;
      const seq = Math.floor(at / STREAMS);
      const timestampMs = START_MS + seq * 1_000 + (at % STREAMS);
      yield { key: stream.key, partition: stream.partition, value: stream.chunk(seq), timestampMs };
    }
  },
};

const STREAMS = 1_000;
const PICTURES = 30;
const BLOCKS = 10;
const CHANNELS = 2;
const START_MS = 1_700_000_000_000;
const EPISODE_CHUNKS = 3;
const KINDS = ['black', 'frozen', 'silent', 'hardly-moving'] as const;

const PTS_MS = Array.from({ length: PICTURES }, (_, i) => Math.floor((i * 100) / 3));

const BLANK = blankRecord('frame-features', {});

class Stream {
  readonly key: Uint8Array;
  readonly partition: number;
  readonly #name: string;
  readonly #random: SeededRandom;
  #episodeLeft = 0;
  #kind: (typeof KINDS)[number] = 'black';
  #lumaCenti: number;
  #stillFromMs = 0;

  constructor(number: number) {
    this.#name = `stream-${String(number).padStart(6, '0')}`;
    this.key = Buffer.from(this.#name);
    this.partition = partitionOf(this.key, PARTITIONS);
    this.#random = new SeededRandom(number);
    this.#lumaCenti = this.#random.between(6_000, 18_000);
  }

  chunk(seq: number): FrameFeatures {
    const random = this.#random;
    if (this.#episodeLeft > 0) this.#episodeLeft -= 1;
    else if (random.below(100) === 0) {
      this.#episodeLeft = EPISODE_CHUNKS;
      this.#kind = random.pick(KINDS);
    }
    const kind = this.#episodeLeft > 0 ? this.#kind : 'good';
    const basePtsMs = seq * 1_000;
    return {
      ...BLANK,
      ...this.#head(seq, basePtsMs),
      ...this.#pictures(kind, basePtsMs),
      audioStartMs: 0,
      audioBlockMs: 100,
      audioChannels: CHANNELS,
      ...this.#sound(kind === 'silent'),
      decodeErrors: 0,
    };
  }

  #head(seq: number, basePtsMs: number) {
    return {
      programmeId: this.#name,
      renditionId: 'main',
      vantage: 'origin',
      probeId: 'probe-1',
      probeEpochMs: START_MS - 5_000,
      seq,
      event: 'features',
      basePtsMs,
      durationMs: 1_000,
      programTimeMs: START_MS - 4_000 + basePtsMs,
      programTimeSource: 'pdt',
      uncertaintyMs: 20,
      decodedAtMs: START_MS - 500 + basePtsMs,
      decoder: '5.1.9-0+deb12u1',
      depth: 'full',
      hasVideo: true,
      hasAudio: true,
      frameIntervalUs: 33_333,
      framePtsMs: PTS_MS,
    };
  }

  #pictures(kind: string, basePtsMs: number) {
    const random = this.#random;
    const columns = {
      lumaMeanCenti: [] as number[],
      lumaSpreadCenti: [] as number[],
      chromaSpreadCenti: [] as number[],
      darkPermille: [] as number[],
      diffMeanCenti: [] as number[],
      anchorMeanCenti: [] as number[],
      anchorPeakCenti: [] as number[],
      anchorAgeMs: [] as number[],
    };
    const isStillKind = kind === 'black' || kind === 'frozen';
    for (let i = 0; i < PICTURES; i++) {
      const ptsMs = basePtsMs + PTS_MS[i]!;
      const isStill = isStillKind || random.below(kind === 'hardly-moving' ? 2 : 6) === 0;
      if (!isStill) this.#stillFromMs = ptsMs;
      this.#lumaCenti = Math.max(2_000, this.#lumaCenti + random.between(-20, 21));
      columns.lumaMeanCenti.push(kind === 'black' ? 1_600 : this.#lumaCenti);
      columns.lumaSpreadCenti.push(kind === 'black' ? 10 : random.between(4_200, 4_500));
      columns.chromaSpreadCenti.push(kind === 'black' ? 5 : random.between(1_700, 1_950));
      columns.darkPermille.push(kind === 'black' ? 1_000 : random.below(60));
      columns.diffMeanCenti.push(isStillKind ? random.below(3) : random.between(120, 200));
      columns.anchorMeanCenti.push(isStill ? random.between(20, 200) : 0);
      columns.anchorPeakCenti.push(isStill ? random.between(200, 700) : 0);
      columns.anchorAgeMs.push(ptsMs - this.#stillFromMs);
    }
    return columns;
  }

  #sound(isSilent: boolean) {
    const random = this.#random;
    const audioRmsCentiDbfs: number[] = [];
    const audioPeakCentiDbfs: number[] = [];
    const audioClipPermille: number[] = [];
    const audioCorrelationPermille: number[] = [];
    const audioLoudnessCentiLufs: number[] = [];
    for (let i = 0; i < BLOCKS * CHANNELS; i++) {
      const level = isSilent ? -9_000 : random.between(-4_500, -1_800);
      audioRmsCentiDbfs.push(level);
      audioPeakCentiDbfs.push(level + random.between(600, 1_200));
      audioClipPermille.push(random.between(0, 8));
      if (i % CHANNELS > 0) continue;
      audioCorrelationPermille.push(random.between(200, 900));
      audioLoudnessCentiLufs.push(level);
    }
    return {
      audioRmsCentiDbfs,
      audioPeakCentiDbfs,
      audioClipPermille,
      audioCorrelationPermille,
      audioLoudnessCentiLufs,
    };
  }
}
