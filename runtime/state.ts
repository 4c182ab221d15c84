/** State codecs: explicit, versioned, byte for byte the same for the same state. */
import { crc32c } from './crc32c.ts';
import type { StateWriter } from './state-bytes.ts';

/** Writes a reducer's state into bytes and back. `version` goes up with every change of shape or meaning. */
export type StateCodec<S> = {
  readonly version: number;
  /**
   * Fingerprint of how states are laid out, which is kept beside them: what was written under the same version in another
   * layout is refused instead of misread. 0, or none, where the codec cannot say.
   */
  readonly shape?: number;
  encode(state: S): Uint8Array;
  /** The bytes of `encode`, behind what is in the writer: spares a buffer for each state. `encode` does where it is missing. */
  readonly write?: (state: S, writer: StateWriter) => void;
  /**
   * `version` is the one that the bytes were written with. Throws when it cannot be read or migrated; the runtime turns
   * that into an error that names the store, the key and both versions.
   */
  decode(bytes: Uint8Array, version: number): S;
};

/** Fingerprint of a layout that is described in words; of several layouts one after the other, give all their shapes. */
export function shapeOf(...parts: readonly (string | number | undefined)[]): number {
  const bytes = Buffer.from(JSON.stringify(parts.map((part) => part ?? 0)));
  // three bytes in the log, and never 0
  return crc32c(bytes, 0, bytes.length) & 0x1f_ffff || 1;
}

/** State in a changelog cannot be read by the reducers of this build. */
export class StateError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StateError';
  }
}
