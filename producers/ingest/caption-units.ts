/**
 * CEA-608 and CEA-708 captions in the user data of pictures, as ATSC A/53 part 4 (6.2.3) writes it in MPEG-2, and
 * SCTE 128-1 (8.1) in the SEI messages of H.264 and HEVC: `GA94`, then triplets of a head and two bytes. Encoders go on
 * sending triplets when there is nothing to say; those are padding, and no captions.
 */

/** Whether a packet of a picture's user data has captions in it that are not padding. */
export function hasCaptions(packet: Uint8Array): boolean {
  for (let at = 0; at + HEAD_BYTES <= packet.length; at++) {
    if (packet[at] !== 0x47 || packet[at + 1] !== 0x41 || packet[at + 2] !== 0x39 || packet[at + 3] !== 0x34)
      continue;
    if (packet[at + 4] === CC_DATA && hasText(packet, at + 5)) return true;
  }
  return false;
}

/** `GA94`, the type of the data, flags with the number of triplets, a byte that is reserved. */
const HEAD_BYTES = 7;
const CC_DATA = 3;
const PROCESS_FLAG = 0x40;
const COUNT_MASK = 0x1f;
const VALID_FLAG = 0x04;
const TYPE_MASK = 0x03;
/** Triplets of CEA-608, field 1 and 2, have types below this. */
const DTVCC_DATA = 2;
const DTVCC_START = 3;

/** No byte of a triplet can look like a start code: its head has the five highest bits set. */
function hasText(packet: Uint8Array, from: number): boolean {
  const flags = packet[from]!;
  if ((flags & PROCESS_FLAG) === 0) return false;
  const end = Math.min(packet.length - 2, from + 2 + 3 * (flags & COUNT_MASK));
  for (let at = from + 2; at < end; at += 3) {
    const head = packet[at]!;
    if ((head & VALID_FLAG) === 0) continue;
    const type = head & TYPE_MASK;
    const [first, second] = [packet[at + 1]!, packet[at + 2]!];
    // The highest bit is parity; of a DTVCC packet the first byte is its header.
    if (
      type < DTVCC_DATA
        ? ((first | second) & 0x7f) !== 0
        : second !== 0 || (type !== DTVCC_START && first !== 0)
    )
      return true;
  }
  return false;
}
