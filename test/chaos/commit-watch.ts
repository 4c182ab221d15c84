/** Watches what every task commits, as any read_committed consumer sees it: how long is there nothing new? */
import { POSITIONS_STORE } from '../../runtime/define-topology.ts';
import { LogError, type LogPort, type TopicPartition } from '../../runtime/port.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { changelogTopic } from '../../runtime/task-inputs.ts';
import type { Topology } from '../../runtime/topology.ts';
import { taskCountOf } from '../../runtime/worker.ts';
import { LogReader } from './log-reader.ts';

/** A moment, and where the tasks' commits stood then. */
export type Mark = { readonly atMs: number; readonly ends: ReadonlyMap<string, number> };

export type Recovery = {
  /** From the mark until every task had committed something that was not in the log at the mark. */
  readonly durationMs: number;
  /** Tasks that had not by the time limit: empty when all is well. */
  readonly missing: readonly string[];
};

export class CommitWatch {
  readonly #port: LogPort;
  readonly #tasks: readonly TopicPartition[];
  readonly #latest = new Map<string, number>();
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  #changed = new AbortController();

  /** `port` knows the changelogs by their full names, as it does with and without a prefix. */
  constructor(
    port: LogPort,
    topologies: readonly Topology[],
    applicationIdOf: (topology: Topology) => string,
    partitions: ReadonlyMap<string, number>,
  ) {
    this.#port = port;
    this.#tasks = topologies.flatMap((topology) => {
      const topic = changelogTopic(applicationIdOf(topology), POSITIONS_STORE);
      const tasks = taskCountOf(topology, partitions);
      return Array.from({ length: tasks }, (_, partition) => ({ topic, partition }));
    });
    const reader = new LogReader(port, this.#tasks, (at, { offset }) => {
      this.#latest.set(nameOf(at), offset);
    });
    this.#running = this.#run(reader);
    this.#running.catch(() => undefined);
  }

  get taskCount(): number {
    return this.#tasks.length;
  }

  /** Now; waits for brokers that are away, so that the mark is not before their return. */
  async mark(): Promise<Mark> {
    const atMs = systemClock.nowMs();
    for (;;) {
      try {
        const bounds = await this.#port.bounds(this.#tasks);
        const ends = new Map(bounds.map((one) => [nameOf(one), one.highWatermark]));
        return { atMs, ends };
      } catch (error) {
        if (!(error instanceof LogError) || error.kind === 'fatal') throw error;
        await systemClock.sleep(50);
      }
    }
  }

  async recoveryFrom(mark: Mark, limitMs: number): Promise<Recovery> {
    for (;;) {
      const missing = this.#tasks
        .map(nameOf)
        .filter((name) => (this.#latest.get(name) ?? -1) < (mark.ends.get(name) ?? 0));
      const durationMs = systemClock.nowMs() - mark.atMs;
      if (missing.length === 0 || durationMs > limitMs) return { durationMs, missing };
      this.#changed = new AbortController();
      await systemClock.sleep(200, this.#changed.signal);
    }
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(reader: LogReader): Promise<void> {
    while (!this.#ending.signal.aborted) {
      try {
        if (await reader.poll(200)) this.#changed.abort();
      } catch (error) {
        if (!(error instanceof LogError) || error.kind === 'fatal') throw error;
        await systemClock.sleep(100, this.#ending.signal);
      }
    }
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
