/**
 * Checks of the first priority of ETSI TR 101 290 (V1.4.1, 5.2.1) over the bytes of an MPEG transport stream, with memory
 * bounded by the 8,192 PIDs that there can be. It states what the standard counts, and judges nothing.
 *
 * - 1.1 TS_sync_loss: two sync bytes in a row are wrong; five right ones in a row end it (ISO/IEC 13818-1, annex G.1).
 * - 1.2 Sync_byte_error: a sync byte is wrong.
 * - 1.3 PAT_error: for 500 ms no section 0x00 on PID 0, or another section or scrambling there.
 * - 1.4 Continuity_count_error: packets are lost, out of order, or come more than twice.
 * - 1.5 PMT_error: for 500 ms no section 0x02 on a PID that the PAT names, or scrambling there.
 * - 1.6 PID_error: a PID of pictures or sound that a PMT names is not there; told from 500 ms on, with its length.
 *
 * Time is that of the stream: program clock references where there are any, else timestamps.
 */

/** Numbers of the indicators, as in `tsErrorKind`. */
export type TsErrorKind = 11 | 12 | 13 | 14 | 15 | 16;
/** `count`: how many; for an absence its length so far in ms. */
export type TsErrorAt = { readonly atMs: number; readonly kind: TsErrorKind; readonly count: number };

/** Whether the stream is one row of packets or segments, each of which begins anew. */
export type TsCheckMode =
  /** Broadcast, or a recording of one: counters and tables go on throughout. */
  | 'continuous'
  /**
   * HLS: a segment has to begin with its tables (RFC 8216, 3.2) and need not repeat them; counters go on within it, and
   * across its beginning nothing says that they do.
   */
  | 'segments';

type Pid = { counter: number; isRepeat: boolean };
/** When a table or a PID was there last. */
type Watched = { lastMs: number; toldMs: number };

export class TsCheck {
  readonly #mode: TsCheckMode;
  readonly #pids = new Map<number, Pid>();
  readonly #pmts = new Map<number, Watched>();
  readonly #tracks = new Map<number, Watched>();
  #pat: Watched | null = null;
  /** Entry under way: by kind, the tenth of a second that it is of. */
  readonly #open = new Map<TsErrorKind, { atMs: number; kind: TsErrorKind; count: number }>();
  #found: TsErrorAt[] = [];
  #atMs = 0;
  #packetsInSegment = 0;
  #lostSync = false;
  #goodSyncs = 0;
  #badSyncs = 0;

  constructor(mode: TsCheckMode) {
    this.#mode = mode;
    // Of a row that goes on the table is due from its beginning.
    if (mode === 'continuous') this.#pat = { lastMs: 0, toldMs: 0 };
  }

  /** Time of what follows, ms; never goes back. */
  advance(atMs: number): void {
    if (atMs <= this.#atMs) return;
    this.#atMs = atMs;
    if (this.#mode === 'segments') return;
    this.#absence(this.#pat, 13);
    for (const pmt of this.#pmts.values()) this.#absence(pmt, 15);
    for (const track of this.#tracks.values()) this.#absence(track, 16);
  }

  /** Where the time leaps, nothing was absent meanwhile. */
  leap(atMs: number): void {
    this.#atMs = atMs;
    const watched = [this.#pat, ...this.#pmts.values(), ...this.#tracks.values()];
    for (const one of watched) if (one !== null) Object.assign(one, { lastMs: atMs, toldMs: atMs });
  }

  /** A segment begins; one before it that had no tables is told now. */
  beginSegment(atMs: number): void {
    this.endSegment();
    this.#pids.clear();
    this.#pat = null;
    this.#pmts.clear();
    this.#tracks.clear();
    this.#packetsInSegment = 0;
    this.#atMs = Math.max(this.#atMs, atMs);
  }

  /** What the segment lacked. */
  endSegment(): void {
    if (this.#mode !== 'segments' || this.#packetsInSegment === 0) return;
    if (this.#pat === null) this.#tell(13, 1);
    else if (this.#pmts.size === 0 || [...this.#pmts.values()].some(({ lastMs }) => lastMs < 0))
      this.#tell(15, 1);
    this.#packetsInSegment = 0;
  }

  /** Where a packet has to begin: whether its sync byte is right. Packets are pushed while this says that sync holds. */
  sync(isRight: boolean): boolean {
    if (isRight) {
      this.#badSyncs = 0;
      this.#goodSyncs++;
      if (this.#lostSync && this.#goodSyncs >= SYNCS_TO_LOCK) this.#lostSync = false;
    } else {
      this.#goodSyncs = 0;
      this.#badSyncs++;
      this.#tell(12, 1);
      if (this.#badSyncs === SYNCS_TO_LOSE) {
        this.#lostSync = true;
        this.#tell(11, 1);
      }
    }
    return !this.#lostSync;
  }

  /** One packet of 188 bytes that begins at `at`, with its sync byte. */
  packet(bytes: Uint8Array, at: number): void {
    this.#packetsInSegment++;
    const flags = bytes[at + 3]!;
    const pid = ((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!;
    // A packet that is marked as damaged: nothing in it holds.
    if (pid === NULL_PID || (bytes[at + 1]! & 0x80) !== 0) return;
    const hasPayload = (flags & 0x10) !== 0;
    const adaptationBytes = (flags & 0x20) === 0 ? -1 : bytes[at + 4]!;
    const isAnnounced = adaptationBytes > 0 && (bytes[at + 5]! & 0x80) !== 0;
    this.#count(pid, flags & 0x0f, hasPayload, isAnnounced);
    const track = this.#tracks.get(pid);
    if (track !== undefined && hasPayload) this.#seen(track, 16);
    const isTable = pid === 0 || this.#pmts.has(pid);
    if (!isTable) return;
    if ((flags & 0xc0) !== 0) this.#tell(pid === 0 ? 13 : 15, 1);
    else if (hasPayload && (bytes[at + 1]! & 0x40) !== 0) {
      this.#section(pid, bytes, at + 4 + adaptationBytes + 1, at + PACKET_BYTES);
    }
  }

  /** What was found since it was asked for last; what is of the present tenth of a second comes with the next. */
  take(): readonly TsErrorAt[] {
    const now = this.#found;
    this.#found = [];
    return now;
  }

  /** The same, with what is of the present tenth of a second. */
  takeAll(): readonly TsErrorAt[] {
    this.#found.push(...this.#open.values());
    this.#open.clear();
    return this.take();
  }

  /** ISO/IEC 13818-1, 2.4.3.3: counts packets with a payload; one repetition is allowed. */
  #count(pid: number, counter: number, hasPayload: boolean, isAnnounced: boolean): void {
    const known = this.#pids.get(pid);
    if (known === undefined || isAnnounced) {
      if (hasPayload) this.#pids.set(pid, { counter, isRepeat: false });
      else this.#pids.delete(pid);
      return;
    }
    if (!hasPayload) {
      // Without a payload it stands still; a wrong one shows at the next payload.
      return;
    }
    if (counter === ((known.counter + 1) & 0x0f)) {
      known.isRepeat = false;
    } else if (counter === known.counter && !known.isRepeat) {
      known.isRepeat = true;
      return;
    } else {
      this.#tell(14, 1);
      known.isRepeat = false;
    }
    known.counter = counter;
  }

  #section(pid: number, bytes: Uint8Array, payloadAt: number, endAt: number): void {
    const sectionAt = payloadAt + 1 + (bytes[payloadAt] ?? 0);
    if (sectionAt + 12 > endAt) return;
    const tableId = bytes[sectionAt]!;
    const sectionEnd = Math.min(
      endAt,
      sectionAt + 3 + (((bytes[sectionAt + 1]! & 0x0f) << 8) | bytes[sectionAt + 2]!) - 4,
    );
    if (pid === 0) {
      if (tableId !== 0) this.#tell(13, 1);
      else {
        if (this.#pat === null) this.#pat = { lastMs: this.#atMs, toldMs: this.#atMs };
        this.#seen(this.#pat, 13);
        this.#takePat(bytes, sectionAt, sectionEnd);
      }
    } else if (tableId === 2) {
      this.#seen(this.#pmts.get(pid)!, 15);
      this.#takePmt(bytes, sectionAt, sectionEnd);
    }
  }

  #takePat(bytes: Uint8Array, sectionAt: number, endAt: number): void {
    const named = new Set<number>();
    for (let at = sectionAt + 8; at + 4 <= endAt; at += 4) {
      const program = (bytes[at]! << 8) | bytes[at + 1]!;
      if (program !== 0) named.add(((bytes[at + 2]! & 0x1f) << 8) | bytes[at + 3]!);
    }
    const isContinuous = this.#mode === 'continuous';
    for (const pid of named) {
      const lastMs = isContinuous ? this.#atMs : -1;
      if (!this.#pmts.has(pid)) this.#pmts.set(pid, { lastMs, toldMs: lastMs });
    }
    // A table that spans several packets is not read to its end: what is not named here may be named there.
    for (const pid of this.#pmts.keys())
      if (!named.has(pid) && endAt < sectionAt + 180) this.#pmts.delete(pid);
  }

  #takePmt(bytes: Uint8Array, sectionAt: number, endAt: number): void {
    const programInfo = ((bytes[sectionAt + 10]! & 0x0f) << 8) | bytes[sectionAt + 11]!;
    for (let at = sectionAt + 12 + programInfo; at + 5 <= endAt; ) {
      const pid = ((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!;
      if (MEDIA_TYPES.has(bytes[at]!) && !this.#tracks.has(pid) && this.#tracks.size < TRACKS_MAX) {
        this.#tracks.set(pid, { lastMs: this.#atMs, toldMs: this.#atMs });
      }
      at += 5 + (((bytes[at + 3]! & 0x0f) << 8) | bytes[at + 4]!);
    }
  }

  /** It is there; an absence that was told ends here. */
  #seen(watched: Watched, kind: 13 | 15 | 16): void {
    const absentMs = this.#atMs - watched.lastMs;
    const wasTold = watched.toldMs > watched.lastMs && watched.lastMs >= 0;
    if (wasTold && absentMs >= ABSENT_MS_MIN && this.#mode === 'continuous') {
      this.#found.push({ atMs: this.#atMs, kind, count: absentMs });
    }
    watched.lastMs = this.#atMs;
    watched.toldMs = this.#atMs;
  }

  #absence(watched: Watched | null, kind: 13 | 15 | 16): void {
    if (watched === null) return;
    const absentMs = this.#atMs - watched.lastMs;
    if (absentMs < ABSENT_MS_MIN || this.#atMs - watched.toldMs < TELL_AGAIN_MS) return;
    watched.toldMs = this.#atMs;
    this.#open.delete(kind);
    this.#found.push({ atMs: this.#atMs, kind, count: absentMs });
  }

  #tell(kind: TsErrorKind, count: number): void {
    const tenthMs = Math.floor(this.#atMs / TENTH_MS) * TENTH_MS;
    const open = this.#open.get(kind);
    if (open !== undefined && Math.floor(open.atMs / TENTH_MS) * TENTH_MS === tenthMs) {
      open.count += count;
      return;
    }
    if (open !== undefined && this.#found.length < FOUND_MAX) this.#found.push(open);
    this.#open.set(kind, { atMs: this.#atMs, kind, count });
  }
}

const PACKET_BYTES = 188;
const NULL_PID = 0x1fff;
const SYNCS_TO_LOSE = 2;
const SYNCS_TO_LOCK = 5;
const TENTH_MS = 100;
const ABSENT_MS_MIN = 500;
const TELL_AGAIN_MS = 500;
const TRACKS_MAX = 64;
/** Entries that nobody took yet. */
const FOUND_MAX = 5_000;
/** Stream types of pictures and sound (ISO/IEC 13818-1, table 2-34, and the private ones of ATSC). */
const MEDIA_TYPES: ReadonlySet<number> = new Set([
  ...[0x01, 0x02, 0x03, 0x04, 0x0f, 0x10, 0x11, 0x1b, 0x24, 0x33, 0x81, 0x87],
]);
