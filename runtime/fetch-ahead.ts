/** One fetch at a time, asked for before what the one before it brought is used up: the broker works while tasks step. */
import type { FetchedPartition, FetchRequest, LogPort } from './port.ts';

/** What a fetch brought, with the offset that was asked for: only there may it be added. */
export type Fetched = { readonly partition: FetchedPartition; readonly requestedOffset: number };

export class FetchAhead {
  readonly #port: LogPort;
  #requests: readonly FetchRequest[] = [];
  #fetches = 0;
  #settled: Promise<void> | null = null;
  #answer: { readonly partitions: readonly FetchedPartition[] } | { readonly error: unknown } | null = null;

  constructor(port: LogPort) {
    this.#port = port;
  }

  /** Resolves when the fetch under way was answered, or failed; null when there is none. Never rejects. */
  get settled(): Promise<void> | null {
    return this.#settled;
  }

  /**
   * Begins a fetch, unless one is under way or not taken yet, or nothing is asked for. Tasks that stand at different
   * offsets of the same partition (a broadcast) take turns: a fetch has one place in each partition.
   */
  start(requests: readonly FetchRequest[], waitMsMax: number, bytesMax: number): void {
    if (this.#settled !== null || requests.length === 0) return;
    this.#requests = onePerPartition(requests, this.#fetches);
    this.#fetches += 1;
    this.#settled = this.#port.fetch(this.#requests, waitMsMax, bytesMax).then(
      (partitions) => {
        this.#answer = { partitions };
      },
      (error: unknown) => {
        this.#answer = { error };
      },
    );
  }

  /** What the fetch brought; empty while it is under way. Throws what it failed with. */
  take(): readonly Fetched[] {
    const answer = this.#answer;
    if (answer === null) return [];
    this.#answer = null;
    this.#settled = null;
    if ('error' in answer) throw answer.error;
    return answer.partitions.flatMap((partition) => {
      const request = this.#requests.find(
        (one) => one.topic === partition.topic && one.partition === partition.partition,
      );
      return request === undefined ? [] : [{ partition, requestedOffset: request.offset }];
    });
  }
}

function onePerPartition(requests: readonly FetchRequest[], turn: number): readonly FetchRequest[] {
  const byPartition = new Map<string, FetchRequest[]>();
  for (const request of requests) {
    const name = `${request.topic}/${request.partition}`;
    const known = byPartition.get(name);
    if (known === undefined) byPartition.set(name, [request]);
    else if (known.every(({ offset }) => offset !== request.offset)) known.push(request);
  }
  return Array.from(byPartition.values(), (offsets) => offsets[turn % offsets.length]!);
}
