/** State codecs: explicit, versioned, byte for byte the same for the same state. */
import type { StateWriter } from './state-bytes.ts';

/** Writes a reducer's state into bytes and back. `version` goes up with every change of shape or meaning. */
export type StateCodec<S> = {
  readonly version: number;
  encode(state: S): Uint8Array;
  /** The bytes of `encode`, behind what is in the writer: spares a buffer for each state. `encode` does where it is missing. */
  readonly write?: (state: S, writer: StateWriter) => void;
  /**
   * `version` is the one that the bytes were written with. Throws when it cannot be read or migrated; the runtime turns
   * that into an error that names the store, the key and both versions.
   */
  decode(bytes: Uint8Array, version: number): S;
};

/** State in a changelog cannot be read by the reducers of this build. */
export class StateError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StateError';
  }
}
