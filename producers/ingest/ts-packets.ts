/** Packets of a transport stream out of bytes that come in pieces of any length. */

export type PacketListener = {
  /** A sync byte that was due here is right, or not; false while synchronisation is lost. */
  sync(isRight: boolean): boolean;
  /** One packet that begins at `at`; the bytes must not be kept. */
  packet(bytes: Uint8Array, at: number): void;
};

export class TsPackets {
  readonly #listener: PacketListener;
  #rest = new Uint8Array(0);

  constructor(listener: PacketListener) {
    this.#listener = listener;
  }

  push(bytes: Uint8Array): void {
    let all = bytes;
    if (this.#rest.length > 0) {
      all = new Uint8Array(this.#rest.length + bytes.length);
      all.set(this.#rest);
      all.set(bytes, this.#rest.length);
    }
    let at = 0;
    while (at + PACKET_BYTES <= all.length) {
      const isRight = all[at] === SYNC;
      const isInSync = this.#listener.sync(isRight);
      if (isRight && isInSync) this.#listener.packet(all, at);
      at += isRight || isInSync ? PACKET_BYTES : nextSync(all, at) - at;
    }
    this.#rest = all.slice(Math.min(at, all.length));
  }

  /** Bytes that are no whole packet are given up. */
  reset(): void {
    this.#rest = new Uint8Array(0);
  }
}

const PACKET_BYTES = 188;
const SYNC = 0x47;

/** Where two sync bytes lie a packet apart, or the last place that may yet turn out to be one. */
function nextSync(bytes: Uint8Array, from: number): number {
  for (let at = from + 1; at < bytes.length; at++) {
    const next = at + PACKET_BYTES;
    if (bytes[at] === SYNC && (next >= bytes.length || bytes[next] === SYNC)) return at;
  }
  return bytes.length;
}
