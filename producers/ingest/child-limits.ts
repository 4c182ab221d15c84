/**
 * What a decoder may use. Some of it the system holds (files, address space, core dumps); memory that is really held, CPU
 * time and progress are looked at from here, because a stream may run for months and a bound on all of its CPU time would
 * end it.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../runtime/port.ts';

export type ChildLimits = {
  /** Memory that it holds, MB of 1,000,000 bytes. */
  readonly memoryMb: number;
  /** CPU time without progress, ms. */
  readonly busyMs: number;
  /** Wall time without progress, ms; null where it may have nothing to do, as when a sender is waited for. */
  readonly stalledMs: number | null;
};

export type ChildProgress = {
  /** Any number that changes whenever the process gets on. */
  count(): number;
  /** It has to wait for us, so that it cannot get on. */
  isHeldUp(): boolean;
};

/**
 * The command that runs a program with what the system can hold: no core dump, no file written (pipes are none), few open
 * ones, and an address space that leaves room for libraries and for memory that is reserved and not used.
 */
export function limitedCommand(
  program: string,
  argumentList: readonly string[],
  { memoryMb }: Pick<ChildLimits, 'memoryMb'>,
): readonly [string, readonly string[]] {
  if (process.platform === 'win32') return [program, argumentList];
  const addressSpaceKb = (memoryMb + ADDRESS_SPACE_EXTRA_MB) * 1_000;
  // Not every system has every limit; those that are missing are watched from outside.
  const limits = [`-c 0`, `-f 0`, `-n ${FILES_MAX}`, `-v ${addressSpaceKb}`];
  const script = `${limits.map((limit) => `ulimit ${limit} 2>/dev/null`).join('; ')}; exec "$@"`;
  return ['/bin/sh', ['-c', script, 'sh', program, ...argumentList]];
}

/**
 * Looks at a process until `signal` aborts or it is gone. Resolves with the limit that it broke, in words, or null.
 */
export async function watchLimits(
  pid: number,
  limits: ChildLimits,
  progress: ChildProgress,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | null> {
  let count = progress.count();
  let sinceMs = clock.nowMs();
  let cpuSinceMs: number | null = null;
  for (;;) {
    await clock.sleep(LOOK_MS, signal);
    if (signal.aborted) return null;
    const usage = await usageOf(pid);
    if (usage === null || signal.aborted) return null;
    const { memoryMb, busyMs, stalledMs } = limits;
    if (usage.memoryBytes > memoryMb * 1e6) {
      return `the decoder holds more than ${memoryMb} MB of memory`;
    }
    const nowMs = clock.nowMs();
    const present = progress.count();
    cpuSinceMs ??= usage.cpuMs;
    if (present !== count || progress.isHeldUp()) {
      count = present;
      sinceMs = nowMs;
      cpuSinceMs = usage.cpuMs;
    }
    if (usage.cpuMs - cpuSinceMs > busyMs) {
      return `the decoder has used ${busyMs} ms of CPU time and nothing came of it`;
    }
    if (stalledMs !== null && nowMs - sinceMs > stalledMs) {
      return `nothing has come out of the decoder for ${stalledMs} ms`;
    }
  }
}

/** Memory held and CPU time used; null when the process is gone. */
async function usageOf(pid: number): Promise<{ memoryBytes: number; cpuMs: number } | null> {
  try {
    return process.platform === 'linux' ? await linuxUsage(pid) : await psUsage(pid);
  } catch (error) {
    // It ended while it was looked at.
    if (error instanceof Error) return null;
    throw error;
  }
}

const LOOK_MS = 500;
const FILES_MAX = 256;
const ADDRESS_SPACE_EXTRA_MB = 3_000;
/** Ticks in which Linux counts CPU time: 100 in a second wherever Node runs. */
const TICK_MS = 10;

async function linuxUsage(pid: number): Promise<{ memoryBytes: number; cpuMs: number }> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'latin1'),
    readFile(`/proc/${pid}/status`, 'latin1'),
  ]);
  // The name of the program, in parentheses, may hold anything; after it, user and system time are the 12th and 13th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const kilobytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  return { memoryBytes: kilobytes * 1_024, cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
}

function psUsage(pid: number): Promise<{ memoryBytes: number; cpuMs: number }> {
  return new Promise((resolve, reject) => {
    execFile('ps', ['-o', 'rss=,time=', '-p', String(pid)], (error, text) => {
      const [, kilobytes, time = ''] = /^\s*(\d+)\s+(\S+)/.exec(text) ?? [];
      if (error !== null || kilobytes === undefined) return reject(error ?? new Error('gone'));
      const seconds = time.split(/[:-]/).reduce((sum, part) => sum * 60 + Number(part), 0);
      resolve({ memoryBytes: Number(kilobytes) * 1_024, cpuMs: seconds * 1_000 });
    });
  });
}
