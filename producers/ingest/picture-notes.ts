/**
 * What the decoder's messages say about single pictures: which ones it could decode alone, and which are damaged.
 *
 * A decoder tells of an error when it decodes a picture, and that is a few pictures before it gives that one out, where
 * there are pictures of kind B. How much before is not told. So an error shortly before a key picture may lie in it, or
 * in what follows it; the kind of the picture, which decoders that conceal tell, and the delay decide.
 */

import type { PictureMark } from './picture-marks.ts';

/** How a picture is damaged. */
export const DAMAGE = {
  /** It alone, and perhaps its neighbours: other pictures are not made of it. */
  passing: 1,
  /** It, or one of the next few; and all that follow, up to the next key picture that is not marked so itself. */
  lasting: 2,
  /** The latter, unless a picture is missing here: then that one was lost, and no other is made of it. */
  unlessMissing: 3,
} as const;

/** What is known of a picture when it is given out. */
export type PictureNotes = {
  /** It was decoded without any other picture. */
  readonly isKey: boolean;
  /** One of {@link DAMAGE}; 0 for none that the decoder knows of. */
  readonly damage: number;
};

export const NO_NOTES: PictureNotes = { isKey: false, damage: 0 };

/** Of two pictures of which one is not shown. */
export function bothNotes(one: PictureNotes, other: PictureNotes): PictureNotes {
  if (one === NO_NOTES) return other;
  return { isKey: one.isKey || other.isKey, damage: Math.max(one.damage, other.damage) };
}

/** Which pictures are missing is seen by their times: settles {@link DAMAGE.unlessMissing}. */
export class PictureTimes {
  #lastMs: number | null = null;
  readonly #intervalsMs: number[] = [];

  /** The next picture that is given out. Its `damage` is 0, passing or lasting from here on. */
  settle(ptsMs: number, notes: PictureNotes): PictureNotes {
    const intervalMs = ptsMs - (this.#lastMs ?? ptsMs);
    this.#lastMs = ptsMs;
    if (intervalMs > 0) this.#intervalsMs.push(intervalMs);
    if (this.#intervalsMs.length > TORN_PICTURES_KEPT) this.#intervalsMs.shift();
    if (notes.damage !== DAMAGE.unlessMissing) return notes;
    const isMissing = 2 * Math.max(...this.#intervalsMs) >= 3 * Math.min(...this.#intervalsMs);
    return { isKey: notes.isKey, damage: isMissing ? 0 : DAMAGE.lasting };
  }
}

/** Decoders of pictures, by the names that they have in messages. */
export const PICTURE_DECODER =
  /^\[(h26[1345]|hevc|vvc|mpeg[124]|mpeg[12]?video|msmpeg4|vp[3-9]|vc1|wmv\d|libdav1d|libaom|av1|theora|mjpeg|prores|dvvideo|dnxhd|flv)\w* @ /;
export const CONCEALMENT = /concealing \d+ DC/;

/** Takes messages and pictures in the order in which the decoder writes them. */
export class PictureNoteTaker {
  #picture = 0;
  /** Number of the stream that has the pictures, as messages write it. */
  #stream = '';
  #conceals = false;
  #namesReferences = false;
  /** Since the picture before. */
  #isCorrupt = false;
  #errors = 0;
  /** Pictures before which an error was told last, by what it was in. */
  #inKey = NEVER;
  #inPredicted = NEVER;
  #inBetween = NEVER;
  /** The same for errors in pictures of which the kind is not told: one bit for each of the last ones, the latest first. */
  #unknownBits = 0;
  /** Pictures of kind B in a row, up to the latest. */
  #betweenRow = 0;
  #between = NEVER;
  /** The longest such row, but for what came since a loss; and since that. */
  #longestRow = 0;
  #longestSinceLoss = 0;
  /** Before this picture a packet with a gap was told, and what came of it is open. */
  #lost = NOTHING_LOST;
  /** Up to this picture a row of kind B that is longer than any before says that the P in it was lost. */
  #rowTellsTo = NEVER;
  /** Since then a picture beside the one that was decoded lacked what it was made of. */
  #lacksBeside = false;

  /** The description of the input's stream with the pictures. */
  stream(line: string): void {
    this.#stream = /#0:(\d+)/.exec(line)?.[1] ?? '';
    this.#conceals = CONCEALED_CODEC.test(line);
    this.#namesReferences = REFERENCE_CODEC.test(line);
  }

  /** A message that is no picture's announcement. Whether it says that pictures are damaged, or were lost. */
  message(line: string): boolean {
    if (CORRUPT_PICTURE.exec(line)?.[1] === this.#stream) {
      this.#isCorrupt = true;
      return true;
    }
    if (LOST_PACKET.exec(line)?.[1] === this.#stream) {
      this.#errors |= ERROR.lost;
      return true;
    }
    if (PICTURE_DECODER.test(line)) this.#errors |= errorIn(line);
    return false;
  }

  /** The next picture is given out. */
  picture({ isKey, isBetween }: PictureMark): PictureNotes {
    const at = this.#picture++;
    const errors = this.#errors & ~ASIDE;
    const hasLost = (this.#errors & ERROR.lost) !== 0;
    if ((this.#errors & ERROR.beside) !== 0) this.#lacksBeside = true;
    const isCorrupt = this.#isCorrupt;
    this.#errors = 0;
    this.#isCorrupt = false;
    if (isBetween) this.#between = at;
    const betweenRow = isBetween ? this.#betweenRow + 1 : 0;
    const silent = this.#silentLoss(at, isKey, hasLost, errors);
    const isRowTorn = this.#isRowTorn(at, betweenRow);
    // Before the first picture, a decoder that joins a stream complains of what it has missed.
    if (at === 0) return { isKey, damage: 0 };
    const explained = this.#unknownBits !== 0 || this.#lastError() >= at - EXPLAINED_PICTURES;
    if ((errors & ERROR.inKey) !== 0) this.#inKey = at;
    if ((errors & ERROR.inPredicted) !== 0) this.#inPredicted = at;
    if ((errors & ERROR.inBetween) !== 0) this.#inBetween = at;
    const isUnknown = errors === ERROR.unknown || (hasLost && !this.#conceals);
    this.#unknownBits = (this.#unknownBits << 1) | (isUnknown ? 1 : 0);
    const lasts =
      silent === DAMAGE.lasting ||
      isRowTorn ||
      ((errors & ~ERROR.inBetween) !== 0 && (errors & TYPED) !== ERROR.inBetween);
    const concernsKey = isKey && this.#concernsKey(at, isCorrupt);
    this.#betweenRow = betweenRow;
    if (lasts || (isCorrupt && errors === 0 && !explained) || concernsKey)
      return { isKey, damage: DAMAGE.lasting };
    return { isKey, damage: Math.max(silent, isCorrupt ? DAMAGE.passing : 0) };
  }

  /** Whether a key picture, or what was decoded after it and is still to come, is damaged already. */
  #concernsKey(at: number, isCorrupt: boolean): boolean {
    const reordered = this.#isReordered(at);
    const inKey = this.#inKey >= at - EXPLAINED_PICTURES;
    this.#inKey = NEVER;
    if (isCorrupt || inKey) return true;
    if (this.#inPredicted > at - (reordered ? CONCEALING_DELAY : 0)) return true;
    if (!reordered) return (this.#unknownBits & 1) !== 0;
    // Pictures of kind B right before it were decoded after it.
    const ownBit = 1 << Math.min(30, this.#betweenRow + SILENT_DELAY);
    return (this.#unknownBits & (AFTER_KEY_BITS | ownBit)) !== 0;
  }

  /**
   * What a packet with a gap has done, when the decoder says nothing of it for some pictures. When a key picture comes
   * right after it, nothing was lost, as where two streams are joined.
   */
  #silentLoss(at: number, isKey: boolean, hasLost: boolean, errors: number): number {
    const reordered = this.#isReordered(at);
    const awayPictures = at - this.#lost;
    const isTold = (errors & (this.#conceals ? TYPED : TYPED | ERROR.unknown)) !== 0;
    const isPast = isKey && awayPictures >= LOST_BEFORE_KEY;
    const isOver = awayPictures >= (reordered ? SILENT_REORDERED_PICTURES : SILENT_PICTURES);
    const isRowLonger = this.#longestSinceLoss > this.#longestRow;
    if (isTold || isPast || isOver) this.#lost = NOTHING_LOST;
    const lacksBeside = this.#lacksBeside;
    if (this.#lost === NOTHING_LOST) this.#lacksBeside = false;
    if (hasLost && this.#lost === NOTHING_LOST) {
      this.#lost = at;
      this.#longestSinceLoss = 0;
    }
    if (isTold || isPast || !isOver) return 0;
    // Without pictures of kind B, others are made of each.
    if (!reordered) return DAMAGE.lasting;
    if (!this.#conceals) return DAMAGE.lasting;
    // Without the P between them, two rows of kind B are one. MPEG-2 does not count its pictures, and H.264 is silent, too,
    // when others are made of what was lost and none of them asks for it by its number.
    if (lacksBeside || isRowLonger) return DAMAGE.lasting;
    if (!this.#namesReferences) return 0;
    this.#rowTellsTo = at + ROW_TELLS_PICTURES;
    return DAMAGE.unlessMissing;
  }

  /** Follows the rows of kind B. Whether one is torn that seemed to lack one of that kind alone. */
  #isRowTorn(at: number, row: number): boolean {
    if (this.#lost !== NOTHING_LOST || at <= this.#rowTellsTo) {
      this.#longestSinceLoss = Math.max(this.#longestSinceLoss, row);
      if (at > this.#rowTellsTo || this.#longestSinceLoss <= this.#longestRow) return false;
      this.#rowTellsTo = NEVER;
      return true;
    }
    // A row that began before is not learned from.
    if (row === 0) this.#longestSinceLoss = 0;
    if (this.#longestSinceLoss === 0) this.#longestRow = Math.max(this.#longestRow, row);
    return false;
  }

  #isReordered(at: number): boolean {
    return this.#between >= at - REORDER_SEEN_PICTURES;
  }

  #lastError(): number {
    return Math.max(this.#inKey, this.#inPredicted, this.#inBetween);
  }
}

const NEVER = Number.NEGATIVE_INFINITY;
const NOTHING_LOST = Number.POSITIVE_INFINITY;
/** What an error was in; bits. */
const ERROR = { inKey: 1, inPredicted: 2, inBetween: 4, unknown: 8, lost: 16, beside: 32 } as const;
const ASIDE = ERROR.lost | ERROR.beside;
const TYPED = ERROR.inKey | ERROR.inPredicted | ERROR.inBetween;
/** From an error to the picture that it was in, at most. */
const EXPLAINED_PICTURES = 6;
/** Pictures are reordered when one of kind B was given out within so many. */
const REORDER_SEEN_PICTURES = 16;
/** Pictures by which H.264 and MPEG decoders are ahead of what they give out, where pictures are reordered. */
const CONCEALING_DELAY = 2;
/** The same for decoders that do not tell the kind of the picture, HEVC above all. */
const SILENT_DELAY = 3;
/** Errors told so late before a key picture are in what was decoded after it and the pictures of kind B before it. */
const AFTER_KEY_BITS = 0b111;

/**
 * From the message of a packet with a gap to the picture from which on silence means that pictures were lost. A key
 * picture that is decoded right after the packet is given out up to so many later: the parser holds one or two packets
 * back, the decoder as many pictures as it reorders.
 */
const SILENT_PICTURES = 4;
const SILENT_REORDERED_PICTURES = 5;
/** H.264 gives the second half of such a row out up to so many pictures later. */
const ROW_TELLS_PICTURES = 4;
/** In so many pictures a missing one is seen when it was lost: those since the message, and a few before. */
const TORN_PICTURES_KEPT = 8;
/** What was told of so long before a key picture lies before it. */
const LOST_BEFORE_KEY = 2;

/** What ffmpeg says before a picture that its decoder gives out as corrupt, and before it decodes a packet with a gap. */
const CORRUPT_PICTURE = / corrupt decoded frame in stream (\d+)$/;
const LOST_PACKET = / corrupt input packet in stream (\d+)$/;
/** A picture that others are made of is not there. */
const MISSING_PICTURE =
  /Frame num gap|issing reference picture|reference picture missing|Could not find ref with POC/;
/** H.264, of the picture that vectors are taken from: what it was made of is not there. Without a loss it need not show. */
const LACKING_BESIDE = /co located POCs unavailable/;
/** Decoders that conceal what they could not decode, and say so: what else they complain of need not show. */
const CONCEALING_DECODER = /^\[(h26[134]|mpeg[124]|mpeg[12]?video|msmpeg4|wmv\d|vc1|flv)\w* @ /;

/** Names a reference that is not there, and conceals what is torn. Decoders of HEVC often show what is torn, and are silent. */
const REFERENCE_CODEC = / Video: h264/;
const CONCEALED_CODEC = / Video: (h26[134]|mpeg[124]|mpeg[12]?video|msmpeg4|wmv\d|vc1|flv)/;

function errorIn(line: string): number {
  if (CONCEALMENT.test(line)) {
    if (line.includes(' in I ')) return ERROR.inKey;
    return line.includes(' in B ') ? ERROR.inBetween : ERROR.inPredicted;
  }
  if (!/\[(error|fatal|panic)\]/.test(line)) return 0;
  if (MISSING_PICTURE.test(line)) return ERROR.inPredicted;
  if (LACKING_BESIDE.test(line)) return ERROR.beside;
  return CONCEALING_DECODER.test(line) ? 0 : ERROR.unknown;
}
