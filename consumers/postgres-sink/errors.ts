/** What keeps the sink from going on. `fix` says what a person can do about it. */
export class SinkError extends Error {
  readonly fix: string;

  constructor(message: string, fix: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SinkError';
    this.fix = fix;
  }
}

/**
 * What a failure of PostgreSQL means, by the class of its SQLSTATE (PostgreSQL, appendix A): `gone` may pass by itself,
 * `data` is one row's fault, `fatal` needs a person.
 */
export function failureKind(error: unknown): 'gone' | 'data' | 'no-partition' | 'fatal' {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code !== 'string')
    return /connection|timeout|not queryable|ECONN/i.test(String(message)) ? 'gone' : 'fatal';
  // Errors of the socket have names, not SQLSTATEs.
  if (/^E[A-Z]{3,}/.test(code)) return 'gone';
  if (code === '23514' && String(message).includes('no partition')) return 'no-partition';
  if (GONE.test(code)) return 'gone';
  return code.startsWith('22') || code.startsWith('23') || code === TOO_LONG_FOR_INDEX ? 'data' : 'fatal';
}

/** Connection lost, shutting down or starting, read-only standby, deadlock or lock timeout, disk full, too many clients. */
const GONE = /^(08|57P|25006|40|55P03|53|57014|58)/;
const TOO_LONG_FOR_INDEX = '54000';
