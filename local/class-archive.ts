/**
 * Class data sharing (JEP 350): the first run of a server writes an archive of its loaded classes when it ends, and
 * later runs start in half the time with it. Java leaves an archive alone that does not fit.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { startToken } from '../bin/processes.mjs';
import type { Java } from './java.ts';

export type ClassArchive = {
  /** For Java's command line. */
  readonly flags: readonly string[];
  /** The file that the server writes when it ends, and its name once it is whole; null when it writes none. */
  readonly made: { readonly unfinished: string; readonly finished: string } | null;
};

/** Archive in `folder` for this Java and this class path. */
export function classArchive(folder: string, java: Java, classPath: string): ClassArchive {
  const hash = createHash('sha256')
    .update(`${java.path}\n${java.version}\n${classPath}`)
    .digest('hex')
    .slice(0, 16);
  const finished = path.join(folder, `classes-${hash}.jsa`);
  const quiet = ['-Xshare:auto', '-Xlog:cds=off', '-Xlog:cds+dynamic=off', '-Xlog:class+path=off'];
  if (existsSync(finished)) return { flags: [`-XX:SharedArchiveFile=${finished}`, ...quiet], made: null };
  if (!isWritable(folder)) return { flags: [], made: null };
  removeAbandoned(folder);
  const unfinished = `${finished}.${process.pid}`;
  return { flags: [`-XX:ArchiveClassesAtExit=${unfinished}`, ...quiet], made: { unfinished, finished } };
}

/** Puts the archive in its place, after its server has ended by itself; the first one to get there stays. */
export function keepArchive({ unfinished, finished }: NonNullable<ClassArchive['made']>): void {
  if (existsSync(finished)) rmSync(unfinished, { force: true });
  else if (existsSync(unfinished)) renameSync(unfinished, finished);
}

/** What a start left behind that was killed before it could keep its archive. */
function removeAbandoned(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /\.jsa\.(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && startToken(Number(pid)) === null)
      rmSync(path.join(folder, name), { force: true });
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
