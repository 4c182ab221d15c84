/**
 * Proves that what the topologies said live is what their recorded inputs lead to: each task runs once more over the log,
 * and its outputs are held against the recorded ones. Each topology is judged on its recorded inputs, so that a fault is
 * found where it is, and ticks that stand in derived inputs count as they did live.
 */
import { applicationIdOf } from '../../runtime/deploy.ts';
import type { LogFeed } from '../../runtime/log-feed.ts';
import { LogError, type TopicPartition } from '../../runtime/port.ts';
import { type ReplayedTask, type ReplayStart, replayTask } from '../../runtime/replay.ts';
import type { Topology } from '../../runtime/topology.ts';
import { taskCountOf } from '../../runtime/worker.ts';
import { committedToMs } from './live-run.ts';
import { type Difference, OutputCheck, unreadable } from './output-check.ts';
import type { ReplayOptions } from './replay-options.ts';

export type AuditedTask = {
  readonly topology: string;
  readonly task: number;
  /** Null when what it needs cannot be read. */
  readonly start: ReplayStart | null;
  /** Log time up to which was compared, exclusive; the live task had committed no more, or the log ends. */
  readonly comparedToMs: number;
  readonly recordsIn: number;
  /** Output records that are equal, control records included. */
  readonly compared: number;
  /** Output records of keys that began before the warm-up. */
  readonly leftOut: number;
  readonly difference: Difference | null;
};

export async function audit(options: ReplayOptions): Promise<readonly AuditedTask[]> {
  const audited: AuditedTask[] = [];
  for (const topology of options.topologies) {
    const tasks = taskCountOf(topology, options.partitions);
    for (let task = 0; task < tasks; task++) {
      const one = await auditTask(options, topology, task);
      if (one !== null) audited.push(one);
    }
  }
  return audited;
}

/** Null when the task never committed anything. */
async function auditTask(
  options: ReplayOptions,
  topology: Topology,
  task: number,
): Promise<AuditedTask | null> {
  const { port, codec, partitions, fromMs, signal, onProgress } = options;
  const applicationId = applicationIdOf(topology);
  const liveToMs = await committedToMs(port, applicationId, task);
  if (liveToMs === null) return null;
  const toMs = Math.min(options.toMs, liveToMs);
  const check = await OutputCheck.open({ port, codec, topology, task, partitions, fromMs, toMs });
  let damage: UnreadableInput | null = null;
  let replayed: ReplayedTask | null = null;
  try {
    replayed = await replayTask({
      ...options,
      topology,
      applicationId,
      task,
      toMs,
      feedOf: namingDamage,
      onOutput: (draft) => check.add(draft),
      onTurn: async (turn) => {
        signal.throwIfAborted();
        onProgress({ topology: topology.name, task, timeMs: turn.timeMs });
        await check.onTurn(turn);
      },
    });
  } catch (error) {
    if (!(error instanceof UnreadableInput)) throw error;
    damage = error;
  }
  const completeToMs = Math.min(replayed?.completeToMs ?? fromMs, toMs);
  if (replayed !== null) await check.end(completeToMs);
  return {
    topology: topology.name,
    task,
    start: replayed?.start ?? null,
    comparedToMs: Math.max(fromMs, completeToMs),
    recordsIn: replayed?.records ?? 0,
    compared: check.compared,
    leftOut: check.leftOut,
    difference:
      check.difference ?? (damage === null ? null : unreadable(topology, task, damage.at, damage.message)),
  };
}

/** An input of a task is damaged in the log: what it led to live cannot be computed any more. */
class UnreadableInput extends Error {
  readonly at: TopicPartition;

  constructor(at: TopicPartition, cause: LogError) {
    super(cause.message, { cause });
    this.at = at;
  }
}

function namingDamage(at: TopicPartition, recorded: LogFeed): LogFeed {
  return {
    async more() {
      try {
        return await recorded.more();
      } catch (error) {
        if (error instanceof LogError && error.code === 'corrupt-batch') throw new UnreadableInput(at, error);
        throw error;
      }
    },
  };
}
