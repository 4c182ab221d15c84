/** Kafka's broker and the registry, as jars: fetched once by Maven with the versions of `versions.ts`. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import path from 'node:path';
import { acquireLock, LockHeldError } from '../bin/processes.mjs';
import { existingPart, folderError, makeFolder, partsFolder } from './folders.ts';
import { javaEnvironment, resolveMaven } from './java.ts';
import { type OnProgress, reportStep } from './progress.ts';
import { type CommandResult, runCommand } from './run-command.ts';
import { SetupError } from './setup-error.ts';
import { KAFKA_SCALA, KAFKA_VERSION, REGISTRY_VERSION } from './versions.ts';

export type Jars = {
  /** Every jar of the broker, sorted: a class path that is the same at each start. */
  readonly kafkaClassPath: string;
  readonly kafkaFolder: string;
  readonly registryJar: string;
  readonly registryFolder: string;
};

export type JarsOptions = {
  readonly dataDir: string;
  readonly allowInstall: boolean;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
};

const KAFKA_PART = `kafka-${KAFKA_VERSION}`;
const REGISTRY_PART = `registry-${REGISTRY_VERSION}`;

const POM = path.join(import.meta.dirname, 'parts.pom.xml');
/** By its whole name, so that Maven does not look up what the short one stands for; the POM pins the version. */
const DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin';
const FETCH_WAIT_MS = 900_000;

/** The jars that were fetched before, or null. */
export function existingJars(dataDir: string): Jars | null {
  const kafkaFolder = existingPart(dataDir, KAFKA_PART);
  const registryFolder = existingPart(dataDir, REGISTRY_PART);
  if (kafkaFolder === null || registryFolder === null) return null;
  const kafkaJars = jarsIn(kafkaFolder);
  const registryJar = jarsIn(registryFolder).find((name) => name.endsWith('-runner.jar'));
  if (!kafkaJars.some((name) => name.endsWith(`${KAFKA_VERSION}.jar`)) || registryJar === undefined)
    return null;
  return {
    kafkaClassPath: kafkaJars.map((name) => path.join(kafkaFolder, name)).join(path.delimiter),
    kafkaFolder,
    registryJar: path.join(registryFolder, registryJar),
    registryFolder,
  };
}

/** The jars, fetched first when they are missing. Throws `maven-missing`, `download-failed` or `data-folder`. */
export async function resolveJars(options: JarsOptions): Promise<Jars> {
  const existing = existingJars(options.dataDir);
  if (existing !== null) return existing;
  const parts = makeFolder(partsFolder(options.dataDir));
  return await reportStep(
    options.onProgress,
    'fetch Kafka and registry',
    `Kafka ${KAFKA_VERSION}, Apicurio Registry ${REGISTRY_VERSION}`,
    async (news) => {
      const lock = await lockParts(parts, news);
      try {
        return existingJars(options.dataDir) ?? (await fetchJars(parts, news, options));
      } finally {
        lock.release();
      }
    },
    () => `Kafka ${KAFKA_VERSION}, Apicurio Registry ${REGISTRY_VERSION}`,
  );
}

function jarsIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jar'))
    .sort();
}

async function lockParts(parts: string, news: (detail: string) => void) {
  try {
    return await acquireLock(path.join(parts, 'fetch.lock'), {
      what: 'fetching Kafka and the registry',
      waitMs: FETCH_WAIT_MS,
      onWait: (holder) => news(`waiting for ${holder}`),
    });
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw folderError(parts, error);
    throw new SetupError('already-running', error.message, 'end that process and start again', {
      cause: error,
    });
  }
}

async function fetchJars(parts: string, news: (detail: string) => void, options: JarsOptions): Promise<Jars> {
  const maven = await resolveMaven(options);
  const target = path.join(parts, 'fetching');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  const result = await runCommand(maven.path, mavenArguments(target, parts), {
    signal: options.signal,
    env: javaEnvironment(),
    onLine: (line) => {
      const file = /^(?:\[INFO\] )?Download(?:ing|ed) from \S+: \S*\/(\S+)/.exec(line)?.[1];
      if (file !== undefined) news(file);
      else if (line.includes('Expanding: ')) news('unpacking the registry');
    },
  });
  if (result.code !== 0) throw mavenError(result);
  for (const [from, to] of [
    ['kafka', KAFKA_PART],
    ['registry', REGISTRY_PART],
  ] as const) {
    rmSync(path.join(parts, to), { recursive: true, force: true });
    renameSync(path.join(target, from), path.join(parts, to));
  }
  rmSync(target, { recursive: true, force: true });
  const jars = existingJars(options.dataDir);
  if (jars === null) throw mavenError(result);
  return jars;
}

function mavenArguments(target: string, parts: string): readonly string[] {
  return [
    '--batch-mode',
    '--strict-checksums',
    '-Dstyle.color=never',
    ...localRepository(parts),
    '-f',
    POM,
    `-Dkafka.version=${KAFKA_VERSION}`,
    `-Dkafka.scala=${KAFKA_SCALA}`,
    `-Dregistry.version=${REGISTRY_VERSION}`,
    `-Dparts.target=${target}`,
    `${DEPENDENCY_PLUGIN}:copy-dependencies@kafka`,
    `${DEPENDENCY_PLUGIN}:unpack@registry`,
  ];
}

/**
 * Maven keeps what it fetched below the home folder that the system's user database names. This goes by HOME, as every
 * other program does; a user whose home folder cannot be written gets it among the parts.
 */
function localRepository(parts: string): readonly string[] {
  const official = officialHome();
  const home = process.env.HOME || official;
  if (home === null) return [`-Dmaven.repo.local=${path.join(parts, 'm2')}`];
  const settings = path.join(home, '.m2', 'settings.xml');
  const own = home !== official && existsSync(settings) ? ['--settings', settings] : [];
  const repository = path.join(home, '.m2', 'repository');
  try {
    makeFolder(repository);
  } catch {
    return [...own, `-Dmaven.repo.local=${path.join(parts, 'm2')}`];
  }
  return home === official ? [] : [...own, `-Dmaven.repo.local=${repository}`];
}

function officialHome(): string | null {
  try {
    return userInfo().homedir;
  } catch {
    // A user id without a name, as containers like to give.
    return null;
  }
}

function mavenError(result: CommandResult): SetupError {
  const errors = result.lines.filter((line) => /^\[ERROR\] (?!\[Help|Re-run|To see|For more)\S/.test(line));
  const untrusted = result.lines.some((line) => line.includes('PKIX path building failed'));
  return new SetupError(
    'download-failed',
    'Kafka and the registry could not be fetched by Maven',
    untrusted
      ? "Java does not trust this network's certificate: add it to Java's trust store (keytool -importcert -cacerts) and start again"
      : 'check that this machine reaches Maven Central (or the mirror in ~/.m2/settings.xml) and start again',
    { detail: (errors.length > 0 ? errors : result.lines.slice(-3)).slice(0, 2).map(shortened) },
  );
}

/** Maven's errors say the cause last. */
function shortened(line: string): string {
  return line.length <= 400 ? line : `${line.slice(0, 150)} ... ${line.slice(-250)}`;
}
