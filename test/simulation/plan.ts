/** What happens in a simulation, made from its seed before it begins: what is said from outside, and what goes wrong. */
import { encodeControl } from '../../runtime/control-records.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import type { LogHeader } from '../../runtime/record-batch.ts';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { type ArmedFault, CELLS, countOne } from './faults.ts';
import { FOREIGN_SCHEMA_ID, UNKNOWN_SCHEMA_ID } from './simulated-codec.ts';
import { GRID_MS, PROGRAMMES_MAX, type SimulatedConfig, type SOURCE_TOPICS } from './topologies.ts';
import { featuresOf, playbackOf } from './values.ts';

export type PlannedRecord = {
  readonly topic: (typeof SOURCE_TOPICS)[number];
  readonly partition: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly LogHeader[];
  /** Code of the dead letter that it has to become; null for a record that can be read. */
  readonly fault: string | null;
};

export type PlannedEvent =
  | {
      readonly kind: 'append';
      readonly records: readonly PlannedRecord[];
      /** `commit` and `abort`: by an outside producer in a transaction, which stays open for `heldMs`. */
      readonly how: 'plain' | 'commit' | 'abort';
      readonly heldMs: number;
    }
  | { readonly kind: 'config'; readonly hash: string; readonly config: SimulatedConfig }
  | { readonly kind: 'start' | 'kill' | 'stop'; readonly process: number }
  /** `cut`: nothing that the process sends arrives. */
  | { readonly kind: 'freeze' | 'cut'; readonly process: number; readonly durationMs: number }
  /** One input is not answered for a while, in one process: the other one is read first. */
  | { readonly kind: 'stall'; readonly process: number; readonly topic: string; readonly durationMs: number }
  | { readonly kind: 'arm'; readonly fault: ArmedFault }
  /** A stranger takes a task's transactional id: its owner is fenced, though the group still gives it the task. */
  | { readonly kind: 'steal'; readonly task: number }
  | {
      readonly kind: 'compact';
      readonly markers: 'keep' | 'drop';
      readonly emptyBatches: 'keep' | 'last-of-producer';
    }
  | { readonly kind: 'registry-away'; readonly durationMs: number }
  | { readonly kind: 'slow-markers'; readonly delayMs: number };

export type Plan = {
  readonly seed: number;
  readonly startMs: number;
  readonly partitions: number;
  readonly processes: number;
  /** Between one fault and the next. */
  readonly pauseMs: number;
  /** How many of a thousand requests fail beside the scheduled faults. */
  readonly roughPermille: number;
  readonly limits: {
    readonly commitEveryMs: number;
    readonly queuedRecordsMax: number;
    readonly uncommittedBytesMax: number;
    readonly batchBytesMax: number;
    readonly tickEveryMs: number;
  };
  /** In order of time, ms after the start. */
  readonly timeline: readonly { readonly atMs: number; readonly event: PlannedEvent }[];
  /** Records from outside, control records included. */
  readonly records: number;
  /** How many dead letters there have to be, by code. */
  readonly deadLetters: ReadonlyMap<string, number>;
};

export type PlanOptions = { readonly seed: number; readonly events: number };

/** The same seed and size give the same plan. */
export function planOf({ seed, events }: PlanOptions): Plan {
  const random = new SeededRandom(seed);
  const startMs = T0_MS + random.below(1_000);
  const partitions = random.between(2, 4);
  const processes = random.between(1, PROCESSES_MAX + 1);
  const pauseMs = random.pick([0, 50, 300]);
  const roughPermille = random.pick([0, 0, 0, 8, 30]);
  const limits = {
    commitEveryMs: random.pick([40, 100, 250]),
    queuedRecordsMax: random.pick([4, 60, 50_000]),
    uncommittedBytesMax: random.pick([3_000, 1 << 24]),
    // small ones give transactions of many requests
    batchBytesMax: random.pick([400, 1_500, 900_000]),
    tickEveryMs: random.pick([400, 1_000]),
  };
  const said = new Conversation(random.fork('said'), startMs, partitions, events);
  const { lengthMs } = said;
  const troubles = troublesOf(random.fork('troubles'), seed, processes, lengthMs);
  const starts = Array.from({ length: processes }, (_, process) => ({
    atMs: process === 0 ? 0 : random.below(lengthMs >> 1),
    event: { kind: 'start' as const, process },
  }));
  const timeline = [...starts, ...said.timeline, ...troubles].sort((a, b) => a.atMs - b.atMs);
  const { records, deadLetters } = said;
  return {
    seed,
    startMs,
    partitions,
    processes,
    pauseMs,
    roughPermille,
    limits,
    timeline,
    records,
    deadLetters,
  };
}

const T0_MS = 1_700_000_000_000;
const PROCESSES_MAX = 4;
const ARMED_PER_SEED = 24;
/** A kind of control record that this version does not know: counted, and passed over. */
const OF_THE_FUTURE: readonly LogHeader[] = [['ev.control', Buffer.from('of the future')]];
const codec = localCodec();

type Timed = { readonly atMs: number; readonly event: PlannedEvent };

/** What outside producers say: bursts, steady talk and silence, with everything that can be wrong about a record. */
class Conversation {
  readonly timeline: Timed[] = [];
  records = 0;
  lengthMs = 0;
  readonly deadLetters = new Map<string, number>();
  readonly #random: SeededRandom;
  readonly #startMs: number;
  readonly #partitions: number;
  readonly #programmes: readonly string[];
  readonly #sessions: readonly string[];
  readonly #seq = new Map<string, number>();
  #configs = 0;

  constructor(random: SeededRandom, startMs: number, partitions: number, events: number) {
    this.#random = random;
    this.#startMs = startMs;
    this.#partitions = partitions;
    this.#programmes = names('programme', random.between(4, PROGRAMMES_MAX));
    this.#sessions = names('session', random.between(6, 40));
    while (this.records < events) this.#phase(events);
  }

  #phase(events: number): void {
    const random = this.#random;
    if (random.chance(250)) {
      this.lengthMs += random.chance(300) ? random.between(1_000, 3_000) : random.between(50, 700);
      return;
    }
    if (random.chance(60)) this.#configure();
    // now and then on the very millisecond at which timers are due
    if (random.chance(250)) this.lengthMs += GRID_MS - ((this.#startMs + this.lengthMs) % GRID_MS);
    const isBurst = random.chance(500);
    const share = random.pick([1_000, 900, 500, 500, 100, 0]);
    const bursts = isBurst ? 1 : random.between(4, 20);
    for (let i = 0; i < bursts && this.records < events; i++) {
      const size = isBurst ? random.between(20, random.chance(120) ? 600 : 120) : random.between(1, 6);
      this.#say(Math.min(size, events - this.records), share);
      this.lengthMs += isBurst ? random.below(30) : random.between(1, 40);
    }
  }

  #configure(): void {
    const random = this.#random;
    const number = this.#configs > 0 && random.chance(300) ? random.below(this.#configs) : this.#configs++;
    const config = { weight: number + 2 };
    const event: PlannedEvent = { kind: 'config', hash: `config-${number}`, config };
    this.timeline.push({ atMs: this.lengthMs, event });
    this.records += 2 * this.#partitions;
  }

  #say(size: number, share: number): void {
    const random = this.#random;
    const records: PlannedRecord[] = [];
    while (records.length < size) {
      const record = random.chance(share) ? this.#features() : this.#playback();
      records.push(random.chance(15) ? this.#spoiled(record) : record);
      if (random.chance(30)) records.push(record);
    }
    this.records += records.length;
    const how = random.chance(850) ? 'plain' : random.pick(['commit', 'abort'] as const);
    if (how === 'abort') this.records -= records.length;
    else for (const { fault } of records) if (fault !== null) countOne(this.deadLetters, fault);
    const heldMs = random.chance(500)
      ? 0
      : random.chance(800)
        ? random.between(1, 120)
        : random.between(400, 2_000);
    this.timeline.push({ atMs: this.lengthMs, event: { kind: 'append', records, how, heldMs } });
  }

  #features(): PlannedRecord {
    const random = this.#random;
    const key = random.pick(this.#programmes);
    const seq = this.#next(key);
    const event = random.chance(20) ? 'probe-lost' : random.chance(8) ? 'nonsense' : 'features';
    const seenAtMs = this.#startMs + this.lengthMs - lateness(random);
    const value = featuresOf(key, random.chance(10) ? -1 : seq, event, seenAtMs);
    const fault = event === 'nonsense' ? event : null;
    return { ...this.#record('frame-features', key, codec.encode('frame-features', value)), fault };
  }

  #playback(): PlannedRecord {
    const key = this.#random.pick(this.#sessions);
    const value = playbackOf(key, this.#next(key), this.#startMs + this.lengthMs - lateness(this.#random));
    return this.#record('playback-events', key, codec.encode('playback-events', value));
  }

  #record(topic: PlannedRecord['topic'], key: string, value: Uint8Array): PlannedRecord {
    const bytes = Buffer.from(key);
    return {
      topic,
      partition: partitionOf(bytes, this.#partitions),
      key: bytes,
      value,
      headers: [],
      fault: null,
    };
  }

  #spoiled(record: PlannedRecord): PlannedRecord {
    const value = record.value!;
    switch (this.#random.below(8)) {
      case 0:
        return { ...record, value: Buffer.from('no framing at all'), fault: 'bad-framing' };
      case 1:
        return { ...record, value: value.subarray(0, value.length >> 1), fault: 'truncated' };
      case 2:
        return { ...record, key: null, fault: 'no-key' };
      case 3:
        return { ...record, value: null, fault: 'no-value' };
      case 4:
        return { ...record, partition: (record.partition + 1) % this.#partitions, fault: 'wrong-partition' };
      case 5:
        return { ...record, value: underId(value, UNKNOWN_SCHEMA_ID), fault: 'no-such-schema' };
      case 6:
        return { ...record, value: underId(value, FOREIGN_SCHEMA_ID[record.topic]) };
      default:
        return { ...record, key: null, value: null, headers: OF_THE_FUTURE, fault: null };
    }
  }

  #next(key: string): number {
    const seq = this.#seq.get(key) ?? 0;
    this.#seq.set(key, seq + 1);
    return seq;
  }
}

/** What goes wrong. Each seed arms a stretch of the fault table, so that many seeds together cover it evenly. */
function troublesOf(random: SeededRandom, seed: number, processes: number, lengthMs: number): Timed[] {
  const timeline: Timed[] = [];
  const add = (event: PlannedEvent): void => {
    timeline.push({ atMs: random.below(lengthMs), event });
  };
  // early enough that their step comes again
  const arm = (fault: ArmedFault): void => {
    timeline.push({ atMs: random.below(Math.ceil(lengthMs * 0.7)), event: { kind: 'arm', fault } });
  };
  const anyProcess = (): number => random.below(processes);
  if (random.chance(40)) return timeline;
  for (let i = 0; i < ARMED_PER_SEED; i++) {
    const cell = CELLS[(((seed * ARMED_PER_SEED + i) % CELLS.length) * STRIDE) % CELLS.length]!;
    const isLong = cell.fault.startsWith('freeze');
    const durationMs = isLong ? random.between(200, 4_500) : random.chance(500) ? 0 : random.between(1, 300);
    arm({ ...cell, durationMs });
  }
  for (let i = random.below(7); i > 0; i--) {
    const process = anyProcess();
    const durationMs = random.between(300, 4_500);
    add(
      random.pick<PlannedEvent>([
        { kind: 'kill', process },
        { kind: 'stop', process },
        { kind: 'freeze', process, durationMs },
        { kind: 'cut', process, durationMs },
      ]),
    );
  }
  if (random.chance(150)) timeline.push(...stormOf(random, processes, random.below(lengthMs)));
  for (let i = random.below(4); i > 0; i--) {
    const topic = random.pick(['frame-features', 'playback-events', 'stream-defects', 'cohort-windows']);
    add({ kind: 'stall', process: anyProcess(), topic, durationMs: random.between(50, 1_500) });
  }
  for (let i = random.below(6); i > 0; i--) {
    const emptyBatches = random.pick(['keep', 'last-of-producer'] as const);
    add({ kind: 'compact', markers: random.pick(['keep', 'drop'] as const), emptyBatches });
  }
  for (let i = random.below(3); i > 0; i--) add({ kind: 'steal', task: random.below(1 << 16) });
  if (random.chance(300)) add({ kind: 'registry-away', durationMs: random.between(100, 1_500) });
  add({ kind: 'slow-markers', delayMs: random.pick([0, 2, 15, 60]) });
  return timeline;
}

/** Instances come and go faster than rebalances end. */
function stormOf(random: SeededRandom, processes: number, atMs: number): Timed[] {
  const timeline: Timed[] = [];
  for (let i = 0; i < 6; i++) {
    const kind = random.pick(['stop', 'start', 'kill', 'start'] as const);
    timeline.push({
      atMs: atMs + i * random.between(50, 500),
      event: { kind, process: random.below(processes) },
    });
  }
  return timeline;
}

/** Has no divisor in common with the number of cells: neighbours in time are not neighbours in the table. */
const STRIDE = 67;

function lateness(random: SeededRandom): number {
  if (random.chance(40)) return random.between(1_000, 4_000);
  return random.chance(500) ? random.below(60) : random.below(900);
}

function names(what: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${what}-${i}`);
}

/** The same value as written by somebody whose schema has another id. */
function underId(framed: Uint8Array, schemaId: number): Uint8Array {
  const copy = Buffer.from(framed);
  copy.writeUInt32BE(schemaId, 1);
  return copy;
}

export function controlOf(
  topic: PlannedRecord['topic'],
  partition: number,
  configHash: string,
): PlannedRecord {
  const headers = encodeControl({ kind: 'config-effective', configHash });
  return { topic, partition, key: null, value: null, headers, fault: null };
}
