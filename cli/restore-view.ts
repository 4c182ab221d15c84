/** Tells whoever waits how far tasks are that take long to restore; nothing of those that do not. */
import type { Clock } from '../runtime/port.ts';
import type { WorkerEvent } from '../runtime/worker.ts';

/** What is over sooner is not worth a word. */
const SAY_AFTER_MS = 1_000;
const SAY_EVERY_MS = 2_000;

type Restoring = {
  readonly startedAtMs: number;
  /** When it is mentioned next. */
  dueMs: number;
  isSaid: boolean;
  store: string;
  /** Records of the stores that are done. */
  before: number;
  restored: number;
};

/** To be given every event of one topology's worker. */
export function restoreView(
  topology: string,
  clock: Clock,
  say: (text: string) => void,
): (event: WorkerEvent) => void {
  const tasks = new Map<number, Restoring>();
  return (event) => {
    const nowMs = clock.nowMs();
    if (event.kind === 'restoring') {
      const { task, store, restored, remaining, offsets } = event;
      const one = tasks.get(task) ?? begun(nowMs);
      tasks.set(task, one);
      if (one.store !== store) Object.assign(one, { store, before: one.before + one.restored });
      one.restored = restored;
      if (nowMs < one.dueMs) return;
      one.isSaid = true;
      one.dueMs = nowMs + SAY_EVERY_MS;
      const percent = offsets === 0 ? 100 : Math.floor((100 * (offsets - remaining)) / offsets);
      say(
        `restoring ${topology}, task ${task}, store ${store}: ${restored} records, ${percent} %, at most ${remaining} to go`,
      );
    } else if (event.kind === 'task-opened') {
      const one = tasks.get(event.task);
      tasks.delete(event.task);
      if (one === undefined || !one.isSaid) return;
      const records = one.before + one.restored;
      const elapsedMs = nowMs - one.startedAtMs;
      say(
        `${topology}, task ${event.task} is restored: ${records} records in ${(elapsedMs / 1_000).toFixed(1)} s, ` +
          `${Math.round((1_000 * records) / Math.max(elapsedMs, 1))} a second`,
      );
    } else if (event.kind === 'retrying') tasks.clear();
  };
}

function begun(nowMs: number): Restoring {
  return {
    startedAtMs: nowMs,
    dueMs: nowMs + SAY_AFTER_MS,
    isSaid: false,
    store: '',
    before: 0,
    restored: 0,
  };
}
