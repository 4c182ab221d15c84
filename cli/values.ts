/** What people type on the command line, parsed strictly: a value is understood wholly or refused with what to write instead. */
import { InvalidArgumentError } from 'commander';

const MS_PER_UNIT = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * A duration in milliseconds: one or more whole or decimal numbers, each with its unit, from the greatest unit to the
 * smallest. Throws when it is anything else, zero included, or has a fraction of a millisecond.
 *
 * @example
 * parseDurationMs('1m30s') // 90000
 */
export function parseDurationMs(text: string): number {
  const refuse = (why: string) =>
    new InvalidArgumentError(`It ${why}: write for example 500ms, 60s, 2m or 1m30s.`);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/gy)];
  const understood = parts.reduce((length, part) => length + part[0].length, 0);
  if (text === '' || understood !== text.length) {
    throw refuse(/^\d+(\.\d+)?$/.test(text) ? 'has no unit' : 'is no duration');
  }
  let totalMs = 0;
  let unitMsBefore = Number.POSITIVE_INFINITY;
  for (const [, amount, unit] of parts) {
    const unitMs = MS_PER_UNIT[unit as keyof typeof MS_PER_UNIT];
    if (unitMs >= unitMsBefore) throw refuse('does not go from greater units to smaller ones');
    unitMsBefore = unitMs;
    totalMs += Number(amount) * unitMs;
  }
  const roundedMs = Math.round(totalMs);
  if (Math.abs(totalMs - roundedMs) > 1e-6) throw refuse('has a fraction of a millisecond');
  if (roundedMs <= 0) throw refuse('must be longer than nothing');
  if (!Number.isSafeInteger(roundedMs)) throw refuse('is too long');
  return roundedMs;
}

/** Parser of a whole number in `[min, max]`, for an option that is called `what` in its error. */
export function wholeNumber(what: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It is no ${what}: write a whole number from ${min} to ${max}.`);
  };
}

/** Where a reader begins: at one end of the log, or at the first record whose log time is at least `atMs`. */
export type StartPoint =
  | { readonly kind: 'beginning' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'time'; readonly atMs: number };

/** `beginning`, `latest`, Unix time in ms (13 digits), or an ISO 8601 time that says its zone. */
export function parseStartPoint(text: string): StartPoint {
  if (text === 'beginning' || text === 'latest') return { kind: text };
  const atMs = parseTimeMs(text);
  if (atMs !== null) return { kind: 'time', atMs };
  throw new InvalidArgumentError(
    `It is no place to begin: write beginning, latest, a time such as 2026-01-31T18:30:00Z, or Unix milliseconds.`,
  );
}

/** Parser of a time, as {@link parseTimeMs} reads it: Unix time in ms. */
export function pointInTime(text: string): number {
  const atMs = parseTimeMs(text);
  if (atMs !== null) return atMs;
  throw new InvalidArgumentError(
    'It is no time: write for example 2026-01-31T18:30:00Z or 2026-01-31T18:30:00+01:00, or Unix milliseconds.',
  );
}

/** Unix time in ms (13 digits), or an ISO 8601 time that says its zone; null when it is neither. */
function parseTimeMs(text: string): number | null {
  if (/^\d{13}$/.test(text)) return Number(text);
  const hasZone = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  const atMs = hasZone ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? null : atMs;
}
