/** State codecs: explicit, versioned, byte for byte the same for the same state. */

/** Writes a reducer's state into bytes and back. `version` goes up with every change of shape or meaning. */
export type StateCodec<S> = {
  readonly version: number;
  encode(state: S): Uint8Array;
  /**
   * `version` is the one that the bytes were written with. Throws when it cannot be read or migrated; the runtime turns
   * that into an error that names the store, the key and both versions.
   */
  decode(bytes: Uint8Array, version: number): S;
};
