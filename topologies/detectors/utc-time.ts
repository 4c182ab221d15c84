/** Times of day as people write them, without a clock or a time zone of the machine. */

const UTC = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d))?Z$/;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/**
 * Unix time in ms of `2026-11-22T01:00:00Z`, seconds optional; null when it is none.
 *
 * @example
 * utcMsOf('1970-01-02T00:00Z'); // 86_400_000
 */
export function utcMsOf(text: unknown): number | null {
  const parts = typeof text === 'string' ? UTC.exec(text) : null;
  if (parts === null) return null;
  const [year, month, day, hour, minute, second] = parts.slice(1).map((part) => Number(part ?? 0));
  if (year! < 1970 || month! < 1 || month! > 12 || hour! > 23 || minute! > 59 || second! > 59) return null;
  if (day! < 1 || day! > daysOf(year!, month!)) return null;
  let days = day! - 1;
  for (let one = 1; one < month!; one++) days += daysOf(year!, one);
  days += (year! - 1970) * 365 + leapYearsBefore(year!) - leapYearsBefore(1970);
  return (((days * 24 + hour!) * 60 + minute!) * 60 + second!) * 1_000;
}

function daysOf(year: number, month: number): number {
  return MONTH_DAYS[month - 1]! + (month === 2 && leapYearsBefore(year + 1) > leapYearsBefore(year) ? 1 : 0);
}

function leapYearsBefore(year: number): number {
  const years = year - 1;
  return Math.floor(years / 4) - Math.floor(years / 100) + Math.floor(years / 400);
}
