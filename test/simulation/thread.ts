/** Runs seeds in a thread of their own, so that one that hangs can be ended. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { JobAnswer, JobRequest } from './job.ts';
import type { Mutation } from './mutations.ts';

/** Of processor time, which is the same on a busy machine. A seed takes half a second; one that takes so long hangs. */
const SEED_CPU_MS_MAX = 60_000;
const ASK_EVERY_MS = 500;

/** The thread ended before its first seed: no finding about the runtime. */
export class NotLoaded extends Error {
  constructor(cause: unknown) {
    super(`it could not be loaded: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'NotLoaded';
  }
}

export class SeedThread {
  readonly #mutation: Mutation | null;
  readonly #cpuMsMax: number;
  #worker: Worker | null = null;

  constructor(mutation: Mutation | null = null, cpuMsMax: number = SEED_CPU_MS_MAX) {
    this.#mutation = mutation;
    this.#cpuMsMax = cpuMsMax;
  }

  /** Rejects when the seed ends by an exception or not at all; the next one gets a new thread then. */
  async run(request: JobRequest): Promise<JobAnswer> {
    try {
      return await this.#ask(await this.#loaded(), request);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = null;
  }

  async #loaded(): Promise<Worker> {
    if (this.#worker !== null) return this.#worker;
    const file = this.#mutation === null ? './job.ts' : './mutated-job.ts';
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.#mutation });
    this.#worker = worker;
    try {
      await once(worker, 'message');
    } catch (error) {
      throw new NotLoaded(error);
    }
    return worker;
  }

  async #ask(thread: Worker, request: JobRequest): Promise<JobAnswer> {
    const before = await thread.cpuUsage();
    return new Promise((resolve, reject) => {
      const end = (act: () => void): void => {
        clearInterval(timer);
        thread.off('message', onMessage).off('error', onError);
        act();
      };
      const onMessage = (answer: JobAnswer): void => end(() => resolve(answer));
      const onError = (error: unknown): void => end(() => reject(error));
      const onUsage = ({ user, system }: NodeJS.CpuUsage): void => {
        if ((user + system) / 1_000 < this.#cpuMsMax) return;
        onError(new Error(`no end within ${this.#cpuMsMax / 1_000} s of processor time`));
      };
      // one that has ended tells of it by itself
      const ask = (): void => void thread.cpuUsage(before).then(onUsage, () => {});
      const timer = setInterval(ask, ASK_EVERY_MS);
      thread.once('message', onMessage).once('error', onError);
      thread.postMessage(request);
    });
  }
}
