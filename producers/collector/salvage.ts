/**
 * One CMCD report (CTA-5004-B, a dictionary of RFC 8941 structured fields) into its keys. `@svta/cml-cmcd` decodes; it
 * throws on the first bad byte, so that what it refuses is decoded member by member: one bad value loses that value.
 */
import { decodeCmcd } from '@svta/cml-cmcd';
import { SfItem, SfToken } from '@svta/cml-structured-field-values';

/** A value without its parameters: tokens and strings alike are strings. */
export type CmcdScalar = string | number | boolean;

/** `label` is the value's first parameter that names an object type, such as `v` in `br=(2500;v 96;a)`; '' for none. */
export type CmcdEntry = { readonly value: CmcdScalar; readonly label: string };

export type CmcdReport = {
  /** Decoded keys. A list stays a list, also of one; a scalar is the value itself. */
  readonly values: ReadonlyMap<string, CmcdScalar | readonly CmcdEntry[]>;
  /** Keys whose values could not be decoded; {@link UNREADABLE} for text in which no key can be seen. */
  readonly unreadable: ReadonlySet<string>;
};

/** Stands in `droppedKeys` for text in which no key of CMCD can be seen. The text itself is told nowhere. */
export const UNREADABLE = 'unreadable';

/**
 * Never throws. A string that its player forgot to close costs that value alone: what follows is looked at again without
 * heed to quotes.
 *
 * @example
 * decodeReport('br=(2500;v 96;a),cid="live,sid="a"') // br and sid; cid is unreadable
 */
export function decodeReport(text: string): CmcdReport {
  const values = new Map<string, CmcdScalar | readonly CmcdEntry[]>();
  const unreadable = new Set<string>();
  if (decodeInto(values, text)) return { values, unreadable };
  values.clear();
  let failures = 0;
  for (const piece of piecesOf(values, text)) {
    if (decodeInto(values, unquoted(piece))) continue;
    unreadable.add(keyOf(piece));
    failures += 1;
    if (failures < FAILURES_MAX) continue;
    unreadable.add(UNREADABLE);
    break;
  }
  return { values, unreadable };
}

/** What of the text cannot be decoded member by member, cut at every comma before a key. */
function* piecesOf(values: Map<string, CmcdScalar | readonly CmcdEntry[]>, text: string): Iterable<string> {
  for (const member of membersOf(text)) {
    if (HAS_A_KEY.test(member) && decodeInto(values, member)) continue;
    yield* member.split(BEFORE_A_KEY);
  }
}

/** No player breaks so many values of one report: what comes after is noise, which must not cost time. */
const FAILURES_MAX = 16;
const HAS_A_KEY = /^\s*[a-z*]/;
/** A comma that a key follows, wherever it stands. */
const BEFORE_A_KEY = /,(?=\s*(?:[a-z*][a-z0-9_.*-]{0,63}(?:=|,|$)|,|$))/;
const KEY = /^\s*([a-z][a-z0-9]{0,4}|com\.everyview-[a-z-]{1,24})(?==|$)/;
/** Session and content ids of some players come without quotes, which only tokens may. */
const BARE_ID = /^\s*((?:sid|cid)=)([A-Za-z0-9._~-]{1,128})\s*$/;

/** Adds what the text holds; false, and nothing added, when it cannot be decoded as a whole. */
function decodeInto(values: Map<string, CmcdScalar | readonly CmcdEntry[]>, text: string): boolean {
  if (text.trim() === '') return true;
  let decoded: object;
  try {
    // Tokens as symbols would stay in the process-wide symbol registry for ever.
    decoded = decodeCmcd(text, { useSymbol: false });
  } catch {
    return false;
  }
  const entries = Object.entries(decoded as Record<string, unknown>);
  const read: [string, CmcdScalar | readonly CmcdEntry[]][] = [];
  for (const [key, value] of entries) {
    const plain = plainOf(value);
    if (plain === null) return false;
    read.push([key, plain]);
  }
  for (const [key, value] of read) values.set(key, value);
  return true;
}

function plainOf(value: unknown): CmcdScalar | readonly CmcdEntry[] | null {
  if (value instanceof SfItem) {
    const inner: unknown = value.value;
    // Parameters of a whole list mean nothing in CMCD.
    if (Array.isArray(inner)) return listOf(inner);
    const scalar = scalarOf(inner);
    if (scalar === null) return null;
    const label = labelOf(value);
    return label === '' ? scalar : [{ value: scalar, label }];
  }
  return Array.isArray(value) ? listOf(value) : scalarOf(value);
}

function listOf(items: readonly unknown[]): readonly CmcdEntry[] | null {
  const entries: CmcdEntry[] = [];
  for (const item of items) {
    const value = scalarOf(item instanceof SfItem ? item.value : item);
    if (value === null) return null;
    entries.push({ value, label: item instanceof SfItem ? labelOf(item) : '' });
  }
  return entries;
}

function scalarOf(value: unknown): CmcdScalar | null {
  if (value instanceof SfToken) return value.description;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

function labelOf(item: SfItem): string {
  for (const [name, value] of Object.entries(item.params ?? {})) if (value === true) return name;
  return '';
}

/** Splits at the commas that stand in no string. */
function membersOf(text: string): readonly string[] {
  const members: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '\\' && isQuoted) at++;
    else if (char === '"') isQuoted = !isQuoted;
    else if (char === ',' && !isQuoted) {
      members.push(text.slice(start, at));
      start = at + 1;
    }
  }
  members.push(text.slice(start));
  return members;
}

function unquoted(piece: string): string {
  return piece.replace(BARE_ID, '$1"$2"');
}

function keyOf(piece: string): string {
  return KEY.exec(piece)?.[1] ?? UNREADABLE;
}
