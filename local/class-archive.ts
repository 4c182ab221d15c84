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
  /** Makes the archive that the server wrote when it ended the one to use; not for a server that was killed. */
  readonly keep: () => void;
};

/** Archive in `folder` for this Java and this class path. */
export function classArchive(folder: string, java: Java, classPath: string): ClassArchive {
  const hash = createHash('sha256')
    .update(`${java.path}\n${java.version}\n${classPath}`)
    .digest('hex')
    .slice(0, 16);
  const archive = path.join(folder, `classes-${hash}.jsa`);
  const quiet = ['-Xshare:auto', '-Xlog:cds=off', '-Xlog:cds+dynamic=off', '-Xlog:class+path=off'];
  if (existsSync(archive)) return { flags: [`-XX:SharedArchiveFile=${archive}`, ...quiet], keep: () => {} };
  if (!isWritable(folder)) return { flags: [], keep: () => {} };
  removeAbandoned(folder);
  const unfinished = `${archive}.${process.pid}`;
  return {
    flags: [`-XX:ArchiveClassesAtExit=${unfinished}`, ...quiet],
    keep: () => {
      if (existsSync(archive)) rmSync(unfinished, { force: true });
      else if (existsSync(unfinished)) renameSync(unfinished, archive);
    },
  };
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
