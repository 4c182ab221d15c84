/** What workers measure, in Prometheus's terms: names end in their unit, counters in `_total`. */
import { Histogram, type Registry } from 'prom-client';
import type { Clock } from './port.ts';
import { registerCounter, registerGauge } from './prometheus.ts';
import type { WorkerMetrics } from './worker.ts';

export type WorkerMetricsCollector = {
  /** To be told of each commit of a topology. */
  observeCommit(topology: string, durationMs: number): void;
};

/**
 * Registers all of them; values are read from `workers` whenever they are asked for. Every metric has the label
 * `topology`; those of tasks have `task` as well.
 */
export function collectWorkerMetrics(
  registry: Registry,
  clock: Clock,
  workers: () => readonly WorkerMetrics[],
): WorkerMetricsCollector {
  registerTaskGauges(registry, clock, workers);
  registerCounters(registry, workers);
  registerTransactionCounters(registry, workers);
  const commits = new Histogram({
    name: 'everyview_commit_duration_seconds',
    help: 'Time that a transaction took to commit, outputs, state and position included.',
    labelNames: ['topology'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return { observeCommit: (topology, durationMs) => commits.observe({ topology }, durationMs / 1000) };
}

function registerTaskGauges(registry: Registry, clock: Clock, workers: () => readonly WorkerMetrics[]): void {
  type TaskOf = WorkerMetrics['tasks'][number];
  const ofTasks = (name: string, help: string, figureOf: (task: TaskOf) => number | null) =>
    registerGauge(registry, name, help, ['topology', 'task'], () =>
      workers().flatMap(({ topology, tasks }) =>
        tasks.flatMap((task) => {
          const value = figureOf(task);
          return value === null ? [] : [{ labels: { topology, task: task.task }, value }];
        }),
      ),
    );
  registerGauge(registry, 'everyview_tasks', 'Tasks that are open in this process.', ['topology'], () =>
    workers().map(({ topology, tasks }) => ({ labels: { topology }, value: tasks.length })),
  );
  ofTasks(
    'everyview_task_lag_records',
    'Offsets between what the task has taken and the stable end of its inputs; an upper bound, it counts markers.',
    (task) => task.lagRecords,
  );
  ofTasks(
    'everyview_task_lag_seconds',
    'How far log time at the task is behind the present; silence is ticked, so this is small where all is well.',
    ({ timeMs }) => (timeMs === 0 ? null : Math.max(0, (clock.nowMs() - timeMs) / 1000)),
  );
  ofTasks(
    'everyview_task_log_time_seconds',
    'Log time up to which the task has merged everything, Unix time.',
    ({ timeMs }) => (timeMs === 0 ? null : timeMs / 1000),
  );
  ofTasks(
    'everyview_task_queued_records',
    'Records that were read and wait for their turn in the merge.',
    (task) => task.queued,
  );
  ofTasks(
    'everyview_task_uncommitted_bytes',
    'Outputs that wait for the next transaction.',
    (task) => task.uncommittedBytes,
  );
  ofTasks('everyview_task_state_keys', 'Keys that have state.', (task) => task.stateKeys);
  ofTasks('everyview_task_timers', 'Timers that are set.', (task) => task.timers);
  registerGauge(
    registry,
    'everyview_restore_remaining_records',
    'Changelog offsets that a task which is being opened still has to read.',
    ['topology', 'task', 'store'],
    () =>
      workers().flatMap(({ topology, restoring }) =>
        restoring.map(({ task, store, remaining }) => ({
          labels: { topology, task, store },
          value: remaining,
        })),
      ),
  );
}

function registerCounters(registry: Registry, workers: () => readonly WorkerMetrics[]): void {
  const total = totalOf(registry, workers);
  const totalsBy = (
    name: string,
    help: string,
    label: string,
    countsOf: (worker: WorkerMetrics) => ReadonlyMap<string, number>,
  ) =>
    registerCounter(registry, name, help, ['topology', label], () =>
      workers().flatMap((worker) =>
        Array.from(countsOf(worker), ([reason, value]) => ({
          labels: { topology: worker.topology, [label]: reason },
          value,
        })),
      ),
    );
  total('everyview_records_in_total', 'Data records that were taken.', ({ counts }) => counts.recordsIn);
  total(
    'everyview_records_processed_total',
    'Records that no reducer left out; in = processed + left out.',
    ({ counts }) => counts.processed,
  );
  total(
    'everyview_records_left_out_total',
    'Records that were dropped, late or dead letters, each counted once.',
    ({ counts }) => counts.leftOut,
  );
  total('everyview_records_out_total', 'Records that were emitted.', ({ counts }) => counts.recordsOut);
  total(
    'everyview_control_records_total',
    'Ticks, seals and configuration records that were read.',
    ({ counts }) => counts.controls,
  );
  total(
    'everyview_records_late_total',
    'Records that came after their window had closed.',
    ({ counts }) => counts.late,
  );
  totalsBy(
    'everyview_records_dropped_total',
    'Records that a reducer left out on purpose, by its reason.',
    'reason',
    ({ counts }) => counts.dropped,
  );
  totalsBy(
    'everyview_dead_letters_total',
    'Records that could not be used, by code.',
    'code',
    ({ counts }) => counts.deadLettered,
  );
}

function registerTransactionCounters(registry: Registry, workers: () => readonly WorkerMetrics[]): void {
  const total = totalOf(registry, workers);
  total('everyview_commits_total', 'Transactions that were committed.', ({ commits }) => commits);
  total(
    'everyview_transactions_abandoned_total',
    'Transactions that failed; what was in them is done again.',
    ({ abandoned }) => abandoned,
  );
  total(
    'everyview_hanging_transactions_total',
    'Transactions that no marker had ended in some partition, finished when the task was taken over.',
    ({ hanging }) => hanging,
  );
  total(
    'everyview_aborted_records_skipped_total',
    'Input records of aborted transactions, which are never shown to a reducer.',
    ({ abortedRecords }) => abortedRecords,
  );
  total('everyview_snapshots_total', 'Snapshots that were written whole.', ({ snapshots }) => snapshots);
  total(
    'everyview_snapshots_skipped_total',
    'Snapshots that were left out because the one before was still being written.',
    ({ snapshotsSkipped }) => snapshotsSkipped,
  );
  total('everyview_retries_total', 'Failures that were met with another try.', ({ retries }) => retries);
}

/** Registers counters with one figure for each topology. */
function totalOf(registry: Registry, workers: () => readonly WorkerMetrics[]) {
  return (name: string, help: string, figureOf: (worker: WorkerMetrics) => number): void =>
    registerCounter(registry, name, help, ['topology'], () =>
      workers().map((worker) => ({ labels: { topology: worker.topology }, value: figureOf(worker) })),
    );
}
