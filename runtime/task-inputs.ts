/** Opening a task: its stores and position from the changelogs, and where each of its inputs stands. */
import { POSITIONS_STORE, storesOf } from './define-topology.ts';
import { type Clock, LogError, type LogPort } from './port.ts';
import { restoreStore, type StoreProgress } from './restore.ts';
import { StateError } from './state.ts';
import type { ConfigStore, RestoreProgress } from './task.ts';
import type { TaskCore, TaskPosition } from './task-core.ts';
import { TaskInput } from './task-input.ts';
import type { Topology } from './topology.ts';
import { readUtf8 } from './utf8.ts';

export type OpeningOptions = {
  readonly port: LogPort;
  readonly clock: Clock;
  readonly applicationId: string;
  readonly topology: Topology;
  readonly task: number;
  readonly configs: ConfigStore;
  readonly onRestore: (progress: RestoreProgress) => void;
};

export function changelogTopic(applicationId: string, store: string): string {
  return `${applicationId}-${store}-changelog`;
}

/** What a task committed last; null when it never committed anything. Throws a SyntaxError where that is no JSON. */
export async function committedPosition(
  port: LogPort,
  applicationId: string,
  task: number,
  onProgress: (progress: StoreProgress) => void = () => {},
): Promise<TaskPosition | null> {
  let bytes: Uint8Array | null = null;
  await restoreStore(
    port,
    { topic: changelogTopic(applicationId, POSITIONS_STORE), partition: task },
    {
      onEntry: (_key, value) => {
        bytes = value;
      },
      onProgress,
    },
  );
  return bytes === null ? null : (JSON.parse(Buffer.from(bytes).toString('utf8')) as TaskPosition);
}

/** Restores every store and the position; whether a committed position was found. */
export async function restoreTask(core: TaskCore, options: OpeningOptions): Promise<boolean> {
  const { port, applicationId, topology, task, onRestore, configs } = options;
  for (const store of storesOf(topology)) {
    // an entry that cannot be read is no harm when a later one takes its place: compaction would have taken it away
    const refused = new Map<string, Uint8Array>();
    await restoreStore(
      port,
      { topic: changelogTopic(applicationId, store), partition: task },
      {
        onEntry: (key, value) => restoreEntry(core, refused, store, readUtf8(key, 0, key.length), value),
        onProgress: (progress) => onRestore({ store, ...progress }),
      },
    );
    for (const [key, value] of refused) core.graph.restore(store, key, value);
    core.graph.endRestore(store);
  }
  const found = await committedPosition(port, applicationId, task, (progress) =>
    onRestore({ store: POSITIONS_STORE, ...progress }),
  ).catch((cause: unknown) => {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new StateError(
      `the committed position of ${applicationId}, task ${task}, is no JSON. Delete the state and choose a position ` +
        `with: everyview reset ${topology.name}`,
      { cause },
    );
  });
  if (found === null) return false;
  if (found.configHash !== 'default' && configs.get(found.configHash) === undefined)
    await configs.fetch(found.configHash);
  core.restore(found);
  return true;
}

function restoreEntry(
  core: TaskCore,
  refused: Map<string, Uint8Array>,
  store: string,
  key: string,
  value: Uint8Array | null,
): void {
  if (refused.size > 0) refused.delete(key);
  try {
    core.graph.restore(store, key, value);
  } catch (error) {
    if (!(error instanceof StateError) || value === null) throw error;
    refused.set(key, value.slice());
  }
}

/** Where each input stands; a position outside the log is a loss that a person has to know of, never a silent reset. */
export async function inputsOf(
  core: TaskCore,
  options: OpeningOptions,
  isRestored: boolean,
): Promise<readonly TaskInput[]> {
  const { port, clock, applicationId } = options;
  const bounds = await port.bounds(core.sources.map(({ topic, partition }) => ({ topic, partition })));
  const nowMs = clock.nowMs();
  return core.sources.map((source) => {
    const bound = bounds.find((one) => one.topic === source.topic && one.partition === source.partition)!;
    if (!isRestored) source.fetchOffset = bound.start;
    if (source.fetchOffset < bound.start || source.fetchOffset > bound.highWatermark) {
      throw new LogError(
        'offset-out-of-range',
        `${applicationId} stopped at offset ${source.fetchOffset} of ${source.topic}/${source.partition}, but the log ` +
          `holds [${bound.start}, ${bound.highWatermark}): records were deleted before they were read. ` +
          `Run 'everyview reset ${options.topology.name} --to-earliest' to go on with what is left`,
      );
    }
    return new TaskInput(source, bound, nowMs);
  });
}
