/**
 * W2: a keyed aggregation with one output and one changelog record for each event, over the real schemas of playback
 * events and scores. 100,000 sessions take turns, so that two events of one session are never in one transaction.
 */
import { defineTopology } from '../../runtime/define-topology.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import { sessionTotals } from './session-totals.ts';
import { type InputRecord, PARTITIONS, type Workload } from './workload.ts';

export const playerEvents: Workload = {
  name: 'W2-full',
  title: 'keyed aggregation, records of 61 and 84 fields',
  unit: 'events',
  topology: defineTopology({
    name: 'keyed-aggregation',
    sources: [{ kind: 'source', topic: 'playback-events', span: 'same', writers: 'external' }],
    reducers: [{ kind: 'reducer', reducer: sessionTotals, from: ['playback-events'], store: 'sessions' }],
    sinks: [{ kind: 'sink', topic: 'qos-scores', from: [sessionTotals.name], edge: 'same', sealed: true }],
    sealDelayMs: 3_000,
  }),
  codec: localCodec,
  inputTopic: 'playback-events',
  outputTopics: ['qos-scores'],
  records: 2_000_000,
  evidencePerSecond: 560_000,
  *generate(count: number): Iterable<InputRecord> {
    const players = Array.from({ length: SESSIONS }, (_, number) => new Player(number));
    for (let at = 0; at < count; at++) {
      const player = players[at % SESSIONS]!;
      // 100,000 sessions that report every 10 s
      const timestampMs = START_MS + Math.floor(at / 10);
      const value = player.event(Math.floor(at / SESSIONS), timestampMs);
      yield { key: player.key, partition: player.partition, value, timestampMs };
    }
  },
};

const SESSIONS = 100_000;
const START_MS = 1_700_000_000_000;

const STATES = ['starting', 'playing', 'playing', 'rebuffering', 'playing', 'playing', 'paused', 'playing'];
const LADDER_BPS = [800_000, 1_500_000, 3_000_000, 6_000_000];
const LADDER_PX = [360, 480, 720, 1_080];
const DEVICES = ['tv', 'phone', 'desktop', 'tablet'];

class Player {
  readonly key: Uint8Array;
  readonly partition: number;
  readonly #random: SeededRandom;
  readonly #about: Pick<
    PlaybackEvent,
    'sessionKey' | 'sessionId' | 'contentId' | 'programmeId' | 'cdn' | 'asn' | 'deviceClass' | 'playerVersion'
  >;
  #droppedFrames = 0;
  #stallCount = 0;
  #stallMs = 0;
  #rung = 2;

  constructor(number: number) {
    const random = new SeededRandom(number);
    const hex = (digits: number): string =>
      Array.from({ length: digits }, () => random.below(16).toString(16)).join('');
    const programme = `programme-${String(random.below(200)).padStart(4, '0')}`;
    this.#random = random;
    this.#about = {
      sessionKey: hex(32),
      sessionId: `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
      contentId: `asset-${programme}`,
      programmeId: programme,
      cdn: random.pick(['cdn-a', 'cdn-b', 'cdn-c']),
      asn: 3_000 + random.below(40),
      deviceClass: random.pick(DEVICES),
      playerVersion: random.pick(['4.7.11', '1.5.8', '5.0.2']),
    };
    this.key = Buffer.from(this.#about.sessionKey);
    this.partition = partitionOf(this.key, PARTITIONS);
  }

  event(sn: number, receivedAtMs: number): PlaybackEvent {
    const random = this.#random;
    const playerState = STATES[sn % STATES.length]!;
    if (playerState === 'rebuffering') {
      this.#stallCount += 1;
      this.#stallMs += random.below(3_000);
    }
    if (random.below(5) === 0) this.#rung = random.below(LADDER_BPS.length);
    this.#droppedFrames += random.below(4);
    return {
      ...NOT_TOLD,
      ...this.#about,
      sn,
      clientTimeMs: receivedAtMs - 40 - random.below(100),
      receivedAtMs,
      playerState,
      mediaTimeMs: sn * 10_000,
      liveLatencyMs: 5_000 + random.below(4_000),
      playbackRatePermille: 1_000,
      bufferMs: random.below(20_000),
      bitrateBps: LADDER_BPS[this.#rung]!,
      topBitrateBps: 6_000_000,
      throughputBps: 8_000_000 + random.below(9_000_000),
      heightPx: LADDER_PX[this.#rung]!,
      stallCount: this.#stallCount,
      stallMs: this.#stallMs,
      droppedFrames: this.#droppedFrames,
    };
  }
}

/** A report as a player sends it every 10 s, before anything that differs from player to player. */
const NOT_TOLD = {
  tenant: 'tenant-1',
  previousSessionId: '',
  event: 'time-interval',
  source: 'cmcd-v2-event',
  target: 'default',
  startupDelayed: null,
  programTimeMs: null,
  programTimeSource: 'none',
  widthPx: null,
  displayHeightPx: null,
  renditionId: null,
  renditionShown: false,
  startupMs: null,
  stalledSinceLast: null,
  lastStallMs: null,
  adPlaying: null,
  adId: null,
  muted: null,
  hidden: null,
  userInitiated: null,
  errorCodes: [],
  errorFatal: null,
  errorClass: null,
  requestObjectType: null,
  requestObjectMs: null,
  requestHost: null,
  responseCode: null,
  timeToFirstByteMs: null,
  timeToLastByteMs: null,
  streamingFormat: 'hls',
  streamType: 'live',
  country: 'DE',
  region: 'DE-HE',
  addressHash: '9f86d081884c7d65',
  osName: 'linux',
  playerName: 'shaka',
  connectionType: 'wifi',
  droppedKeys: [],
} as const;
