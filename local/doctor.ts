/** What of the set-up is there on this machine, what is missing, and the line that installs or mends it. */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import { describeHolder, isAlive, readLock } from '../bin/processes.mjs';
import { messageOf } from '../schemas/errors.ts';
import { canInstallPackages } from './apt.ts';
import { askFfmpeg, FFMPEG_FIX, findFfmpeg } from './ffmpeg.ts';
import { findOnPath } from './find-on-path.ts';
import { checkFreeSpace, dataFolder, freeBytes, makeFolder, REPOSITORY } from './folders.ts';
import { existingJars } from './jars.ts';
import { findJavas, findMaven, isNewEnough, JAVA_FIX, MAVEN_FIX } from './java.ts';
import { choosePorts, isPortFree, LOOPBACK, PREFERRED_PORTS, rememberedPorts } from './ports.ts';
import { checkKafka, checkRegistry, givenBrokers, givenRegistry, maskedUrl } from './resolve.ts';
import { SetupError } from './setup-error.ts';
import { JAVA_MAJOR_MIN, KAFKA_VERSION, NODE_MAJOR_MIN, REGISTRY_VERSION } from './versions.ts';

/**
 * `missing`: not there, and needed before anything can run. `optional`: not there, and nothing needs it, or the next
 * start gets it by itself. `broken`: there, but it cannot be used.
 */
export type CheckStatus = 'ok' | 'missing' | 'broken' | 'optional';

export type Check = {
  readonly name: string;
  readonly status: CheckStatus;
  readonly detail: string;
  /** The line that installs or mends it; empty when there is nothing to do. */
  readonly fix: string;
};

/** Looks at everything and changes nothing, except that the data folder is made. Never throws for what it finds. */
export async function doctor(env: NodeJS.ProcessEnv = process.env): Promise<readonly Check[]> {
  const checks: readonly (readonly [string, () => Promise<Check> | Check])[] = [
    ['node', checkNode],
    ['npm packages', checkPackages],
    ['java', async () => onlyForLocal(env, await checkJava(env))],
    ['maven', async () => onlyForLocal(env, await checkMaven(env))],
    ['ffmpeg', () => checkFfmpeg(env)],
    ['Kafka and registry', () => checkJars(env)],
    ['data folder', () => checkDataFolder(env)],
    ['ports', () => checkPorts(env)],
    ['docker', checkDocker],
    ['kcat', checkKcat],
    ['KAFKA_BROKERS', () => checkGivenKafka(env)],
    ['SCHEMA_REGISTRY_URL', () => checkGivenRegistry(env)],
  ];
  return await Promise.all(
    checks.map(async ([name, check]) => {
      try {
        return await check();
      } catch (error) {
        if (error instanceof SetupError) return broken(name, error.message, error.fix);
        throw error;
      }
    }),
  );
}

/** Whether nothing stands in the way of a start. */
export function isHealthy(checks: readonly Check[]): boolean {
  return checks.every((check) => check.status === 'ok' || check.status === 'optional');
}

/** One line per check, and below it the line that mends it. */
export function renderDoctor(checks: readonly Check[]): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  const lines = checks.flatMap((check) => {
    const line = `${check.status.padEnd(8)}  ${check.name.padEnd(width)}  ${check.detail}`.trimEnd();
    return check.fix === '' ? [line] : [line, `${' '.repeat(8)}  ${' '.repeat(width)}  -> ${check.fix}`];
  });
  const bad = checks.filter((check) => check.status === 'missing' || check.status === 'broken');
  const verdict =
    bad.length === 0 ? 'Ready: npm start' : `Not ready: ${bad.map((check) => check.name).join(', ')}`;
  return [...lines, '', verdict].join('\n');
}

const DOCKER_TIMEOUT_MS = 2_000;

function ok(name: string, detail: string): Check {
  return { name, status: 'ok', detail, fix: '' };
}

function broken(name: string, detail: string, fix: string): Check {
  return { name, status: 'broken', detail, fix };
}

/** What the set-up installs by itself where it may, and otherwise asks for. */
function absent(name: string, detail: string, fix: string): Check {
  return canInstallPackages()
    ? { name, status: 'optional', detail: `${detail}; the next start installs it`, fix: '' }
    : { name, status: 'missing', detail, fix };
}

function checkNode(): Check {
  const detail = `${process.versions.node} at ${process.execPath}`;
  return Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN
    ? ok('node', detail)
    : broken('node', detail, `run it through bin/everyview.mjs, which brings Node ${NODE_MAJOR_MIN}`);
}

function checkPackages(): Check {
  const read = (file: string): Record<string, { version?: string; optional?: boolean }> =>
    JSON.parse(readFileSync(path.join(REPOSITORY, file), 'utf8')).packages;
  const locked = read('package-lock.json');
  let installed: ReturnType<typeof read>;
  try {
    installed = read(path.join('node_modules', '.package-lock.json'));
  } catch {
    return broken('npm packages', 'node_modules is not whole', 'npm ci');
  }
  const wrong = Object.keys(locked).filter(
    (name) =>
      name !== '' &&
      !(locked[name]!.optional && installed[name] === undefined) &&
      installed[name]?.version !== locked[name]!.version,
  );
  if (wrong.length > 0) {
    return broken('npm packages', `${wrong.length} differ from package-lock.json (${wrong[0]})`, 'npm ci');
  }
  return ok('npm packages', `${Object.keys(installed).length} as in package-lock.json`);
}

/** Whoever brings Kafka and a registry needs nothing that runs local ones. */
function onlyForLocal(env: NodeJS.ProcessEnv, check: Check): Check {
  const needless = env.KAFKA_BROKERS && env.SCHEMA_REGISTRY_URL && check.status === 'missing';
  return needless ? { ...check, status: 'optional', fix: '' } : check;
}

async function checkJava(env: NodeJS.ProcessEnv): Promise<Check> {
  const found = await findJavas(env);
  const java = found.find(isNewEnough);
  if (java !== undefined) return ok('java', `${java.version} at ${java.path}`);
  const old = found[0];
  return old === undefined
    ? absent('java', 'not found', JAVA_FIX)
    : absent('java', `${old.version} at ${old.path} is older than ${JAVA_MAJOR_MIN}`, JAVA_FIX);
}

async function checkMaven(env: NodeJS.ProcessEnv): Promise<Check> {
  const maven = await findMaven();
  if (maven !== null) return ok('maven', `${maven.version} at ${maven.path}`);
  return existingJars(dataFolder(env)) === null
    ? absent('maven', 'not found', MAVEN_FIX)
    : {
        name: 'maven',
        status: 'optional',
        detail: 'not found; everything that it fetches is there',
        fix: '',
      };
}

async function checkFfmpeg(env: NodeJS.ProcessEnv): Promise<Check> {
  const { ffmpeg, refused } = await findFfmpeg(env);
  if (ffmpeg === null) {
    const detail = refused.length === 0 ? 'not found' : `none can be used (${refused.join('; ')})`;
    return canFetchFfmpeg()
      ? { name: 'ffmpeg', status: 'optional', detail: `${detail}; the next start fetches one`, fix: '' }
      : { name: 'ffmpeg', status: 'missing', detail, fix: FFMPEG_FIX };
  }
  const abilities = await askFfmpeg(ffmpeg.path);
  const without = typeof abilities === 'string' ? [] : abilities.unavailable;
  const limits = without.length === 0 ? '' : `; without ${without.join(', ')}`;
  return ok('ffmpeg', `${ffmpeg.version} at ${ffmpeg.path} (${ffmpeg.source})${limits}`);
}

function canFetchFfmpeg(): boolean {
  return findOnPath('python3') !== null || canInstallPackages();
}

function checkJars(env: NodeJS.ProcessEnv): Check {
  const name = 'Kafka and registry';
  const detail = `Apache Kafka ${KAFKA_VERSION}, Apicurio Registry ${REGISTRY_VERSION}`;
  const jars = existingJars(dataFolder(env));
  return jars === null
    ? { name, status: 'optional', detail: `${detail}: not fetched yet; the next start does it`, fix: '' }
    : ok(name, `${detail} in ${path.dirname(jars.kafkaFolder)}`);
}

function checkDataFolder(env: NodeJS.ProcessEnv): Check {
  const folder = makeFolder(dataFolder(env));
  checkFreeSpace(folder);
  const holder = readLock(path.join(folder, 'lock.json'));
  const use = holder !== null && isAlive(holder.owner) ? `; in use by ${describeHolder(holder)}` : '';
  return ok('data folder', `${folder}, ${Math.floor(freeBytes(folder) / 1e9)} GB free${use}`);
}

async function checkPorts(env: NodeJS.ProcessEnv): Promise<Check> {
  const wanted = { ...PREFERRED_PORTS, ...rememberedPorts(path.join(dataFolder(env), 'ports.json')) };
  try {
    await choosePorts(wanted);
  } catch (error) {
    const why = messageOf(error);
    return broken('ports', why, `allow programs to listen on ${LOOPBACK}`);
  }
  const states = await Promise.all(
    [wanted.kafka, wanted.registry].map(
      async (port) => `${port} ${(await isPortFree(port)) ? 'free' : 'taken'}`,
    ),
  );
  return ok('ports', `${LOOPBACK}: ${states.join(', ')} (a taken one is replaced)`);
}

async function checkDocker(): Promise<Check> {
  const version = await dockerVersion();
  return version === null
    ? { name: 'docker', status: 'optional', detail: 'no engine answers; nothing needs one', fix: '' }
    : ok('docker', `engine ${version}`);
}

/** Version of the Docker engine that answers at DOCKER_HOST or the usual socket, else null. */
export async function dockerVersion(env: NodeJS.ProcessEnv = process.env): Promise<string | null> {
  const host = env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  const where = host.startsWith('unix://')
    ? { socketPath: host.slice('unix://'.length), host: 'localhost' }
    : { host: URL.parse(host)?.hostname ?? '', port: URL.parse(host)?.port ?? '' };
  return await new Promise((resolve) => {
    const call = request({ ...where, path: '/version', timeout: DOCKER_TIMEOUT_MS }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(versionIn(body)));
      response.on('error', () => resolve(null));
    });
    call.on('timeout', () => call.destroy(new Error('timed out')));
    call.on('error', () => resolve(null));
    call.end();
  });
}

function versionIn(body: string): string | null {
  try {
    const version: unknown = JSON.parse(body).Version;
    return typeof version === 'string' ? version : null;
  } catch {
    return null;
  }
}

function checkKcat(): Check {
  const file = findOnPath('kcat');
  return file === null
    ? {
        name: 'kcat',
        status: 'optional',
        detail: 'not found; handy to look into topics',
        fix: 'apt-get install kcat',
      }
    : ok('kcat', file);
}

async function checkGivenKafka(env: NodeJS.ProcessEnv): Promise<Check> {
  const brokers = givenBrokers(env);
  if (brokers === null) return ok('KAFKA_BROKERS', 'not set: a local Kafka is used');
  await checkKafka(brokers);
  return ok('KAFKA_BROKERS', `${brokers.join(',')} answers`);
}

async function checkGivenRegistry(env: NodeJS.ProcessEnv): Promise<Check> {
  const url = givenRegistry(env);
  if (url === null) return ok('SCHEMA_REGISTRY_URL', 'not set: a local registry is used');
  await checkRegistry(url);
  return ok('SCHEMA_REGISTRY_URL', `${maskedUrl(url)} answers`);
}
