/**
 * Gathers what was measured into records: one per second of the stream's timeline, or less at the end, before an
 * event, and where sound is missing (the blocks of a record follow each other without gaps).
 */
import type { Depth } from '../../schemas/depths.ts';
import { NO_TRANSPORT } from '../../schemas/no-transport.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { type ArrivalTime, NO_PROGRAM_TIME } from './arrival-time.ts';
import { AUDIO_BLOCK_MS, type AudioBlock } from './audio-analysis.ts';
import {
  blockColumns,
  lookColumns,
  noteColumns,
  packetColumns,
  pictureColumns,
  type TimedBlock,
  type TimedPicture,
  tsErrorColumns,
} from './chunk-columns.ts';
import type { PictureFeatures } from './frame-analysis.ts';
import { type TransportFacts, transportColumns } from './manifest-facts.ts';
import type { PacketBlock, PacketPicture } from './packet-order.ts';
import type { PictureLook } from './picture-look.ts';
import { bothNotes, NO_NOTES, type PictureNotes } from './picture-notes.ts';
import type { TsErrorAt } from './ts-check.ts';

export const CHUNK_MS = 1000;
/**
 * A record waits for the slower track no longer than this, in presentation time; a track further behind is taken for
 * absent. The decoder of a live input interleaves within the same limit, so for given bytes the outcome is always the
 * same.
 */
export function trackSkewMsMax(depth: Depth): number {
  // Some decoders give out a picture that stands alone only when the next one has come.
  return depth === 'keyframes' ? 12_000 : 2_000;
}
/**
 * The same where nothing is late and nobody waits for it. Tracks can lie far apart in a file: where the beginning of one
 * was cut off, its first packet comes when as much of the other was written. What waits is features, not pictures.
 */
const UNPACED_SKEW_MS_MAX = 60_000;

/** Errors that wait for their record: no more than these, the last ones. */
const TS_ERRORS_MAX = 1_000;
/** In one record. */
const SKEWS_MAX = 300;

/** Tells programme time; takes when pictures came. */
type ProgramClock = Pick<ArrivalTime, 'observe' | 'at'>;

export type ChunkEvent = 'signal-lost' | 'signal-restored' | 'probe-lost' | 'end';

/** What all records of one probe have in common. */
export type ChunkIdentity = Pick<
  FrameFeatures,
  'programmeId' | 'renditionId' | 'vantage' | 'probeId' | 'probeEpochMs' | 'decoder'
>;

/** What the decoder found in the input. */
export type InputTracks = {
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
  readonly frameIntervalUs: number;
  /** Whether it delivers them, too: a record does not wait for a track that was given up. */
  readonly deliversVideo: boolean;
  readonly deliversAudio: boolean;
};

const NO_TRACKS: InputTracks = {
  hasVideo: false,
  hasAudio: false,
  frameIntervalUs: 0,
  deliversVideo: false,
  deliversAudio: false,
};

/** A step of the source's clock, where it was taken out of the timeline. */
export type ClockStep = { readonly atMs: number; readonly sizeMs: number };

/** Feed it in presentation order within each track; every call gives out the records that it completed. */
export class Chunker {
  readonly #identity: ChunkIdentity;
  readonly #arrival: ProgramClock | null;
  readonly #isUnpaced: boolean;
  #tracks: InputTracks = NO_TRACKS;
  #seq = 0;
  #baseMs = 0;
  #videoEndMs = 0;
  #audioEndMs = 0;
  #lastDecodedAtMs: number;
  #decodeErrors = 0;
  #steps: ClockStep[] = [];
  #tsErrors: readonly TsErrorAt[] = [];
  #isTsChecked = false;
  #pictures: TimedPicture[] = [];
  #lastPictureMs = Number.NEGATIVE_INFINITY;
  /** Of pictures that were left out. */
  #notesLeft: PictureNotes = NO_NOTES;
  #blocks: TimedBlock[] = [];
  #depth: Depth = 'full';
  #skewsMs: number[] = [];
  /** Units of captions that no record has yet, ms; null where nobody looks. */
  #captionsMs: number[] | null = null;

  /**
   * `arrival`: for inputs at live pace, or whose source tells the time of day; null where nothing does. `isUnpaced`: for
   * files that are read as fast as they can be.
   */
  constructor(identity: ChunkIdentity, arrival: ProgramClock | null = null, isUnpaced = false) {
    this.#identity = identity;
    this.#arrival = arrival;
    this.#isUnpaced = isUnpaced;
    this.#lastDecodedAtMs = identity.probeEpochMs;
  }

  /** End of what was measured so far, in ms of the stream's timeline. */
  get endMs(): number {
    return Math.max(this.#videoEndMs, this.#audioEndMs);
  }

  /** What the input holds from here on. */
  setTracks(tracks: InputTracks): void {
    this.#tracks = tracks;
  }

  /** `isDamaged`: the decoder told of errors or concealment just before it gave the picture out; `notes` say what else. */
  addPicture(
    ptsMs: number,
    features: PictureFeatures,
    decodedAtMs: number,
    isDamaged = false,
    notes: PictureNotes = NO_NOTES,
  ): FrameFeatures[] {
    this.#addPicture({ ptsMs, features, decodedAtMs, isDamaged, notes, look: null, bytes: null });
    return this.#takeSeconds();
  }

  /** Pictures and audio blocks of which there are only packets. */
  addPackets(
    pictures: readonly PacketPicture[],
    blocks: readonly PacketBlock[],
    decodedAtMs: number,
  ): FrameFeatures[] {
    const unseen = { features: null, decodedAtMs, isDamaged: false, notes: NO_NOTES, look: null };
    for (const picture of pictures) this.#addPicture({ ...unseen, ...picture });
    for (const block of blocks) this.#addBlock({ ...block, measured: null, decodedAtMs });
    return this.#takeSeconds();
  }

  /** Audio less video where packets of both lie side by side, ms. */
  addSkew(skewMs: number): void {
    if (this.#skewsMs.length < SKEWS_MAX) this.#skewsMs.push(skewMs);
  }

  /** Whether captions are looked for from here on. */
  watchCaptions(isWatched: boolean): void {
    this.#captionsMs = isWatched ? (this.#captionsMs ?? []) : null;
  }

  addCaptions(ptsMs: number): void {
    this.#captionsMs?.push(ptsMs);
  }

  /** From here on the stream is looked at in another depth; closes the record under way. */
  changeDepth(depth: Depth): FrameFeatures[] {
    const records = depth === this.#depth ? [] : this.flush(this.endMs);
    this.#depth = depth;
    if (depth !== 'full') this.#captionsMs = null;
    return records;
  }

  /** A closer look at the picture that was fed last. */
  addLook(ptsMs: number, look: PictureLook): void {
    const picture = this.#pictures.at(-1);
    if (picture?.ptsMs === ptsMs) picture.look = look;
  }

  addAudioBlocks(blocks: readonly AudioBlock[], decodedAtMs: number): FrameFeatures[] {
    for (const block of blocks) {
      this.#addBlock({ index: block.index, measured: block, decodedAtMs, bytes: null });
    }
    return this.#takeSeconds();
  }

  addDecodeErrors(count: number): void {
    this.#decodeErrors += count;
  }

  /** Steps go into the record that covers them; one that is found later, into the one under way. */
  addSteps(steps: readonly ClockStep[]): void {
    this.#steps.push(...steps);
  }

  /** Errors of the transport stream that were seen in it, placed on the timeline; none says that it is checked. */
  addTsErrors(errors: readonly TsErrorAt[]): void {
    this.#isTsChecked = true;
    if (errors.length > 0) this.#tsErrors = [...this.#tsErrors, ...errors].slice(-TS_ERRORS_MAX);
  }

  /** A record of what was seen of the manifest; what was measured waits for its own. */
  addTransport(facts: TransportFacts): FrameFeatures {
    const held = [this.#decodeErrors, this.#steps, this.#tsErrors] as const;
    [this.#decodeErrors, this.#steps, this.#tsErrors] = [0, [], []];
    const record = this.#record(facts.edgePtsMs ?? this.endMs, 0, [], []);
    [this.#decodeErrors, this.#steps, this.#tsErrors] = [held[0], held[1], held[2]];
    return { ...record, event: 'transport', ...transportColumns(facts, record.basePtsMs) };
  }

  /** A record of what every track has said already, though its second is not over; none when there is nothing. */
  takeComplete(): FrameFeatures[] {
    const records: FrameFeatures[] = [];
    const horizonMs = this.#horizonMs();
    const waits =
      (this.#pictures[0]?.ptsMs ?? horizonMs) < horizonMs ||
      (this.#blocks[0]?.index ?? horizonMs) * AUDIO_BLOCK_MS < horizonMs;
    if (waits && horizonMs > this.#baseMs) this.#takeUpTo(horizonMs, records);
    return records;
  }

  /**
   * Closes the record under way, if there is one, and adds one that says what happened. `endMs` is where the
   * measured part ends on the timeline, if that is later than what was fed (the last picture lasts a while).
   */
  addEvent(event: ChunkEvent, eventReason: string, endMs: number, decodedAtMs: number): FrameFeatures[] {
    const records = this.flush(endMs);
    records.push({ ...this.#record(this.#baseMs, 0, [], []), event, eventReason, decodedAtMs });
    return records;
  }

  /** Closes the record under way up to `endMs`, or the end of what was fed. */
  flush(endMs: number): FrameFeatures[] {
    const untilMs = Math.max(Math.round(endMs), this.endMs, this.#baseMs);
    const records: FrameFeatures[] = [];
    while (this.#baseMs < untilMs && this.#hasData()) {
      this.#skipEmptySeconds();
      this.#takeUpTo(Math.min(nextBoundaryMs(this.#baseMs), untilMs), records);
    }
    // A picture at the very end of the span has nothing after it to close it.
    if (this.#hasData()) this.#takeUpTo(this.#baseMs + 1, records);
    this.#baseMs = Math.max(this.#baseMs, untilMs);
    return records;
  }

  #addPicture(picture: TimedPicture): void {
    const { ptsMs, decodedAtMs } = picture;
    const notes = bothNotes(this.#notesLeft, picture.notes);
    // Damaged streams give out several pictures for one time, or an earlier one: nobody is shown those.
    if (!Number.isSafeInteger(ptsMs) || ptsMs <= this.#lastPictureMs) {
      this.#decodeErrors += 1;
      this.#notesLeft = notes;
      return;
    }
    this.#lastPictureMs = ptsMs;
    this.#notesLeft = NO_NOTES;
    this.#pictures.push({ ...picture, notes });
    this.#arrival?.observe(ptsMs, decodedAtMs);
    // Its time is known, how long it lasts is not: it has passed its own beginning only.
    this.#videoEndMs = Math.max(this.#videoEndMs, ptsMs);
  }

  #addBlock(block: TimedBlock): void {
    const endMs = (block.index + 1) * AUDIO_BLOCK_MS;
    this.#blocks.push(block);
    // A block is decoded when its end is; where there are pictures, they tell.
    if (!this.#tracks.deliversVideo) this.#arrival?.observe(endMs, block.decodedAtMs);
    this.#audioEndMs = Math.max(this.#audioEndMs, endMs);
  }

  #takeSkews(): readonly number[] {
    const skewsMs = this.#skewsMs;
    this.#skewsMs = [];
    return skewsMs;
  }

  #hasData(): boolean {
    return this.#pictures.length > 0 || this.#blocks.length > 0;
  }

  #takeSeconds(): FrameFeatures[] {
    const records: FrameFeatures[] = [];
    const horizonMs = this.#horizonMs();
    while (nextBoundaryMs(this.#baseMs) <= horizonMs && this.#hasData()) {
      this.#skipEmptySeconds();
      if (nextBoundaryMs(this.#baseMs) > horizonMs) break;
      this.#takeUpTo(nextBoundaryMs(this.#baseMs), records);
    }
    return records;
  }

  /** A timestamp that leaps far ahead costs one step, however many seconds lie between. */
  #skipEmptySeconds(): void {
    const nextMs = Math.min(
      this.#pictures[0]?.ptsMs ?? Number.POSITIVE_INFINITY,
      (this.#blocks[0]?.index ?? Number.POSITIVE_INFINITY) * AUDIO_BLOCK_MS,
    );
    if (nextMs >= nextBoundaryMs(this.#baseMs)) this.#baseMs = Math.floor(nextMs / CHUNK_MS) * CHUNK_MS;
  }

  /** Up to where every track has said everything. */
  #horizonMs(): number {
    const { deliversVideo, deliversAudio } = this.#tracks;
    if (!(deliversVideo && deliversAudio)) return this.endMs;
    const skewMsMax = this.#isUnpaced ? UNPACED_SKEW_MS_MAX : trackSkewMsMax(this.#depth);
    return Math.max(Math.min(this.#videoEndMs, this.#audioEndMs), this.endMs - skewMsMax);
  }

  #takeTsErrors(toMs: number): readonly TsErrorAt[] {
    const taken = this.#tsErrors.filter(({ atMs }) => atMs < toMs);
    if (taken.length > 0) this.#tsErrors = this.#tsErrors.filter(({ atMs }) => atMs >= toMs);
    return taken;
  }

  /** Writes what lies before `untilMs` and moves on; a second without anything leaves no record. */
  #takeUpTo(untilMs: number, records: FrameFeatures[]): void {
    const pictureCount = countBefore(this.#pictures, (picture) => picture.ptsMs < untilMs);
    const blockCount = countBefore(this.#blocks, (block) => block.index * AUDIO_BLOCK_MS < untilMs);
    const pictures = this.#pictures.splice(0, pictureCount);
    const runs = contiguousRuns(this.#blocks.splice(0, blockCount));
    let fromMs = this.#baseMs;
    for (const [i, run] of runs.entries()) {
      const following = runs[i + 1]?.[0];
      const toMs = following === undefined ? untilMs : following.index * AUDIO_BLOCK_MS;
      const inside = pictures.splice(
        0,
        countBefore(pictures, (picture) => picture.ptsMs < toMs),
      );
      records.push(this.#record(fromMs, toMs - fromMs, inside, run));
      fromMs = toMs;
    }
    if (pictures.length > 0) records.push(this.#record(fromMs, untilMs - fromMs, pictures, []));
    this.#baseMs = untilMs;
  }

  #record(
    basePtsMs: number,
    durationMs: number,
    pictures: readonly TimedPicture[],
    blocks: readonly TimedBlock[],
  ): FrameFeatures {
    for (const item of [pictures.at(-1), blocks.at(-1)]) {
      if (item !== undefined) this.#lastDecodedAtMs = Math.max(this.#lastDecodedAtMs, item.decodedAtMs);
    }
    const decodeErrors = this.#decodeErrors;
    this.#decodeErrors = 0;
    const toMs = basePtsMs + Math.max(1, durationMs);
    const steps = this.#steps.filter(({ atMs }) => atMs < toMs);
    this.#steps = this.#steps.filter(({ atMs }) => atMs >= toMs);
    return {
      ...this.#identity,
      seq: this.#seq++,
      event: 'features',
      eventReason: '',
      basePtsMs,
      durationMs,
      ...(this.#arrival?.at(basePtsMs) ?? NO_PROGRAM_TIME),
      decodedAtMs: this.#lastDecodedAtMs,
      depth: this.#depth,
      hasVideo: this.#tracks.hasVideo,
      hasAudio: this.#tracks.hasAudio,
      frameIntervalUs: this.#tracks.frameIntervalUs,
      framePtsMs: pictures.map((picture) => picture.ptsMs - basePtsMs),
      ...pictureColumns(pictures),
      ...blockColumns(blocks, basePtsMs),
      decodeErrors,
      decodeErrorPtsMs: pictures.filter(({ isDamaged }) => isDamaged).map(({ ptsMs }) => ptsMs - basePtsMs),
      ...noteColumns(pictures, basePtsMs),
      ...lookColumns(pictures, basePtsMs),
      stepPtsMs: steps.map(({ atMs }) => atMs - basePtsMs),
      stepSizeMs: steps.map(({ sizeMs }) => sizeMs),
      columnsAreDifferences: true,
      ...packetColumns(pictures, blocks, this.#takeSkews()),
      captionUnits: this.#takeCaptions(toMs),
      ...NO_TRANSPORT,
      ...tsErrorColumns(this.#takeTsErrors(toMs), basePtsMs),
      tsChecked: this.#isTsChecked,
    };
  }

  #takeCaptions(beforeMs: number): number | null {
    const all = this.#captionsMs;
    if (all === null) return null;
    this.#captionsMs = all.filter((ms) => ms >= beforeMs);
    return all.length - this.#captionsMs.length;
  }
}

function nextBoundaryMs(baseMs: number): number {
  return (Math.floor(baseMs / CHUNK_MS) + 1) * CHUNK_MS;
}

function countBefore<T>(items: readonly T[], isBefore: (item: T) => boolean): number {
  const index = items.findIndex((item) => !isBefore(item));
  return index === -1 ? items.length : index;
}

/** Splits where a block does not follow the one before, or has other channels. */
function contiguousRuns(blocks: readonly TimedBlock[]): TimedBlock[][] {
  const runs: TimedBlock[][] = [];
  for (const block of blocks) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    const follows =
      last !== undefined &&
      block.index === last.index + 1 &&
      block.measured?.rmsCentiDbfs.length === last.measured?.rmsCentiDbfs.length;
    if (run !== undefined && follows) run.push(block);
    else runs.push([block]);
  }
  return runs;
}
