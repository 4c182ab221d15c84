/** Everybody outside: streams, and the simulated audience that watches them, as the collector would write it down. */
import { deviceOf } from '../../producers/collector/device.ts';
import type { ReportContext } from '../../producers/collector/normalise.ts';
import { normaliseEventBody, normaliseQuery } from '../../producers/collector/normalise-cmcd.ts';
import { normaliseJson } from '../../producers/collector/normalise-json.ts';
import { audience, type Beacon } from '../../producers/simulator/audience.ts';
import { DEFAULT_POPULATION, type Population } from '../../producers/simulator/population.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import { type Saying, type SpeechOptions, type SpokenRecord, spoil } from '../chaos/speech.ts';
import { SPOILED_PERMILLE, streamNames, streamSpeech } from './stream-speech.ts';

/** @param viewers who watch at the same time, each one of the streams */
export function soakSpeech(streamsPerPartition: number, viewers: number): (options: SpeechOptions) => Saying {
  return (options) => {
    const streams = streamSpeech(streamsPerPartition)(options);
    const names = streamNames(options.partitions, streamsPerPartition);
    const players = new Players(options, names, viewers);
    return {
      say: (size, nowMs) => [...streams.say(size, nowMs), ...players.due(nowMs)],
      sayFeatures: (size, nowMs) => streams.sayFeatures(size, nowMs),
    };
  };
}

class Players {
  readonly #options: SpeechOptions;
  readonly #programmes: readonly string[];
  readonly #viewers: number;
  #beacons: Iterator<Beacon> | null = null;
  #next: Beacon | null = null;

  constructor(options: SpeechOptions, programmes: readonly string[], viewers: number) {
    this.#options = options;
    this.#programmes = programmes;
    this.#viewers = viewers;
  }

  /** What players have sent by now. */
  due(nowMs: number): readonly SpokenRecord[] {
    const { random, spoiledPermille = SPOILED_PERMILLE } = this.#options;
    this.#beacons ??= this.#begin(nowMs);
    const records: SpokenRecord[] = [];
    while (this.#next !== null && this.#next.dueMs <= nowMs) {
      for (const event of eventsOf(this.#next, nowMs)) {
        const record = this.#recordOf(event);
        records.push(random.chance(spoiledPermille) ? spoil(record, this.#options) : record);
      }
      this.#advance(this.#beacons);
    }
    return records;
  }

  #begin(startMs: number): Iterator<Beacon> {
    const programmes = this.#programmes
      .slice(0, WATCHED_MAX)
      .map((name) => ({ programmeId: name, contentId: name, weight: 1 }));
    const seed = this.#options.random.below(2 ** 31);
    const untilMs = Number.POSITIVE_INFINITY;
    const beacons = audience({
      seed,
      viewers: this.#viewers,
      programmes,
      population: FEW_KINDS,
      startMs,
      untilMs,
    })[Symbol.iterator]();
    this.#advance(beacons);
    return beacons;
  }

  #advance(beacons: Iterator<Beacon>): void {
    const { done, value } = beacons.next();
    this.#next = done === true ? null : value;
  }

  #recordOf(event: PlaybackEvent): SpokenRecord {
    const { codec, partitions } = this.#options;
    const key = Buffer.from(event.sessionKey);
    const value = codec.encode('playback-events', event);
    return { topic: 'playback-events', partition: partitionOf(key, partitions), key, value, headers: [] };
  }
}

/** Programmes that anybody watches. */
const WATCHED_MAX = 12;
/** One CDN, two providers and devices, three players: what is kept of a cohort is there after some minutes, and grows no more. */
const FEW_KINDS: Population = {
  cdns: DEFAULT_POPULATION.cdns.slice(0, 1),
  isps: DEFAULT_POPULATION.isps.slice(0, 2),
  devices: DEFAULT_POPULATION.devices.slice(0, 2),
  players: DEFAULT_POPULATION.players.filter(({ weight }) => weight === 30 || weight === 12),
};

function eventsOf({ form, text, viewer }: Beacon, receivedAtMs: number): readonly PlaybackEvent[] {
  const context: ReportContext = {
    tenant: 'soak',
    target: '',
    receivedAtMs,
    addressHash: '',
    forbidden: [],
    device: deviceOf(viewer.device.userAgent),
    sessionKeyOf: (sessionId) => sessionId,
    programmeIdOf: (contentId) => contentId,
  };
  const read = { json: normaliseJson, 'cmcd-event': normaliseEventBody, 'cmcd-query': normaliseQuery }[form];
  return read(text, context).events;
}
