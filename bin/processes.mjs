/**
 * Who is running, and who holds a lock: plain JavaScript without packages, because the launcher needs it before
 * anything is installed. `processes.d.mts` gives the types.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  accessSync,
  constants,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;
/** Longer than the supervisor's own patience with a server. */
const LEFTOVER_WAIT_MS = 25_000;
const GUARD_STALE_MS = 10_000;
const STARTED_UNKNOWN = 'unknown';

/** What tells a process from a later one with the same pid; null when no such process runs (a zombie does not). */
export function startToken(pid) {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The name stands in parentheses and may hold anything: fields are counted from the last one.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? null : `${bootId()}/${fields[19]}`;
    } catch {
      return signalReaches(pid) ? STARTED_UNKNOWN : null;
    }
  }
  if (!signalReaches(pid)) return null;
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null;
  } catch {
    return null;
  }
}

export function processRef(pid) {
  return { pid, startToken: startToken(pid) ?? STARTED_UNKNOWN };
}

export function isAlive(ref) {
  const now = startToken(ref.pid);
  return now !== null && (now === ref.startToken || now === STARTED_UNKNOWN);
}

/**
 * Command line that ties a child to the life of the process that starts it, where the system can do that: the kernel
 * then sends it SIGTERM when the parent dies of anything, SIGKILL included.
 */
export function tied(command, args) {
  setprivPath ??= findSetpriv();
  return setprivPath === '' ? [command, args] : [setprivPath, ['--pdeathsig', 'TERM', command, ...args]];
}

export class LockHeldError extends Error {
  constructor(lockPath, holder) {
    super(`${lockPath} is held by ${describeHolder(holder)}`);
    this.name = 'LockHeldError';
    this.holder = holder;
  }
}

export function describeHolder(holder) {
  return `process ${holder.owner.pid} (${holder.what}, since ${holder.startedAt})`;
}

/**
 * Takes the lock file. A lock whose owner is dead is taken over, once the processes that the owner had started have
 * been ended too. Throws LockHeldError while the owner lives, unless `waitMs` allows to wait for it.
 */
export async function acquireLock(lockPath, { what, waitMs = 0, onWait = () => {} }) {
  mkdirSync(path.dirname(lockPath), { recursive: true });
  const mine = {
    id: randomUUID(),
    what,
    startedAt: new Date().toISOString(),
    owner: processRef(process.pid),
    processes: [],
  };
  const deadlineMs = Date.now() + waitMs;
  for (;;) {
    if (createWhole(lockPath, mine)) return lockHandle(lockPath, mine);
    await sleep(POLL_MS / 5);
    const holder = readLock(lockPath);
    if (holder === null) continue;
    if (isAlive(holder.owner)) {
      if (Date.now() >= deadlineMs) throw new LockHeldError(lockPath, holder);
      onWait(describeHolder(holder));
      await sleep(POLL_MS);
      continue;
    }
    if (holder.processes.some(isAlive)) {
      onWait(`what ${describeHolder(holder)} left behind`);
      await endLeftovers(holder, lockPath);
    }
    removeStale(lockPath, holder);
  }
}

/** Records a further process in the lock; only one process at a time may do that. */
export function addToLock(lockPath, pid) {
  const lock = readLock(lockPath);
  if (lock === null) return;
  lock.processes.push(processRef(pid));
  const temporary = `${lockPath}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(lock));
  renameSync(temporary, lockPath);
}

/** The lock's content, or null when there is none (or none that was written whole). */
export function readLock(lockPath) {
  try {
    const lock = JSON.parse(readFileSync(lockPath, 'utf8'));
    return typeof lock?.owner?.pid === 'number' && Array.isArray(lock.processes)
      ? lock
      : brokenLock(lockPath);
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    if (error instanceof SyntaxError) return brokenLock(lockPath);
    throw error;
  }
}

let cachedBootId;
let setprivPath;

function bootId() {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return cachedBootId;
}

function signalReaches(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function findSetpriv() {
  if (process.platform !== 'linux') return '';
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    const candidate = path.join(folder, 'setpriv');
    try {
      accessSync(candidate, constants.X_OK);
      execFileSync(candidate, ['--pdeathsig', 'TERM', process.execPath, '--version'], { stdio: 'ignore' });
      return candidate;
    } catch {
      // Not there, or too old for --pdeathsig: the next folder may have a better one.
    }
  }
  return '';
}

/** A lock that a crash of the whole machine left unreadable belongs to nobody. */
function brokenLock(lockPath) {
  return {
    what: 'unreadable',
    startedAt: statSync(lockPath).mtime.toISOString(),
    owner: { pid: 2 ** 30, startToken: STARTED_UNKNOWN },
    processes: [],
  };
}

/** Creates the file with its content in one step, so that no reader ever sees half of it; false when it exists. */
function createWhole(lockPath, content) {
  const temporary = `${lockPath}.${process.pid}.new`;
  writeFileSync(temporary, JSON.stringify(content));
  try {
    linkSync(temporary, lockPath);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function lockHandle(lockPath, mine) {
  const isMine = (lock) => lock?.id === mine.id;
  return {
    path: lockPath,
    add: (pid) => addToLock(lockPath, pid),
    endProcesses: async () => {
      const lock = readLock(lockPath);
      if (isMine(lock)) await endLeftovers(lock, lockPath);
    },
    release: () => {
      if (isMine(readLock(lockPath))) rmSync(lockPath, { force: true });
    },
  };
}

/** SIGTERM to each, time to end, then SIGKILL. */
async function endLeftovers(holder, lockPath) {
  const deadlineMs = Date.now() + LEFTOVER_WAIT_MS;
  for (let signal = 'SIGTERM'; holder.processes.some(isAlive); await sleep(POLL_MS)) {
    if (signal !== null) {
      for (const ref of holder.processes.filter(isAlive)) signalLeftover(ref, signal, lockPath, holder);
    }
    signal = Date.now() >= deadlineMs ? 'SIGKILL' : null;
  }
}

function signalLeftover(ref, signal, lockPath, holder) {
  try {
    process.kill(ref.pid, signal);
  } catch (error) {
    if (error.code === 'EPERM') throw new LockHeldError(lockPath, { ...holder, owner: ref });
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Two starters may find the same stale lock: only the one that holds the guard removes it, and looks once more. */
function removeStale(lockPath, stale) {
  const guardPath = `${lockPath}.guard`;
  if (!createWhole(guardPath, { pid: process.pid })) {
    try {
      if (Date.now() - statSync(guardPath).mtimeMs > GUARD_STALE_MS) rmSync(guardPath, { force: true });
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
    return;
  }
  try {
    const now = readLock(lockPath);
    if (now !== null && now.id === stale.id && now.startedAt === stale.startedAt) {
      rmSync(lockPath, { force: true });
    }
  } finally {
    rmSync(guardPath, { force: true });
  }
}
