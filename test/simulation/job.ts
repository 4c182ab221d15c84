/** A thread that runs the seeds which it is given, one after the other. */
import { parentPort } from 'node:worker_threads';
import { runSeed, type SeedResult } from './seed.ts';

export type JobRequest = { readonly seed: number; readonly events: number };
export type JobAnswer = SeedResult & { readonly tookMs: number };

parentPort?.on('message', async ({ seed, events }: JobRequest) => {
  const startedMs = performance.now();
  const result = await runSeed({ seed, events });
  const answer: JobAnswer = { ...result, tookMs: performance.now() - startedMs };
  parentPort!.postMessage(answer);
});

/** What a thread says first: the runtime under it could be loaded. */
parentPort?.postMessage('ready');
