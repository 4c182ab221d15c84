/** Everything that can keep EveryView from starting on this machine. */
export type SetupErrorCode =
  | 'data-folder'
  | 'disk-full'
  | 'already-running'
  | 'java-missing'
  | 'maven-missing'
  | 'download-failed'
  | 'install-failed'
  | 'ffmpeg-missing'
  | 'ffmpeg-broken'
  | 'chromium-missing'
  | 'kafka-failed'
  | 'registry-failed'
  | 'kafka-unreachable'
  | 'postgres-missing'
  | 'postgres-failed'
  | 'postgres-unreachable'
  | 'registry-unreachable'
  | 'bad-address'
  | 'interrupted';

/**
 * A part of the set-up is missing or broken. `message` is one line that says what is wrong, `fix` one that says what
 * to do; `detail` (the last lines of a log, say) may follow. Print with {@link formatSetupError}, exit with `exitCode`.
 */
export class SetupError extends Error {
  readonly code: SetupErrorCode;
  readonly fix: string;
  readonly detail: readonly string[];

  constructor(code: SetupErrorCode, message: string, fix: string, options: SetupErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SetupError';
    this.code = code;
    this.fix = fix;
    this.detail = options.detail ?? [];
  }

  get exitCode(): number {
    return this.code === 'interrupted' ? 130 : 1;
  }
}

export type SetupErrorOptions = { readonly detail?: readonly string[]; readonly cause?: unknown };

/** `message: fix`, and the detail indented below it. */
export function formatSetupError(error: SetupError): string {
  return [`${error.message}: ${error.fix}`, ...error.detail.map((line) => `    ${line}`)].join('\n');
}

export function interrupted(): SetupError {
  return new SetupError('interrupted', 'set-up was interrupted', 'run the same command again to go on');
}

/** The error codes by which the system refuses a write; null for any other error. */
export function refusedWrite(error: unknown): string | null {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code !== undefined && WRITE_REFUSALS.has(code) ? code : null;
}

const WRITE_REFUSALS = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'ENOENT',
  'EEXIST',
  'ENOSPC',
  'EDQUOT',
]);
