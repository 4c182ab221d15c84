/** Starts and stops local servers through `supervisor.ts`, which outlives this process just long enough to stop them. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Lock } from '../bin/processes.mjs';
import type { ServerSpec, SupervisorNews, SupervisorOrder } from './supervisor.ts';

export type Server = {
  readonly name: string;
  readonly logPath: string;
  /** Why the server ended; resolves when it does. */
  readonly ended: Promise<string>;
};

export type Supervisor = {
  start(spec: ServerSpec): Server;
  /** Ends one server; resolves when it is gone. */
  stop(server: Server): Promise<void>;
  /** Ends every server and the supervisor itself; resolves when all are gone. */
  close(): Promise<void>;
};

const SUPERVISOR = path.join(import.meta.dirname, 'supervisor.ts');
const TAIL_BYTES = 16_384;

export type SupervisorOptions = {
  readonly lock: Lock;
  readonly logsDir: string;
  /** Removed at the end, whoever ends first. */
  readonly temporaryFolder?: string | undefined;
};

/** The supervisor's pid goes into the lock before it can start anything. */
export function startSupervisor({ lock, logsDir, temporaryFolder }: SupervisorOptions): Supervisor {
  const complaints = openSync(path.join(logsDir, 'supervisor.log'), 'w');
  const args = [SUPERVISOR, lock.path, ...(temporaryFolder === undefined ? [] : [temporaryFolder])];
  const child = spawn(process.execPath, args, {
    detached: true,
    stdio: ['pipe', 'pipe', complaints],
  }) as ChildProcessByStdio<Writable, Readable, null>;
  closeSync(complaints);
  if (child.pid !== undefined) lock.add(child.pid);
  child.stdin.on('error', () => {});

  const endings = new Map<string, (reason: string) => void>();
  const gone = new Promise<void>((resolve) => {
    const end = (reason: string): void => {
      for (const ended of endings.values()) ended(reason);
      resolve();
    };
    child.once('error', (error) => end(`its supervisor did not start: ${error.message}`));
    child.once('exit', (code, signal) => end(`its supervisor ended (${signal ?? code})`));
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const news = JSON.parse(line) as SupervisorNews;
    if (news.event === 'exited') endings.get(news.name)?.(news.reason);
  });
  const order = (text: SupervisorOrder): void => {
    child.stdin.write(`${JSON.stringify(text)}\n`);
  };

  return {
    start: (spec) => {
      const ended = new Promise<string>((resolve) => endings.set(spec.name, resolve));
      order({ start: spec });
      return { name: spec.name, logPath: spec.logPath, ended };
    },
    stop: async (server) => {
      order({ stop: server.name });
      await server.ended;
    },
    close: async () => {
      child.stdin.end();
      await gone;
    },
  };
}

/** The last lines of a log, for an error message; none when there is no log. */
export function lastLogLines(logPath: string, count: number): readonly string[] {
  let file: number;
  try {
    file = openSync(logPath, 'r');
  } catch {
    return [];
  }
  try {
    const size = fstatSync(file).size;
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    return buffer
      .toString('utf8')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-count);
  } finally {
    closeSync(file);
  }
}
