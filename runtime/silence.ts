/**
 * What a task says in the log when an input says nothing. Here a clock is asked, once: what is decided becomes a tick in
 * the log, and whoever reads the log again goes by that.
 */
import { encodeControl, SOURCE_TASK_HEADER, textHeader } from './control-records.ts';
import { isStarved } from './merge.ts';
import type { OutputRecord } from './output-buffer.ts';
import type { Clock } from './port.ts';
import type { LogHeader } from './record-batch.ts';
import type { TaskInput } from './task-input.ts';

export type SilenceOptions = {
  readonly task: number;
  readonly inputs: readonly TaskInput[];
  readonly clock: Clock;
  readonly limits: { readonly tickEveryMs: number; readonly sealWaitMs: number };
  readonly append: (record: OutputRecord) => void;
};

export class Silence {
  readonly #options: SilenceOptions;
  /** Since when the merge waits for an input. */
  #blockedSinceMs: number | null = null;

  constructor(options: SilenceOptions) {
    this.#options = options;
  }

  /** The merge goes on. */
  isOver(): void {
    this.#blockedSinceMs = null;
  }

  /** Silence is an input: an outside partition that says nothing gets a tick, stamped by the broker; how many did. */
  tickOutside(): number {
    const { inputs, clock, limits } = this.#options;
    const nowMs = clock.nowMs();
    let ticks = 0;
    for (const input of inputs) {
      const { source } = input;
      if (!source.external || !input.isAtEnd || !isStarved(source)) continue;
      if (nowMs - input.advancedAtMs < limits.tickEveryMs) continue;
      this.#tick(input, TICK, nowMs);
      ticks += 1;
    }
    return ticks;
  }

  /**
   * The merge waits, for what comes before `untilMs`. A writer that is gone would hold it up for ever: after a bound, say
   * in the log that we go on without it, as far as log time is known here. From then on about every `tickEveryMs`, until
   * the writer is back. How many ticks were written.
   */
  goOnWithout(untilMs: number): number {
    const { inputs, clock, limits, task } = this.#options;
    const nowMs = clock.nowMs();
    this.#blockedSinceMs ??= nowMs;
    const isLong = nowMs - this.#blockedSinceMs >= 2 * limits.tickEveryMs;
    const toMs = inputs.reduce((newest, input) => Math.max(newest, input.newestMs), untilMs) + 1;
    let ticks = 0;
    for (const input of inputs) {
      const { source, writers } = input;
      // of all tasks that a broadcast holds up, the one of its number speaks; the others when that does not help them
      const isOurs = !source.isBroadcast || source.partition === task;
      if (source.external || !(isOurs || isLong) || !input.isAtEnd) continue;
      for (const [index, channel] of source.channels.entries()) {
        const writer = writers[index]!;
        if (channel.head < channel.queue.length || channel.boundMs >= toMs) continue;
        if (nowMs - writer.spokenAtMs < limits.sealWaitMs) continue;
        if (nowMs - writer.tickedAtMs < limits.tickEveryMs) continue;
        writer.tickedAtMs = nowMs;
        this.#tick(input, source.channels.length === 1 ? TICK : tickFor(index), toMs);
        ticks += 1;
      }
    }
    return ticks;
  }

  #tick(input: TaskInput, headers: readonly LogHeader[], timestampMs: number): void {
    const { topic, partition } = input.source;
    this.#options.append({ topic, partition, key: null, value: null, headers, timestampMs });
    input.advancedAtMs = this.#options.clock.nowMs();
  }
}

const TICK = encodeControl({ kind: 'tick' });

/** On a repartition edge, where one writer may be gone and the others are not. */
function tickFor(writer: number): readonly LogHeader[] {
  return [...TICK, textHeader(SOURCE_TASK_HEADER, String(writer))];
}
