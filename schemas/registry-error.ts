/** What went wrong with the registry; apart from its client, which only those need who talk to one. */

/** `unreachable` may pass by itself; the others need somebody to act. */
export type RegistryErrorCode =
  | 'unreachable'
  | 'unauthorized'
  | 'not-registered'
  | 'incompatible'
  | 'refused';

/** One line that says what to do. */
export class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  readonly canRetry: boolean;

  constructor(code: RegistryErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'RegistryError';
    this.code = code;
    this.canRetry = code === 'unreachable';
  }
}
