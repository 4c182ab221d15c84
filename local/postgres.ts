/**
 * PostgreSQL for the tables: the one that POSTGRES_URL names, or one on this machine, as a real process that lives
 * exactly as long as this one, whatever it dies of, and keeps its data in one folder.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import {
  acquireLock,
  describeHolder,
  isAlive,
  type Lock,
  LockHeldError,
  readLock,
} from '../bin/processes.mjs';
import { checkFreeSpace, folderError } from './folders.ts';
import { choosePort, LOOPBACK } from './ports.ts';
import {
  ADMIN_ROLE,
  makeServerFolder,
  type Programs,
  postgresPrograms,
  postgresServer,
  prepareData,
  type ServerUser,
  serverUser,
} from './postgres-server.ts';
import { type OnProgress, reportStep } from './progress.ts';
import { interrupted, SetupError } from './setup-error.ts';
import { lastLogLines, type Server, type Supervisor, startSupervisor } from './supervised.ts';

export type Postgres = {
  /** Connection URL of the owner of the tables. Holds a password: never print it, see {@link shownAddress}. */
  readonly url: string;
  /** Password for the role that dashboards read with; null where the server's administrator looks after roles. */
  readonly dashboardPassword: string | null;
  /** Host, port and database, to be shown. */
  readonly address: string;
  readonly isLocal: boolean;
  /** Resolves when a local server ends that nobody stopped; never rejects. */
  readonly broken: Promise<SetupError>;
  /** Ends what this call started; resolves when nothing is left. Safe to call twice. */
  stop(): Promise<void>;
};

export type LocalPostgresOptions = {
  /** The database is in its folder `postgres`, so that Kafka's data may lie beside it. */
  readonly dataDir: string;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
  /** For tests: a random port, not durable, and the folder is removed at the end. */
  readonly ephemeral?: boolean;
  /** False forces nothing to disk: for tests, which survive no crash of the machine. */
  readonly durable?: boolean;
};

export type ResolvePostgresOptions = LocalPostgresOptions & { readonly env?: NodeJS.ProcessEnv };

/** What a durable folder tries first: PostgreSQL's usual port, moved out of the way. */
const PREFERRED_POSTGRES_PORT = 25_432;
/** Name of the database and of the role that owns the tables in it. */
const DATABASE = 'everyview';

/** `POSTGRES_URL` where it is set, which must answer; else a server on this machine. Throws a {@link SetupError}. */
export async function resolvePostgres(options: ResolvePostgresOptions): Promise<Postgres> {
  const url = givenPostgres(options.env ?? process.env);
  if (url === null) return await startLocalPostgres(options);
  await reportStep(options.onProgress, 'reach PostgreSQL', shownAddress(url), () => checkPostgres(url));
  return {
    url,
    dashboardPassword: null,
    address: shownAddress(url),
    isLocal: false,
    broken: new Promise(() => {}),
    stop: async () => {},
  };
}

/**
 * Starts PostgreSQL and resolves when the owner's database can be used. The first start in a folder makes it, with
 * random passwords. Throws a {@link SetupError}; nothing runs then, and a second call starts afresh.
 */
export async function startLocalPostgres(options: LocalPostgresOptions): Promise<Postgres> {
  const folder = path.join(options.dataDir, 'postgres');
  makeServerFolder(folder);
  checkFreeSpace(folder);
  const lock = await lockFolder(folder);
  let run: Run | null = null;
  try {
    const programs = postgresPrograms();
    const user = serverUser(folder, programs);
    const secrets = ownSecrets(folder);
    const ephemeral = options.ephemeral ?? false;
    const isDurable = options.durable ?? !ephemeral;
    const supervisor = startSupervisor({
      lock,
      logsDir: folder,
      temporaryFolder: ephemeral ? options.dataDir : undefined,
    });
    const logPath = path.join(folder, 'postgres.log');
    run = {
      ...options,
      folder,
      lock,
      programs,
      user,
      secrets,
      ephemeral,
      isDurable,
      supervisor,
      logPath,
      closing: null,
    };
    const { port, server } = await reportStep(
      options.onProgress,
      'start PostgreSQL',
      'PostgreSQL',
      () => startServer(run!),
      (started) => `PostgreSQL at ${LOOPBACK}:${started.port}`,
    );
    return handleOf(run, port, server);
  } catch (error) {
    if (run !== null) await closeRun(run);
    lock.release();
    throw options.signal?.aborted ? interrupted() : folderError(folder, error);
  }
}

/** The local server that a living process runs on this data folder; null when there is none. */
export function runningPostgres(
  dataDir: string,
): { readonly url: string; readonly dashboardPassword: string } | null {
  const folder = path.join(dataDir, 'postgres');
  const lock = readLock(path.join(folder, 'lock.json'));
  const port = rememberedPort(folder);
  const secrets = readSecrets(folder);
  if (lock === null || !isAlive(lock.owner) || port === undefined || secrets === null) return null;
  return { url: ownerUrl(port, secrets.ownerPassword), dashboardPassword: secrets.dashboardPassword };
}

/** `POSTGRES_URL`, null when it is not set. Throws `bad-address` for what is no such URL. */
export function givenPostgres(env: NodeJS.ProcessEnv): string | null {
  const given = env.POSTGRES_URL?.trim();
  if (given === undefined || given === '') return null;
  const url = URL.parse(given);
  const isPostgres = url?.protocol === 'postgres:' || url?.protocol === 'postgresql:';
  if (url !== null && isPostgres && url.hostname !== '' && url.pathname.length > 1) return given;
  // What was given is not repeated: it may hold a password in some odd place.
  throw new SetupError(
    'bad-address',
    'POSTGRES_URL is not the URL of a PostgreSQL database',
    'write it as postgres://USER:PASSWORD@HOST:5432/DATABASE',
  );
}

/** Throws `postgres-unreachable` unless the database answers and lets this user in. */
export async function checkPostgres(url: string): Promise<void> {
  try {
    await withClient(url, (client) => client.query('SELECT 1'));
  } catch (error) {
    throw new SetupError(
      'postgres-unreachable',
      `no PostgreSQL can be used at ${shownAddress(url)} (${messageOf(error)})`,
      'start that server, correct POSTGRES_URL, or unset it to run a local one',
      { cause: error },
    );
  }
}

/** Host, port and database of a URL, without user and password. */
export function shownAddress(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `${hostname}:${port === '' ? '5432' : port}${pathname}`;
}

type Secrets = {
  readonly adminPassword: string;
  readonly ownerPassword: string;
  readonly dashboardPassword: string;
};

type Run = LocalPostgresOptions & {
  readonly folder: string;
  readonly lock: Lock;
  readonly programs: Programs;
  readonly user: ServerUser;
  readonly secrets: Secrets;
  readonly ephemeral: boolean;
  readonly isDurable: boolean;
  readonly supervisor: Supervisor;
  readonly logPath: string;
  closing: Promise<void> | null;
};

type Started = { readonly port: number; readonly server: Server };

/** Recovery after a crash may have much to read. */
const READY_TIMEOUT_MS = 120_000;
const CONNECT_TIMEOUT_MS = 6_000;
const POLL_MS = 40;
const WRONG_PASSWORD = '28P01';
const TRIES = 5;
const AGAIN_AFTER_MS = 300;
const PORT_TAKEN = /Address already in use|could not bind/;
/** A server that was killed: its children need a moment to notice. */
const STILL_ENDING = /pre-existing shared memory block|lock file .* already exists/;

async function lockFolder(folder: string): Promise<Lock> {
  try {
    return await acquireLock(path.join(folder, 'lock.json'), {
      what: ['everyview', ...process.argv.slice(2)].join(' ').slice(0, 100),
    });
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw folderError(folder, error);
    throw new SetupError(
      'already-running',
      `the database in ${folder} is in use by ${describeHolder(error.holder)}`,
      'stop that process, or set EVERYVIEW_DATA_DIR to another folder for a second one',
      { cause: error },
    );
  }
}

async function startServer(run: Run): Promise<Started> {
  await prepareData({ ...run, adminPassword: run.secrets.adminPassword });
  let wanted = run.ephemeral ? undefined : (rememberedPort(run.folder) ?? PREFERRED_POSTGRES_PORT);
  for (let attempt = 1; ; attempt++) {
    if (run.closing !== null || run.signal?.aborted) throw interrupted();
    const port = await choosePort(wanted, new Set());
    const spec = postgresServer({ ...run, port });
    const server = run.supervisor.start(spec);
    const failure = await readiness(run, server, port);
    if (failure === null) {
      writeFileSync(portFile(run.folder), `${port}\n`);
      return { port, server };
    }
    const lines = lastLogLines(run.logPath, 200);
    const isPortTaken = lines.some((line) => PORT_TAKEN.test(line));
    if (attempt === TRIES || !(isPortTaken || lines.some((line) => STILL_ENDING.test(line))))
      throw serverError(run, failure);
    if (isPortTaken) wanted = undefined;
    else await sleep(AGAIN_AFTER_MS);
  }
}

/** Null when the owner's database can be used; why not, when the server ends or says nothing for too long. */
async function readiness(run: Run, server: Server, port: number): Promise<string | null> {
  const state: { ended: string | null } = { ended: null };
  void server.ended.then((reason) => {
    state.ended = reason;
  });
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  const adminUrl = `postgres://${ADMIN_ROLE}:${run.secrets.adminPassword}@${LOOPBACK}:${port}/postgres`;
  for (;;) {
    try {
      await withClient(adminUrl, (client) => ensureOwner(client, run.secrets.ownerPassword));
      return null;
    } catch (error) {
      if (run.closing !== null || run.signal?.aborted) throw interrupted();
      if (state.ended !== null) return `did not start (${state.ended})`;
      if ((error as { code?: unknown }).code === WRONG_PASSWORD)
        return `does not take the passwords in ${secretsFile(run.folder)}, which are not those that it was made with`;
      if (performance.now() > deadlineMs)
        return `gave no answer for ${READY_TIMEOUT_MS / 1000} s (${messageOf(error)})`;
    }
    await sleep(POLL_MS);
  }
}

/** The role that owns the tables may make roles, but is no superuser. */
async function ensureOwner(client: Client, password: string): Promise<void> {
  const role = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [DATABASE]);
  const verb = role.rowCount === 0 ? 'CREATE' : 'ALTER';
  // Passwords are hexadecimal digits: nothing to quote.
  await client.query(`${verb} ROLE ${DATABASE} LOGIN CREATEROLE PASSWORD '${password}'`);
  const database = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
  if (database.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE} OWNER ${DATABASE}`);
}

function serverError(run: Run, what: string): SetupError {
  return new SetupError(
    'postgres-failed',
    `PostgreSQL ${what}`,
    `its whole log is ${run.logPath}; to start afresh, set EVERYVIEW_DATA_DIR to a new folder`,
    { detail: lastLogLines(run.logPath, 8) },
  );
}

function handleOf(run: Run, port: number, server: Server): Postgres {
  const url = ownerUrl(port, run.secrets.ownerPassword);
  return {
    url,
    dashboardPassword: run.secrets.dashboardPassword,
    address: shownAddress(url),
    isLocal: true,
    broken: new Promise((resolve) => {
      void server.ended.then((reason) => {
        if (run.closing === null) resolve(serverError(run, `ended while it was needed (${reason})`));
      });
    }),
    stop: () => closeRun(run),
  };
}

function closeRun(run: Run): Promise<void> {
  run.closing ??= (async () => {
    await run.supervisor.close();
    // Nothing is left unless the supervisor itself was killed.
    await run.lock.endProcesses();
    run.lock.release();
    if (run.ephemeral) rmSync(run.dataDir, { recursive: true, force: true });
  })();
  return run.closing;
}

function ownerUrl(port: number, password: string): string {
  return `postgres://${DATABASE}:${password}@${LOOPBACK}:${port}/${DATABASE}`;
}

function portFile(folder: string): string {
  return path.join(folder, 'port');
}

function rememberedPort(folder: string): number | undefined {
  const port = Number(textOf(portFile(folder)));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/** Read by nobody but this user; made once, because the database knows them. */
function ownSecrets(folder: string): Secrets {
  const known = readSecrets(folder);
  if (known !== null) return known;
  const password = (): string => randomBytes(24).toString('hex');
  const secrets = { adminPassword: password(), ownerPassword: password(), dashboardPassword: password() };
  const file = secretsFile(folder);
  writeFileSync(`${file}.new`, `${JSON.stringify(secrets)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return secrets;
}

function readSecrets(folder: string): Secrets | null {
  const text = textOf(secretsFile(folder));
  return text === null ? null : (JSON.parse(text) as Secrets);
}

function secretsFile(folder: string): string {
  return path.join(folder, 'secrets.json');
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw folderError(path.dirname(file), error);
  }
}

async function withClient(url: string, use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A connection that breaks while nothing is asked of it has nobody else to tell.
  client.on('error', () => {});
  try {
    await client.connect();
    await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message;
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
