/** A process that cannot be taken for a later one with the same pid. */
export type ProcessRef = { readonly pid: number; readonly startToken: string };

export type LockHolder = {
  readonly what: string;
  readonly startedAt: string;
  readonly owner: ProcessRef;
  readonly processes: readonly ProcessRef[];
};

export type Lock = {
  readonly path: string;
  /** Records a process that the owner started: the lock is held for as long as it lives. */
  add(pid: number): void;
  /** Ends every recorded process that still runs; resolves when none does. */
  endProcesses(): Promise<void>;
  release(): void;
};

export type LockOptions = {
  readonly what: string;
  readonly waitMs?: number;
  readonly onWait?: (holder: string) => void;
};

export class LockHeldError extends Error {
  readonly holder: LockHolder;
}

export function startToken(pid: number): string | null;
export function processRef(pid: number): ProcessRef;
export function isAlive(ref: ProcessRef): boolean;
export function tied(command: string, args: readonly string[]): [command: string, args: string[]];
export function describeHolder(holder: LockHolder): string;
export function acquireLock(lockPath: string, options: LockOptions): Promise<Lock>;
export function addToLock(lockPath: string, pid: number): void;
export function readLock(lockPath: string): LockHolder | null;
