/**
 * W2 with the small records of the measurements that it is held against: a keyed aggregation with one output for each
 * report, 16 fields in, 16 fields out, 20 figures of state. A session tells ten reports, spread over the starts of the
 * 20,000 sessions after it, and is kept for ever.
 */
import { defineTopology } from '../../runtime/define-topology.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import type { TopicName } from '../../schemas/topics.ts';
import {
  EVENTS,
  type PlayerReport,
  playerScores,
  REPORTS_TOPIC,
  reportCodec,
  SCORES_TOPIC,
} from './report-records.ts';
import { type InputRecord, PARTITIONS, type Workload } from './workload.ts';

export const playerReports: Workload = {
  name: 'W2',
  title: 'keyed aggregation, small records',
  unit: 'events',
  topology: defineTopology({
    name: 'player-scores',
    sources: [{ kind: 'source', topic: REPORTS_TOPIC as TopicName, span: 'same', writers: 'external' }],
    reducers: [{ kind: 'reducer', reducer: playerScores, from: [REPORTS_TOPIC], store: 'sessions' }],
    sinks: [
      {
        kind: 'sink',
        topic: SCORES_TOPIC as TopicName,
        from: [playerScores.name],
        edge: 'same',
        sealed: true,
      },
    ],
    sealDelayMs: 3_000,
  }),
  codec: reportCodec,
  inputTopic: REPORTS_TOPIC,
  outputTopics: [SCORES_TOPIC],
  records: 2_000_000,
  evidencePerSecond: 560_000,
  *generate(count: number): Iterable<InputRecord> {
    const open = new Map<number, Session>();
    let at = 0;
    for (let started = 0; at < count; started++) {
      for (let seq = 0; seq < REPORTS && at < count; seq++) {
        const number = started - seq * (ACTIVE / REPORTS);
        if (number < 0) continue;
        const session = open.get(number) ?? new Session(number);
        if (seq === 0) open.set(number, session);
        if (seq === REPORTS - 1) open.delete(number);
        const timestampMs = START_MS + started * 3 + Math.floor((seq * 3) / REPORTS);
        const { key, partition } = session;
        yield { key, partition, value: session.report(seq, timestampMs), timestampMs };
        at++;
      }
    }
  },
};

const ACTIVE = 20_000;
const SCRIPT = ['load', 'play', 'progress', 'stall', 'resume', 'switch', 'progress', 'pause', 'play', 'end'];
const REPORTS = SCRIPT.length;
const START_MS = 1_767_225_600_000;
const DEVICES = [
  'smarttv-webos-6.1/hbbplayer-4.11.2',
  'android-14/exoplayer-1.3.1-pixel8',
  'ios-17.4/avplayer-iphone15,2',
  'chrome-124/shaka-4.7.11-win10',
];
const LADDER_KBPS = [800, 1_500, 3_000, 6_000];

class Session {
  readonly key: Uint8Array;
  readonly partition: number;
  readonly #random: SeededRandom;
  readonly #about: Pick<PlayerReport, 'sessionId' | 'viewerId' | 'contentId' | 'cdn' | 'device'>;
  #positionMs = 0;
  #bitrateKbps = 3_000;

  constructor(number: number) {
    const random = new SeededRandom(number);
    this.#random = random;
    this.#about = {
      sessionId: uuidOf(random),
      viewerId: uuidOf(random),
      contentId: `asset-${hexOf(random, 16)}`,
      cdn: random.pick(['cdn-a.example', 'cdn-b.example', 'cdn-c.example']),
      device: random.pick(DEVICES),
    };
    this.key = Buffer.from(this.#about.sessionId);
    this.partition = partitionOf(this.key, PARTITIONS);
  }

  report(seq: number, atMs: number): PlayerReport {
    const random = this.#random;
    const event = SCRIPT[seq]!;
    this.#positionMs += 5_000;
    if (event === 'switch') this.#bitrateKbps = random.pick(LADDER_KBPS);
    return {
      ...this.#about,
      event: EVENTS.indexOf(event as (typeof EVENTS)[number]),
      atMs,
      seq,
      positionMs: this.#positionMs,
      bitrateKbps: this.#bitrateKbps,
      bufferMs: random.below(20_000),
      droppedFrames: random.below(4),
      widthPx: 1_920,
      heightPx: 1_080,
      rebufferMs: event === 'resume' ? random.below(3_000) : 0,
      errorCode: random.below(100) === 0 ? 4 : 0,
    };
  }
}

function hexOf(random: SeededRandom, digits: number): string {
  let hex = '';
  while (hex.length < digits)
    hex += random
      .below(2 ** 16)
      .toString(16)
      .padStart(4, '0');
  return hex.slice(0, digits);
}

function uuidOf(random: SeededRandom): string {
  const hex = (digits: number): string => hexOf(random, digits);
  return `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`;
}
