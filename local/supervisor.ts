/**
 * The process between EveryView and its local servers. It leads a session of its own, so neither a Ctrl-C nor the
 * SIGKILL of its parent's process group reaches it; when the pipe on its stdin closes, its parent is gone, and it
 * stops what it started. `supervised.ts` is the other end.
 *
 * Usage: node supervisor.ts LOCK_FILE [FOLDER_TO_REMOVE_AT_THE_END]
 * stdin: one `SupervisorOrder` as JSON per line; its end means stop. stdout: one `SupervisorNews` per line.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, renameSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { addToLock, isAlive, readLock, tied } from '../bin/processes.mjs';
import { type ClassArchive, keepArchive } from './class-archive.ts';

export type ServerSpec = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly logPath: string;
  /** Class archive that it writes when it ends. */
  readonly archive: ClassArchive['made'];
  /** What asks it to end; SIGTERM unless said otherwise. */
  readonly stopSignal?: 'SIGTERM' | 'SIGINT';
};

export type SupervisorOrder = { readonly start: ServerSpec } | { readonly stop: string };

export type SupervisorNews =
  | { readonly event: 'started'; readonly name: string; readonly pid: number }
  | { readonly event: 'exited'; readonly name: string; readonly reason: string };

/** A server that has not ended by then is killed. Long enough to write a class archive on a slow machine. */
const STOP_GRACE_MS = 20_000;

function main(lockPath: string, temporaryFolder: string | undefined): void {
  const running = new Map<string, { readonly child: ChildProcess; readonly spec: ServerSpec }>();
  let stopping = false;

  const tell = (news: SupervisorNews): void => {
    process.stdout.write(`${JSON.stringify(news)}\n`);
  };
  const finishWhenIdle = (): void => {
    if (!stopping || running.size > 0) return;
    releaseOrphanedLock(lockPath);
    if (temporaryFolder !== undefined) rmSync(temporaryFolder, { recursive: true, force: true });
    process.exit(0);
  };
  const start = (spec: ServerSpec): void => {
    const child = spawnServer(spec);
    running.set(spec.name, { child, spec });
    let reason: string | null = null;
    const ended = (why: string): void => {
      if (reason !== null) return;
      reason = why;
      if (spec.archive !== null && why !== 'SIGKILL') keepArchive(spec.archive);
      running.delete(spec.name);
      tell({ event: 'exited', name: spec.name, reason });
      finishWhenIdle();
    };
    child.once('error', (error) => ended(error.message));
    child.once('exit', (code, signal) => ended(signal ?? `exit code ${code}`));
    if (child.pid === undefined) return;
    addToLock(lockPath, child.pid);
    tell({ event: 'started', name: spec.name, pid: child.pid });
  };
  const stop = ({ child, spec }: { child: ChildProcess; spec: ServerSpec }): void => {
    child.kill(spec.stopSignal ?? 'SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS).unref();
  };
  const stopAll = (): void => {
    if (stopping) return;
    stopping = true;
    for (const server of running.values()) stop(server);
    finishWhenIdle();
  };

  process.stdout.on('error', () => {});
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  process.on('SIGTERM', stopAll);
  const orders = createInterface({ input: process.stdin });
  orders.on('line', (line) => {
    const order = JSON.parse(line) as SupervisorOrder;
    if ('start' in order) {
      if (!stopping) start(order.start);
      return;
    }
    const server = running.get(order.stop);
    if (server !== undefined) stop(server);
  });
  orders.once('close', stopAll);
}

/** Each start has a log of its own; the one before it is kept. */
function spawnServer(spec: ServerSpec): ChildProcess {
  try {
    renameSync(spec.logPath, `${spec.logPath}.1`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const log = openSync(spec.logPath, 'w');
  const [command, args] = tied(spec.command, spec.args);
  const child = spawn(command, args, { cwd: spec.cwd, env: spec.env, stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}

/** The parent releases its lock itself; when it was killed, nobody else does. */
function releaseOrphanedLock(lockPath: string): void {
  const lock = readLock(lockPath);
  if (lock !== null && !isAlive(lock.owner) && lock.processes.some((ref) => ref.pid === process.pid)) {
    rmSync(lockPath, { force: true });
  }
}

if (import.meta.main) main(process.argv[2]!, process.argv[3]);
