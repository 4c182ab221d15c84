/** Runs a short-lived program of the set-up (java -version, mvn, apt-get, pip, ffmpeg -version) to its end. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { tied } from '../bin/processes.mjs';
import { interrupted } from './setup-error.ts';

export type CommandOptions = {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Every line of stdout and stderr, as it comes. */
  readonly onLine?: (line: string) => void;
};

/** `code` is null when the program could not be started or a signal ended it. */
export type CommandResult = {
  readonly code: number | null;
  readonly notFound: boolean;
  readonly timedOut: boolean;
  /** stdout and stderr in the order in which they came. */
  readonly lines: readonly string[];
};

const LINES_MAX = 5_000;
const NOT_FOUND_EXIT = 127;
const KILL_AFTER_MS = 3_000;

/**
 * Never throws for what the program does: look at `code`. Aborting `signal` ends the program with everything that it
 * started and rejects with an `interrupted` {@link SetupError}.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  if (options.signal?.aborted) throw interrupted();
  const [file, argv] = tied(command, args);
  const child = spawn(file, argv, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const take = (line: string): void => {
    if (lines.length === LINES_MAX) lines.shift();
    lines.push(line);
    options.onLine?.(line);
  };
  createInterface({ input: child.stdout }).on('line', take);
  createInterface({ input: child.stderr }).on('line', take);

  let timedOut = false;
  const end = (): void => endGroup(child.pid);
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, options.timeoutMs ?? 2_147_483_647);
  options.signal?.addEventListener('abort', end, { once: true });
  const outcome = await new Promise<{ code: number | null; notFound: boolean }>((resolve) => {
    child.once('error', () => resolve({ code: null, notFound: true }));
    child.once('close', (code) => resolve({ code, notFound: code === NOT_FOUND_EXIT }));
  });
  clearTimeout(timer);
  options.signal?.removeEventListener('abort', end);
  if (options.signal?.aborted) throw interrupted();
  return { ...outcome, timedOut, lines };
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  signalGroup(pid, 'SIGTERM');
  setTimeout(() => signalGroup(pid, 'SIGKILL'), KILL_AFTER_MS).unref();
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
