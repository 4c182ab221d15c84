/** A log port that strikes at an exact step: the seam by which a process kills itself in the middle of its protocol. */
import type { LogPort } from '../../runtime/port.ts';

/** Requests at which a strike can be armed, in the order of a task's life. */
const STEPS = [
  'join',
  'sync',
  'heartbeat',
  'init-producer',
  'restore',
  'bounds',
  'fetch',
  'add-partitions',
  'produce',
  'group-offsets',
  'end-transaction',
] as const;
export type Step = (typeof STEPS)[number];

/** `during`: the request is on its way, and no answer has come. */
export const MOMENTS = ['before', 'during', 'after'] as const;
export type Moment = (typeof MOMENTS)[number];

export type Strike = {
  /** `kill`: SIGKILL; `suspend`: SIGSTOP, and the request goes on after SIGCONT. */
  readonly deed: 'kill' | 'suspend';
  readonly step: Step;
  readonly moment: Moment;
  /** Only in the worker of this topology; in any when null. */
  readonly topology: string | null;
  /** So many matching requests are let through first. */
  readonly skip: number;
};

/** Strikes that wait for their request; one of each is used up by it. */
export class Strikes {
  readonly #onHit: (strike: Strike) => void;
  #armed: { readonly strike: Strike; left: number }[] = [];

  /** `onHit` does the deed, and need not come back. */
  constructor(onHit: (strike: Strike) => void) {
    this.#onHit = onHit;
  }

  arm(strike: Strike): void {
    this.#armed.push({ strike, left: strike.skip });
  }

  disarm(): void {
    this.#armed = [];
  }

  /** Surrounds a request of a topology's worker with whatever strike is armed for it. */
  async at<T>(topology: string, step: Step, request: () => Promise<T>): Promise<T> {
    const armed = this.#armed.find(
      ({ strike }) => strike.step === step && (strike.topology ?? topology) === topology,
    );
    if (armed === undefined) return request();
    if (armed.left > 0) {
      armed.left -= 1;
      return request();
    }
    this.#armed = this.#armed.filter((one) => one !== armed);
    const { strike } = armed;
    if (strike.moment === 'before') this.#onHit(strike);
    const answering = request();
    if (strike.moment === 'during') {
      // long enough for the request to be written to its socket, not for the broker to answer
      answering.catch(() => undefined);
      await new Promise((resolve) => setImmediate(resolve));
      this.#onHit(strike);
    }
    const answer = await answering;
    if (strike.moment === 'after') this.#onHit(strike);
    return answer;
  }
}

export function struckPort(port: LogPort, topology: string, strikes: Strikes): LogPort {
  const at = <T>(step: Step, request: () => Promise<T>): Promise<T> => strikes.at(topology, step, request);
  return {
    describeTopics: (topics) => port.describeTopics(topics),
    createTopics: (topics) => port.createTopics(topics),
    bounds: (partitions) => at('bounds', () => port.bounds(partitions)),
    fetch: (requests, maxWaitMs, maxBytes) => {
      const step = requests.some(({ topic }) => topic.endsWith('-changelog')) ? 'restore' : 'fetch';
      return at(step, () => port.fetch(requests, maxWaitMs, maxBytes));
    },
    initProducer: (id, timeoutMs) => at('init-producer', () => port.initProducer(id, timeoutMs)),
    addPartitions: (txn, partitions) => at('add-partitions', () => port.addPartitions(txn, partitions)),
    produce: (txn, batches) => at('produce', () => port.produce(txn, batches)),
    endTransaction: (txn, outcome) => at('end-transaction', () => port.endTransaction(txn, outcome)),
    sendGroupOffsets: (txn, groupId, offsets) =>
      at('group-offsets', () => port.sendGroupOffsets(txn, groupId, offsets)),
    openTransactions: (partitions) => port.openTransactions(partitions),
    joinGroup: (request) => at('join', () => port.joinGroup(request)),
    syncGroup: (membership, assignments) => at('sync', () => port.syncGroup(membership, assignments)),
    heartbeat: (membership) => at('heartbeat', () => port.heartbeat(membership)),
    leaveGroup: (membership) => port.leaveGroup(membership),
    close: () => port.close(),
  };
}
