/**
 * How the decoder announces a picture among its messages before it writes it: a number on a line of its own, that also
 * tells what kind of picture it is. One short line: what `showinfo` says takes a dozen writes a picture, each of which
 * may wake whoever reads them.
 */

export type PictureMark = {
  /** It was decoded without any other picture. */
  readonly isKey: boolean;
  /** It is made of an earlier and a later one. */
  readonly isBetween: boolean;
};

const MARK_BASE = 734_000;
const KEY_STEP = 100;
/** `AV_PICTURE_TYPE_B` of libavutil/avutil.h. */
const BETWEEN = 3;

/** A filter that lets every picture pass, and prints its mark. */
export const MARK_FILTER = `select=gte(print(${MARK_BASE}+${KEY_STEP}*key+pict_type)\\,0)`;

/** Null for any other line. */
export function markOf(line: string): PictureMark | null {
  const number = MARK.exec(line)?.[1];
  return number === undefined ? null : MARKS[Number(number)]!;
}

/** `Eval` names itself in some builds. */
const MARK = new RegExp(`^(?:\\[Eval @ [^\\]]*\\] )?\\[info\\] ${MARK_BASE / 1_000}([01]\\d\\d)\\.0+$`);
const MARKS: readonly PictureMark[] = Array.from({ length: 2 * KEY_STEP }, (_, number) => ({
  isKey: number >= KEY_STEP,
  isBetween: number % KEY_STEP === BETWEEN,
}));
