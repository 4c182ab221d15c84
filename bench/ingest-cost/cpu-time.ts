/** CPU time of commands and of running processes, their children included. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** User and system time in seconds of a command and of all that it starts, by bash's `time`. Throws when it fails. */
export async function cpuSecondsOf(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  const script = 'TIMEFORMAT="%3U %3S"; time "$0" "$@" >/dev/null 2>&1';
  const child = spawn('bash', ['-c', script, command, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (part: string) => {
    text += part;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const [user, system] = text.trim().split(/\s+/).slice(-2).map(Number);
  if (code !== 0 || user === undefined || system === undefined || Number.isNaN(user + system))
    throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${text}`);
  return user + system;
}

/** The command, kept to the machine's last CPU with all that it starts. */
export function onOneCpu(command: string, args: readonly string[]): [string, readonly string[]] {
  return ['taskset', ['-c', String(availableParallelism() - 1), command, ...args]];
}

/**
 * CPU time in seconds and memory in bytes of this process and all its living descendants. Memory is resident; pages that
 * several processes share, as those of libraries, count once in all. Linux.
 */
export function familyUsage(): { readonly cpuSeconds: number; readonly memoryBytes: number } {
  const parents = new Map<number, { readonly parent: number; readonly ticks: number }>();
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    const stat = textOf(`/proc/${name}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields.length < 15) continue;
    // User and system time, its own and that of children that have ended.
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    parents.set(Number(name), { parent: Number(fields[1]), ticks });
  }
  const isMine = (pid: number): boolean => {
    if (pid === process.pid) return true;
    const parent = parents.get(pid)?.parent;
    return parent !== undefined && parent > 1 && isMine(parent);
  };
  let [ticks, memoryBytes] = [0, 0];
  for (const [pid, one] of parents) {
    if (!isMine(pid)) continue;
    ticks += one.ticks;
    const kilobytes = /^Pss:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1];
    memoryBytes += Number(kilobytes ?? 0) * 1024;
  }
  return { cpuSeconds: ticks / TICKS_PER_S, memoryBytes };
}

/** `getconf CLK_TCK`, on every Linux that there is. */
const TICKS_PER_S = 100;

/** A process may end while it is looked at. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}
