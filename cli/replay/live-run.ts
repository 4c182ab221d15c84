/** Up to where what the live tasks of a topology say is whole. */
import type { LogPort } from '../../runtime/port.ts';
import { committedPosition } from '../../runtime/task-inputs.ts';

/** Log time below which everything that the task says was committed; null when it never committed anything. */
export async function committedToMs(
  port: LogPort,
  applicationId: string,
  task: number,
): Promise<number | null> {
  return (await committedPosition(port, applicationId, task))?.timeMs ?? null;
}
