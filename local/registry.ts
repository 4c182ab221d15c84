/** Apicurio Registry as a local process: a schema registry that speaks Confluent's protocol, with its data in a file. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ClassArchive } from './class-archive.ts';
import type { Jars } from './jars.ts';
import { type Java, javaEnvironment } from './java.ts';
import { LOOPBACK } from './ports.ts';
import type { ServerSpec } from './supervisor.ts';
import { REGISTRY_PATH } from './versions.ts';

export type RegistrySetup = {
  readonly folder: string;
  readonly logPath: string;
  readonly java: Java;
  readonly jars: Jars;
  readonly archive: ClassArchive;
  readonly port: number;
};

const ATTEMPT_TIMEOUT_MS = 2_000;
const READY_MARK = 'ready';

export function localRegistryUrl(port: number): string {
  return `http://${LOOPBACK}:${port}${REGISTRY_PATH}`;
}

/** WRITE_DELAY=0: an id that was handed out is on disk, so it survives a SIGKILL. */
export function registryServer(setup: RegistrySetup): ServerSpec {
  // Interrupted while it made its tables, it never starts on them again. Nobody can have an id of it then.
  if (!existsSync(path.join(setup.folder, READY_MARK)))
    rmSync(setup.folder, { recursive: true, force: true });
  mkdirSync(setup.folder, { recursive: true });
  return {
    name: 'registry',
    command: setup.java.path,
    args: [
      '-Xmx256m',
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      ...setup.archive.flags,
      '-Djava.util.logging.manager=org.jboss.logmanager.LogManager',
      '-jar',
      setup.jars.registryJar,
    ],
    // The database is named relative to the working folder, whose path may hold what a JDBC URL cannot.
    cwd: setup.folder,
    env: {
      ...inheritedEnvironment(),
      HTTP_PORT: String(setup.port),
      QUARKUS_HTTP_HOST: LOOPBACK,
      REGISTRY_DATASOURCE_URL: 'jdbc:h2:file:./registry;WRITE_DELAY=0',
      QUARKUS_DATASOURCE_JDBC_INITIAL_SIZE: '2',
      QUARKUS_DATASOURCE_JDBC_MIN_SIZE: '2',
      QUARKUS_DATASOURCE_JDBC_MAX_SIZE: '16',
    },
    logPath: setup.logPath,
    archive: setup.archive.made,
  };
}

/** Notes that the database in `folder` is whole: from now on it is kept. */
export function markRegistryReady(folder: string): void {
  writeFileSync(path.join(folder, READY_MARK), '');
}

/**
 * Throws unless a schema registry with Confluent's protocol answers below `url`; the message says what came instead.
 * A user name and password in the URL are sent as basic authentication.
 */
export async function askRegistry(url: string, timeoutMs = ATTEMPT_TIMEOUT_MS): Promise<void> {
  const target = new URL(`${url.replace(/\/+$/, '')}/subjects`);
  const headers = new Headers({ accept: 'application/vnd.schemaregistry.v1+json, application/json' });
  if (target.username !== '') {
    const login = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`;
    headers.set('authorization', `Basic ${Buffer.from(login).toString('base64')}`);
    target.username = '';
    target.password = '';
  }
  const response = await fetch(target, { headers, signal: AbortSignal.timeout(timeoutMs) });
  const body = await response.text();
  if (!response.ok) throw new Error(`it answered ${response.status} to GET ${target.pathname}`);
  if (!isJsonList(body)) throw new Error(`GET ${target.pathname} gave no list of subjects`);
}

/** Settings of some other Quarkus or Apicurio in the user's shell are none of ours. */
function inheritedEnvironment(): Record<string, string> {
  const kept = Object.entries(javaEnvironment()).filter(
    ([name]) => !/^(QUARKUS|REGISTRY|SMALLRYE)_/.test(name),
  );
  return Object.fromEntries(kept);
}

function isJsonList(body: string): boolean {
  try {
    return Array.isArray(JSON.parse(body));
  } catch {
    return false;
  }
}
