/**
 * Reader of the NUT container, in which the decoder hands over pictures and sound: one pipe, both tracks in the order
 * of their timestamps, each timestamp exact in its own time base. Reads what ffmpeg's muxer writes, from a pipe, piece
 * by piece; what NUT offers beside (index, side data, seeking) is not needed. Format: https://ffmpeg.org/~michael/nut.txt
 */

export type NutTrack = {
  readonly kind: 'video' | 'audio' | 'other';
  /** Seconds per tick of this track's timestamps. */
  readonly timeBase: { readonly num: number; readonly den: number };
  /** Video only, 0 otherwise. */
  readonly widthPx: number;
  readonly heightPx: number;
  /** Audio only, 0 otherwise. */
  readonly sampleRateHz: number;
  readonly channels: number;
  /** Nominal time between two pictures in microseconds; 0 when the container does not tell. */
  readonly frameIntervalUs: number;
};

export type NutPacket = {
  /** Index into {@link NutReader.tracks}. */
  readonly track: number;
  /** Presentation time in ticks of the track's time base. */
  readonly pts: number;
  /** Valid until the next call of `push`. */
  readonly payload: Uint8Array;
};

/** The bytes are not NUT, or not as ffmpeg writes it. The decoder is to be given up; nothing after is readable. */
export class NutError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NutError';
  }
}

export class NutReader {
  #tracks: NutTrack[] = [];
  #bytes: Uint8Array = EMPTY;
  #at = 0;
  /** Where pieces are joined that no packet ends with; used again and again. */
  #joined: Uint8Array = EMPTY;
  #started = false;
  #timeBases: { num: number; den: number }[] = [];
  #frameCodes: FrameCode[] = [];
  #elisionHeaders: Uint8Array[] = [EMPTY];
  #lastPts: number[] = [];
  #msbPtsShift: number[] = [];

  /** The tracks announced so far; complete before the first packet is given out. */
  get tracks(): readonly NutTrack[] {
    return this.#tracks;
  }

  /** Adds bytes as they came from the pipe. */
  push(bytes: Uint8Array): void {
    if (this.#at === this.#bytes.length) {
      this.#bytes = bytes;
    } else {
      const rest = this.#bytes.subarray(this.#at);
      const length = rest.length + bytes.length;
      if (this.#joined.length < length) this.#joined = new Uint8Array(2 * length);
      // What is left may lie in there already: it is moved to the front.
      this.#joined.set(rest);
      this.#joined.set(bytes, rest.length);
      this.#bytes = this.#joined.subarray(0, length);
    }
    this.#at = 0;
  }

  /** The next packet; null when more bytes are needed. Throws {@link NutError} on bytes that make no sense. */
  next(): NutPacket | null {
    for (;;) {
      const cursor = new Cursor(this.#bytes, this.#at);
      const packet = this.#step(cursor);
      if (cursor.short) return null;
      this.#at = cursor.at;
      if (packet !== null) return packet;
    }
  }

  /** One structure of the stream. State changes only once all its bytes are there. */
  #step(cursor: Cursor): NutPacket | null {
    if (!this.#started) {
      const id = cursor.bytes(FILE_ID.length);
      if (cursor.short) return null;
      if (Buffer.compare(id, FILE_ID) !== 0)
        throw new NutError('the decoder did not begin with a NUT header');
      this.#started = true;
      return null;
    }
    const code = cursor.byte();
    if (cursor.short) return null;
    if (code === STARTCODE_FIRST_BYTE) {
      this.#readStructure(cursor);
      return null;
    }
    return this.#readFrame(cursor, code);
  }

  #readStructure(cursor: Cursor): void {
    const kind = Buffer.from(cursor.bytes(7)).toString('hex');
    const size = cursor.varint();
    if (size > HEADER_BYTES_MAX) throw new NutError(`a NUT header of ${size} bytes is too long`);
    if (size > LONG_PACKET_BYTES) cursor.bytes(CHECKSUM_BYTES);
    const body = cursor.bytes(size);
    if (cursor.short) return;
    const fields = new Cursor(body, 0);
    if (kind === STARTCODES.main) this.#readMainHeader(fields);
    else if (kind === STARTCODES.stream) this.#readStreamHeader(fields);
    else if (kind === STARTCODES.syncpoint) this.#readSyncpoint(fields);
    else if (kind === STARTCODES.info) this.#readInfo(fields);
    else if (kind !== STARTCODES.index) throw new NutError(`unknown NUT start code 4e${kind}`);
    if (fields.short) throw new NutError('a NUT header ends too early');
  }

  #readMainHeader(fields: Cursor): void {
    // ffmpeg repeats the headers within the stream; they are the same each time.
    if (this.#timeBases.length > 0) return;
    const version = fields.varint();
    if (version > 3) throw new NutError(`NUT version ${version} is not supported, only 3`);
    fields.varint(); // stream count
    fields.varint(); // max distance
    const timeBaseCount = fields.varint();
    for (let i = 0; i < timeBaseCount && !fields.short; i++) {
      this.#timeBases.push({ num: fields.varint(), den: fields.varint() });
    }
    this.#frameCodes = readFrameCodes(fields);
    if (fields.left <= CHECKSUM_BYTES) return;
    const headerCount = fields.varint();
    for (let i = 0; i < headerCount && !fields.short; i++) {
      this.#elisionHeaders.push(fields.bytes(fields.varint()));
    }
  }

  #readStreamHeader(fields: Cursor): void {
    const id = fields.varint();
    if (id < this.#tracks.length) return;
    if (id !== this.#tracks.length)
      throw new NutError(`NUT track ${id} came before track ${this.#tracks.length}`);
    const streamClass = fields.varint();
    fields.bytes(fields.varint()); // fourcc
    const timeBase = this.#timeBases[fields.varint()];
    const msbPtsShift = fields.varint();
    fields.varint(); // max pts distance
    fields.varint(); // decode delay
    fields.varint(); // flags
    fields.bytes(fields.varint()); // codec specific data
    if (timeBase === undefined || timeBase.num === 0 || timeBase.den === 0) {
      throw new NutError(`NUT track ${id} has no time base`);
    }
    const track = { kind: 'other', timeBase, ...NO_MEDIA } as const;
    if (streamClass === 0) {
      this.#tracks.push({ ...track, kind: 'video', widthPx: fields.varint(), heightPx: fields.varint() });
    } else if (streamClass === 1) {
      const rateNum = fields.varint();
      const sampleRateHz = rateNum / fields.varint();
      this.#tracks.push({ ...track, kind: 'audio', sampleRateHz, channels: fields.varint() });
    } else {
      this.#tracks.push(track);
    }
    this.#lastPts.push(0);
    this.#msbPtsShift.push(msbPtsShift);
  }

  #readSyncpoint(fields: Cursor): void {
    const coded = fields.bigVarint();
    const base = this.#timeBases[Number(coded % BigInt(this.#timeBases.length))]!;
    const ticks = (coded / BigInt(this.#timeBases.length)) * BigInt(base.num);
    for (const [i, track] of this.#tracks.entries()) {
      const { num, den } = track.timeBase;
      this.#lastPts[i] = Number((ticks * BigInt(den)) / (BigInt(base.den) * BigInt(num)));
    }
  }

  #readInfo(fields: Cursor): void {
    const trackPlusOne = fields.varint();
    fields.varint(); // chapter id
    fields.varint(); // chapter start
    fields.varint(); // chapter length
    const count = fields.varint();
    for (let i = 0; i < count && !fields.short; i++) {
      const name = fields.text();
      const text = readInfoValue(fields);
      const track = this.#tracks[trackPlusOne - 1];
      if (name !== 'r_frame_rate' || track === undefined || text === null) continue;
      const [num, den] = text.split('/').map(Number);
      if (!num || !den || num < 0 || den < 0) continue;
      this.#tracks[trackPlusOne - 1] = { ...track, frameIntervalUs: Math.round((den * 1e6) / num) };
    }
  }

  #readFrame(cursor: Cursor, code: number): NutPacket | null {
    const frameCode = this.#frameCodes[code];
    if (frameCode === undefined) throw new NutError('a NUT frame came before the header');
    let flags = frameCode.flags;
    if ((flags & FLAG.invalid) !== 0) throw new NutError(`invalid NUT frame code ${code}`);
    if ((flags & FLAG.coded) !== 0) flags ^= cursor.varint();
    const track = (flags & FLAG.streamId) !== 0 ? cursor.varint() : frameCode.track;
    const lastPts = this.#lastPts[track];
    if (lastPts === undefined) {
      if (cursor.short) return null;
      throw new NutError(`a NUT frame names track ${track}, which does not exist`);
    }
    const codedPts = (flags & FLAG.codedPts) !== 0 ? cursor.varint() : null;
    const pts =
      codedPts === null
        ? lastPts + frameCode.ptsDelta
        : fullPts(codedPts, lastPts, this.#msbPtsShift[track]!);
    let size = frameCode.sizeLsb;
    if ((flags & FLAG.sizeMsb) !== 0) size += frameCode.sizeMul * cursor.varint();
    if ((flags & FLAG.matchTime) !== 0) cursor.varint();
    let headerIndex = (flags & FLAG.headerIndex) !== 0 ? cursor.varint() : frameCode.headerIndex;
    let reserved = (flags & FLAG.reserved) !== 0 ? cursor.varint() : frameCode.reserved;
    while (reserved-- > 0 && !cursor.short) cursor.varint();
    if ((flags & FLAG.checksum) !== 0) cursor.bytes(CHECKSUM_BYTES);
    if (cursor.short) return null;

    if (size > FRAME_BYTES_MAX) throw new NutError(`a NUT frame of ${size} bytes is too long`);
    if (size > LONG_PACKET_BYTES) headerIndex = 0;
    const header = this.#elisionHeaders[headerIndex];
    if (header === undefined) throw new NutError(`a NUT frame names elision header ${headerIndex}`);
    const body = cursor.bytes(size - header.length);
    if (cursor.short) return null;
    this.#lastPts[track] = pts;
    if ((flags & FLAG.endOfRelevance) !== 0) return null;
    return { track, pts, payload: header.length === 0 ? body : Buffer.concat([header, body]) };
  }
}

const EMPTY = new Uint8Array(0);
const FILE_ID = Buffer.from('nut/multimedia container\0');
const STARTCODE_FIRST_BYTE = 0x4e;
/** What follows the first byte, in hexadecimal. */
const STARTCODES = {
  main: '4d7a561f5f04ad',
  stream: '5311405bf2f9db',
  syncpoint: '4be4adeeca4569',
  index: '58dd672f23e64e',
  info: '49ab68b596ba78',
};
const CHECKSUM_BYTES = 4;
const LONG_PACKET_BYTES = 4096;
const HEADER_BYTES_MAX = 1 << 20;
const FRAME_BYTES_MAX = 1 << 24;
const FLAG = {
  endOfRelevance: 2,
  codedPts: 8,
  streamId: 16,
  sizeMsb: 32,
  checksum: 64,
  reserved: 128,
  headerIndex: 1024,
  matchTime: 2048,
  coded: 4096,
  invalid: 8192,
};
const NO_MEDIA = { widthPx: 0, heightPx: 0, sampleRateHz: 0, channels: 0, frameIntervalUs: 0 };

type FrameCode = {
  readonly flags: number;
  readonly ptsDelta: number;
  readonly track: number;
  readonly sizeMul: number;
  readonly sizeLsb: number;
  readonly reserved: number;
  readonly headerIndex: number;
};

/** The table that says what a frame's first byte stands for: runs of codes, each field as before unless told anew. */
function readFrameCodes(fields: Cursor): FrameCode[] {
  const codes: FrameCode[] = [];
  let ptsDelta = 0;
  let sizeMul = 1;
  let track = 0;
  let headerIndex = 0;
  while (codes.length < 256 && !fields.short) {
    const flags = fields.varint();
    const given = fields.varint();
    if (given > 0) ptsDelta = fields.signedVarint();
    if (given > 1) sizeMul = fields.varint();
    if (given > 2) track = fields.varint();
    const sizeLsb = given > 3 ? fields.varint() : 0;
    const reserved = given > 4 ? fields.varint() : 0;
    const count = given > 5 ? fields.varint() : sizeMul - sizeLsb;
    if (given > 6) fields.signedVarint(); // match time delta
    if (given > 7) headerIndex = fields.varint();
    for (let i = 8; i < given; i++) fields.varint();
    if (count < 1 && !fields.short) throw new NutError('the NUT frame code table has an empty run');
    for (let i = 0; i < count && codes.length < 256; i++) {
      if (codes.length === STARTCODE_FIRST_BYTE) codes.push(INVALID_CODE);
      codes.push({ flags, ptsDelta, track, sizeMul, sizeLsb: sizeLsb + i, reserved, headerIndex });
    }
  }
  return codes;
}

const INVALID_CODE: FrameCode = {
  flags: FLAG.invalid,
  ptsDelta: 0,
  track: 0,
  sizeMul: 1,
  sizeLsb: 0,
  reserved: 0,
  headerIndex: 0,
};

/** The value of an info item when it is a text, null when it is of another type. */
function readInfoValue(fields: Cursor): string | null {
  const type = fields.signedVarint();
  if (type === -1) return fields.text();
  if (type === -2) {
    fields.text();
    return fields.text();
  }
  if (type === -3 || type < -4) fields.signedVarint();
  else if (type === -4) fields.varint();
  return null;
}

/** A coded timestamp is whole, or the low bits of one near the last (nut.txt, `coded_pts`). */
function fullPts(coded: number, lastPts: number, shift: number): number {
  const span = 2 ** shift;
  if (coded >= span) return coded - span;
  const from = lastPts - Math.floor((span - 1) / 2);
  return from + ((((coded - from) % span) + span) % span);
}

/** Reads forward; past the end it sets `short` and gives zeros, so a caller checks once at the end. */
class Cursor {
  at: number;
  short = false;
  readonly #source: Uint8Array;

  constructor(source: Uint8Array, at: number) {
    this.#source = source;
    this.at = at;
  }

  get left(): number {
    return this.#source.length - this.at;
  }

  byte(): number {
    const value = this.#source[this.at];
    if (value === undefined) {
      this.short = true;
      return 0;
    }
    this.at++;
    return value;
  }

  bytes(count: number): Uint8Array {
    if (count < 0 || count > this.left) {
      this.short = true;
      return EMPTY;
    }
    this.at += count;
    return this.#source.subarray(this.at - count, this.at);
  }

  varint(): number {
    let value = 0;
    for (;;) {
      const byte = this.byte();
      value = value * 128 + (byte & 0x7f);
      if ((byte & 0x80) === 0) return value;
      if (value > 2 ** 45) throw new NutError('a NUT number is too large');
    }
  }

  bigVarint(): bigint {
    let value = 0n;
    for (;;) {
      const byte = this.byte();
      value = value * 128n + BigInt(byte & 0x7f);
      if ((byte & 0x80) === 0) return value;
      if (value > 1n << 62n) throw new NutError('a NUT number is too large');
    }
  }

  signedVarint(): number {
    const value = this.varint() + 1;
    return value % 2 === 1 ? -Math.floor(value / 2) : value / 2;
  }

  text(): string {
    return Buffer.from(this.bytes(this.varint())).toString('utf8');
  }
}
