/**
 * The two small records of the W2 that others were measured with: 16 fields of a player's report in, 16 fields of a score
 * out. Written out as `schemas/generate.ts` writes such schemas, over the same primitives, and framed in the same way;
 * figures that were doubles there are whole numbers here, as everywhere in this project.
 */
import { type StateOf, structCodec } from '../../runtime/struct-codec.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import type { Reducer } from '../../runtime/topology.ts';
import { FRAMING_BYTES, schemaIdOf } from '../../schemas/codec.ts';
import { expectEnd } from '../../schemas/foreign-schema.ts';
import {
  moveTo,
  type ReadCursor,
  readCursor,
  readInt,
  readLong,
  readString,
} from '../../schemas/read-cursor.ts';
import {
  type WriteCursor,
  writeCursor,
  writeInt,
  writeLong,
  writeString,
} from '../../schemas/write-cursor.ts';

export type PlayerReport = {
  readonly sessionId: string;
  readonly viewerId: string;
  readonly contentId: string;
  readonly cdn: string;
  readonly device: string;
  /** Place in {@link EVENTS}. */
  readonly event: number;
  readonly atMs: number;
  readonly seq: number;
  readonly positionMs: number;
  readonly bitrateKbps: number;
  readonly bufferMs: number;
  readonly droppedFrames: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rebufferMs: number;
  readonly errorCode: number;
};

export const EVENTS = ['load', 'play', 'stall', 'resume', 'switch', 'progress', 'pause', 'end'] as const;

export type PlayerScore = {
  readonly sessionId: string;
  readonly viewerId: string;
  readonly contentId: string;
  readonly atMs: number;
  readonly seq: number;
  readonly state: number;
  readonly mosMicro: number;
  readonly stallPpm: number;
  readonly bitrateBpsMean: number;
  readonly playMs: number;
  readonly stallMs: number;
  readonly stalls: number;
  readonly startupMs: number;
  readonly switches: number;
  readonly switchesDown: number;
  readonly droppedFrames: number;
};

export const REPORTS_TOPIC = 'bench-reports';
export const SCORES_TOPIC = 'bench-scores';

const REPORT_ID = 1;
const SCORE_ID = 2;

export function reportCodec(): FetchingCodec {
  const reading = readCursor(new Uint8Array(0));
  const writing = writeCursor();
  const encodeShared = (topic: string, value: unknown): WriteCursor => {
    writing.bytes.writeUInt8(0, 0);
    writing.bytes.writeInt32BE(topic === REPORTS_TOPIC ? REPORT_ID : SCORE_ID, 1);
    writing.pos = FRAMING_BYTES;
    if (topic === REPORTS_TOPIC) writeReport(writing, value as PlayerReport);
    else if (topic === SCORES_TOPIC) writeScore(writing, value as PlayerScore);
    else throw new Error(`this codec has no schema for ${topic}`);
    return writing;
  };
  const decodeRange = (topic: string, bytes: Uint8Array, start: number, end: number): PlayerReport => {
    const schemaId = schemaIdOf(bytes, start, end);
    if (topic !== REPORTS_TOPIC || schemaId !== REPORT_ID)
      throw new Error(`this codec does not read schema ${schemaId} of ${topic}`);
    moveTo(reading, bytes, start + FRAMING_BYTES, end);
    const value = readReport(reading);
    expectEnd(reading);
    return value;
  };
  return {
    decode: (topic, bytes) => decodeRange(topic, bytes, 0, bytes.length),
    decodeRange,
    encode(topic, value) {
      const { bytes, pos } = encodeShared(topic, value);
      return bytes.subarray(0, pos).slice();
    },
    encodeShared,
    fetchSchema: async () => true,
  };
}

function readReport(cursor: ReadCursor): PlayerReport {
  return {
    sessionId: readString(cursor),
    viewerId: readString(cursor),
    contentId: readString(cursor),
    cdn: readString(cursor),
    device: readString(cursor),
    event: readInt(cursor),
    atMs: readLong(cursor),
    seq: readInt(cursor),
    positionMs: readInt(cursor),
    bitrateKbps: readInt(cursor),
    bufferMs: readInt(cursor),
    droppedFrames: readInt(cursor),
    widthPx: readInt(cursor),
    heightPx: readInt(cursor),
    rebufferMs: readInt(cursor),
    errorCode: readInt(cursor),
  };
}

function writeReport(cursor: WriteCursor, value: PlayerReport): void {
  writeString(cursor, value.sessionId);
  writeString(cursor, value.viewerId);
  writeString(cursor, value.contentId);
  writeString(cursor, value.cdn);
  writeString(cursor, value.device);
  writeInt(cursor, value.event);
  writeLong(cursor, value.atMs);
  writeInt(cursor, value.seq);
  writeInt(cursor, value.positionMs);
  writeInt(cursor, value.bitrateKbps);
  writeInt(cursor, value.bufferMs);
  writeInt(cursor, value.droppedFrames);
  writeInt(cursor, value.widthPx);
  writeInt(cursor, value.heightPx);
  writeInt(cursor, value.rebufferMs);
  writeInt(cursor, value.errorCode);
}

function writeScore(cursor: WriteCursor, value: PlayerScore): void {
  writeString(cursor, value.sessionId);
  writeString(cursor, value.viewerId);
  writeString(cursor, value.contentId);
  writeLong(cursor, value.atMs);
  writeInt(cursor, value.seq);
  writeInt(cursor, value.state);
  writeLong(cursor, value.mosMicro);
  writeLong(cursor, value.stallPpm);
  writeLong(cursor, value.bitrateBpsMean);
  writeLong(cursor, value.playMs);
  writeLong(cursor, value.stallMs);
  writeInt(cursor, value.stalls);
  writeInt(cursor, value.startupMs);
  writeInt(cursor, value.switches);
  writeInt(cursor, value.switchesDown);
  writeInt(cursor, value.droppedFrames);
}

/** 20 figures, as there. */
const FIELDS = {
  state: 'int',
  atMs: 'long',
  stalls: 'int',
  playMs: 'long',
  stallMs: 'long',
  playedKbit: 'long',
  bitrateKbps: 'int',
  loadedAtMs: 'long',
  startedAtMs: 'long',
  switches: 'int',
  switchesDown: 'int',
  droppedFrames: 'int',
  bufferMsMax: 'int',
  seq: 'int',
  reports: 'int',
  positionMs: 'int',
  rebufferMs: 'int',
  errors: 'int',
  pixelsMax: 'int',
  mosMicro: 'int',
} as const;

type State = StateOf<typeof FIELDS>;

const [IDLE, PLAYING, STALLED, LOADING, PAUSED, ENDED] = [0, 1, 2, 3, 4, 5];

export const playerScores: Reducer<State, PlayerReport, PlayerScore> = {
  name: 'player-scores',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({
    state: IDLE,
    atMs: 0,
    stalls: 0,
    playMs: 0,
    stallMs: 0,
    playedKbit: 0,
    bitrateKbps: 0,
    loadedAtMs: 0,
    startedAtMs: 0,
    switches: 0,
    switchesDown: 0,
    droppedFrames: 0,
    bufferMsMax: 0,
    seq: 0,
    reports: 0,
    positionMs: 0,
    rebufferMs: 0,
    errors: 0,
    pixelsMax: 0,
    mosMicro: 0,
  }),
  step(state, input) {
    if (input.kind === 'timer') return [];
    add(state, input.value);
    return [{ kind: 'forward', value: scoreOf(state, input.value) }];
  },
};

function add(state: State, report: PlayerReport): void {
  const { atMs, bitrateKbps, errorCode } = report;
  const spentMs = state.atMs === 0 ? 0 : Math.max(0, atMs - state.atMs);
  if (state.state === PLAYING) {
    state.playMs += spentMs;
    state.playedKbit += Math.floor((spentMs * state.bitrateKbps) / 1_000);
  } else if (state.state === STALLED) state.stallMs += spentMs;
  takeEvent(state, report);
  if (bitrateKbps > 0) state.bitrateKbps = bitrateKbps;
  state.droppedFrames += report.droppedFrames;
  state.bufferMsMax = Math.max(state.bufferMsMax, report.bufferMs);
  state.seq = report.seq;
  state.reports += 1;
  state.positionMs = report.positionMs;
  state.rebufferMs += report.rebufferMs;
  if (errorCode !== 0) state.errors += 1;
  state.pixelsMax = Math.max(state.pixelsMax, report.widthPx * report.heightPx);
  state.atMs = atMs;
  const bitrate = state.playMs === 0 ? 0 : Math.floor((state.playedKbit * 1_000) / state.playMs);
  const quality = Math.floor((4_000_000 * bitrate) / (bitrate + 1_200));
  const stalled = 6 * stallPpmOf(state);
  const lost = 100_000 * state.stalls + 20_000 * state.switchesDown;
  state.mosMicro = Math.min(5_000_000, Math.max(1_000_000, 1_000_000 + quality - stalled - lost));
}

function takeEvent(state: State, { event, atMs, bitrateKbps }: PlayerReport): void {
  switch (EVENTS[event]) {
    case 'load':
      state.loadedAtMs = atMs;
      state.state = LOADING!;
      return;
    case 'play':
      if (state.startedAtMs === 0) state.startedAtMs = atMs;
      state.state = PLAYING!;
      return;
    case 'stall':
      state.state = STALLED!;
      state.stalls += 1;
      return;
    case 'resume':
      state.state = PLAYING!;
      return;
    case 'switch':
      state.switches += 1;
      if (bitrateKbps < state.bitrateKbps) state.switchesDown += 1;
      return;
    case 'pause':
      state.state = PAUSED!;
      return;
    case 'end':
      state.state = ENDED!;
  }
}

function stallPpmOf({ playMs, stallMs }: State): number {
  return playMs + stallMs === 0 ? 0 : Math.floor((1_000_000 * stallMs) / (playMs + stallMs));
}

function scoreOf(state: State, { sessionId, viewerId, contentId, atMs, seq }: PlayerReport): PlayerScore {
  const { playMs, stallMs } = state;
  return {
    sessionId,
    viewerId,
    contentId,
    atMs,
    seq,
    state: state.state,
    mosMicro: state.mosMicro,
    stallPpm: stallPpmOf(state),
    bitrateBpsMean: playMs === 0 ? 0 : Math.floor((state.playedKbit * 1_000_000) / playMs),
    playMs,
    stallMs,
    stalls: state.stalls,
    startupMs: state.startedAtMs === 0 ? 0 : state.startedAtMs - state.loadedAtMs,
    switches: state.switches,
    switchesDown: state.switchesDown,
    droppedFrames: state.droppedFrames,
  };
}
