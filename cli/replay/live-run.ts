/** What the live tasks of a topology have committed: how far log time was, and so up to where their outputs are whole. */
import { POSITIONS_STORE } from '../../runtime/define-topology.ts';
import type { LogPort } from '../../runtime/port.ts';
import { restoreStore } from '../../runtime/restore.ts';
import type { TaskPosition } from '../../runtime/task-core.ts';
import { changelogTopic } from '../../runtime/task-inputs.ts';

/** Null when the task never committed anything. */
export async function committedPosition(
  port: LogPort,
  applicationId: string,
  task: number,
): Promise<TaskPosition | null> {
  let bytes: Uint8Array | null = null;
  await restoreStore(
    port,
    { topic: changelogTopic(applicationId, POSITIONS_STORE), partition: task },
    {
      onEntry: (_key, value) => {
        bytes = value;
      },
    },
  );
  return bytes === null ? null : (JSON.parse(Buffer.from(bytes).toString('utf8')) as TaskPosition);
}

/** Log time below which everything that the task says was committed; null when it never committed anything. */
export async function committedToMs(
  port: LogPort,
  applicationId: string,
  task: number,
): Promise<number | null> {
  return (await committedPosition(port, applicationId, task))?.timeMs ?? null;
}
