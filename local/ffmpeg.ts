/** The ffmpeg that decodes: found, or fetched where none is installed. */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { acquireLock } from '../bin/processes.mjs';
import { canInstallPackages, installPackage } from './apt.ts';
import { findOnPath, isExecutableFile } from './find-on-path.ts';
import { dataFolder, existingPart, folderError, makeFolder, partsFolder } from './folders.ts';
import { keepAbilities, knownAbilities } from './known-ffmpeg.ts';
import { type OnProgress, reportStep, type StepNews } from './progress.ts';
import { runCommand } from './run-command.ts';
import { interrupted, SetupError } from './setup-error.ts';
import { FFMPEG_WHEEL } from './versions.ts';

export type FfmpegSource = 'FFMPEG_BIN' | 'ffmpeg-static' | 'PATH' | 'fetched';

export type Ffmpeg = {
  readonly path: string;
  /** As ffmpeg names itself, such as `5.1.9-0+deb12u1`; part of every feature record. */
  readonly version: string;
  readonly source: FfmpegSource;
};

/** What one ffmpeg can do. `missing` keeps EveryView from using it; `unavailable` only costs some inputs. */
export type FfmpegAbilities = {
  readonly version: string;
  readonly missing: readonly string[];
  readonly unavailable: readonly string[];
};

export type FfmpegOptions = {
  readonly allowInstall: boolean;
  readonly onProgress: OnProgress;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
};

export const FFMPEG_FIX =
  'install ffmpeg (Debian: apt-get install ffmpeg; macOS: brew install ffmpeg) or set FFMPEG_BIN to one';

const NEEDED = {
  '-encoders': ['libx264', 'aac'],
  '-decoders': ['h264', 'aac'],
  '-demuxers': ['hls', 'mpegts', 'mov'],
  '-filters': ['scale', 'format', 'select', 'field', 'extractplanes'],
  '-protocols': ['file', 'http', 'pipe', 'tcp'],
} as const;
const WELCOME = { '-demuxers': ['dash'], '-protocols': ['https', 'rtmp', 'srt', 'udp', 'rtp'] } as const;

const FETCHED_PART = `ffmpeg-${FFMPEG_WHEEL.name}-${FFMPEG_WHEEL.version}`;
const ASK_TIMEOUT_MS = 20_000;
const FETCH_WAIT_MS = 600_000;

/**
 * In this order: `FFMPEG_BIN` (which must work then), the binary of the `ffmpeg-static` package, PATH, the one that was
 * fetched earlier; then, with `allowInstall`, one fetched now: from PyPI through pip, else through apt as root on Debian.
 * Throws `ffmpeg-broken` for a bad `FFMPEG_BIN`, else `ffmpeg-missing`.
 */
export async function resolveFfmpeg(options: FfmpegOptions): Promise<Ffmpeg> {
  const env = options.env ?? process.env;
  const found = await findFfmpeg(env, options.signal, true);
  if (found.ffmpeg !== null) return found.ffmpeg;
  const tried = [...found.refused];
  if (options.allowInstall) {
    const fetched = await fetchFfmpeg(env, options, tried);
    if (fetched !== null) return fetched;
  }
  throw new SetupError('ffmpeg-missing', 'no usable ffmpeg was found', FFMPEG_FIX, { detail: tried });
}

/**
 * What is on this machine already, and why each one that was looked at was left. `believes` what one answered before,
 * instead of asking it. Throws `ffmpeg-broken`.
 */
export async function findFfmpeg(
  env: NodeJS.ProcessEnv = process.env,
  signal?: AbortSignal,
  believes = false,
): Promise<{ ffmpeg: Ffmpeg | null; refused: readonly string[] }> {
  const ask = (file: string) =>
    believes ? knownOrAsked(dataFolder(env), file, signal) : askFfmpeg(file, signal);
  const given = env.FFMPEG_BIN;
  if (given !== undefined && given !== '') return { ffmpeg: await givenFfmpeg(given, ask), refused: [] };
  const fetched = existingPart(dataFolder(env), FETCHED_PART);
  const candidates: [FfmpegSource, string | null][] = [
    ['ffmpeg-static', staticFfmpeg()],
    ['PATH', findOnPath('ffmpeg', env)],
    ['fetched', fetched === null ? null : path.join(fetched, 'ffmpeg')],
  ];
  const refused: string[] = [];
  for (const [source, file] of candidates) {
    if (file === null) continue;
    const abilities = await ask(file);
    if (typeof abilities !== 'string' && abilities.missing.length === 0) {
      return { ffmpeg: { path: file, version: abilities.version, source }, refused };
    }
    refused.push(
      `${file}: ${typeof abilities === 'string' ? abilities : `lacks ${abilities.missing.join(', ')}`}`,
    );
  }
  return { ffmpeg: null, refused };
}

/** Asks an ffmpeg what it can do; a string says why it cannot be used at all. */
export async function askFfmpeg(file: string, signal?: AbortSignal): Promise<FfmpegAbilities | string> {
  const ask = (argument: string) =>
    runCommand(file, ['-hide_banner', argument], { signal, timeoutMs: ASK_TIMEOUT_MS });
  const version = await ask('-version');
  const match = /^ffmpeg version (\S+)/.exec(version.lines[0] ?? '');
  if (version.notFound) return 'it cannot be started';
  if (version.code !== 0 || match === null) {
    return `it does not answer -version as ffmpeg does (${version.lines.at(-1)?.slice(0, 200) ?? 'no output'})`;
  }
  const missing: string[] = [];
  const unavailable: string[] = [];
  for (const [argument, names] of Object.entries(NEEDED)) {
    const offered = parseOffered((await ask(argument)).lines);
    missing.push(...names.filter((name) => !offered.has(name)).map((name) => `${kindOf(argument)} ${name}`));
    const welcome: readonly string[] = argument in WELCOME ? WELCOME[argument as keyof typeof WELCOME] : [];
    unavailable.push(
      ...welcome.filter((name) => !offered.has(name)).map((name) => `${kindOf(argument)} ${name}`),
    );
  }
  return { version: match[1]!, missing, unavailable };
}

async function knownOrAsked(
  dataDir: string,
  file: string,
  signal: AbortSignal | undefined,
): Promise<FfmpegAbilities | string> {
  const questions = JSON.stringify([NEEDED, WELCOME]);
  const known = knownAbilities(dataDir, file, questions);
  if (known !== null) return known;
  const abilities = await askFfmpeg(file, signal);
  if (typeof abilities !== 'string' && abilities.missing.length === 0)
    keepAbilities(dataDir, file, questions, abilities);
  return abilities;
}

/** Names in the output of `ffmpeg -encoders` and its like: flags, then one name or several with commas. */
export function parseOffered(lines: readonly string[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const line of lines) {
    const match = /^ (?:[A-Z.|]{1,6} +)?\s*([A-Za-z0-9_,]+)(?: |$)/.exec(line);
    for (const name of match?.[1]?.split(',') ?? []) names.add(name);
  }
  return names;
}

function kindOf(argument: string): string {
  return argument.slice(1, -1);
}

type Ask = (file: string) => Promise<FfmpegAbilities | string>;

async function givenFfmpeg(file: string, ask: Ask): Promise<Ffmpeg> {
  const abilities = isExecutableFile(file) ? await ask(file) : 'there is no such program';
  const why =
    typeof abilities === 'string'
      ? abilities
      : abilities.missing.length === 0
        ? null
        : `it lacks ${abilities.missing.join(', ')}`;
  if (why === null)
    return { path: file, version: (abilities as FfmpegAbilities).version, source: 'FFMPEG_BIN' };
  throw new SetupError(
    'ffmpeg-broken',
    `FFMPEG_BIN=${file} cannot be used (${why})`,
    'set it to a full build of ffmpeg, or unset it',
  );
}

/** The package is optional: its install script needs a download that not every network allows. */
function staticFfmpeg(): string | null {
  try {
    const file: unknown = createRequire(import.meta.url)('ffmpeg-static');
    return typeof file === 'string' && isExecutableFile(file) ? file : null;
  } catch {
    return null;
  }
}

async function fetchFfmpeg(
  env: NodeJS.ProcessEnv,
  options: FfmpegOptions,
  tried: string[],
): Promise<Ffmpeg | null> {
  const viaPip = await fetchWheel(env, options).catch((error: unknown) => failedWay(error, 'pip', tried));
  if (viaPip !== null) {
    const abilities = await askFfmpeg(viaPip, options.signal);
    if (typeof abilities !== 'string' && abilities.missing.length === 0) {
      return { path: viaPip, version: abilities.version, source: 'fetched' };
    }
    tried.push(
      `${viaPip}: ${typeof abilities === 'string' ? abilities : `lacks ${abilities.missing.join(', ')}`}`,
    );
  }
  if (!canInstallPackages()) return null;
  await installPackage(['ffmpeg'], options).catch((error: unknown) => failedWay(error, 'apt-get', tried));
  const { ffmpeg, refused } = await findFfmpeg(env, options.signal);
  tried.push(...refused);
  return ffmpeg;
}

function failedWay(error: unknown, way: string, tried: string[]): null {
  if (error instanceof SetupError && error.code !== 'interrupted') {
    tried.push(`${way}: ${error.message}`);
    return null;
  }
  throw error;
}

/** A wheel is a zip archive; Python, which is there when pip is, unpacks it. */
async function fetchWheel(env: NodeJS.ProcessEnv, options: FfmpegOptions): Promise<string | null> {
  const dataDir = dataFolder(env);
  const parts = makeFolder(partsFolder(dataDir));
  return await reportStep(
    options.onProgress,
    'fetch ffmpeg',
    `${FFMPEG_WHEEL.name} ${FFMPEG_WHEEL.version} from PyPI`,
    async (news) => {
      const lock = await acquireLock(path.join(parts, 'fetch-ffmpeg.lock'), {
        what: 'fetching ffmpeg',
        waitMs: FETCH_WAIT_MS,
        onWait: (holder) => news(`waiting for ${holder}`),
      }).catch((error: unknown) => {
        throw folderError(parts, error);
      });
      try {
        const target = path.join(parts, FETCHED_PART);
        if (!existsSync(target)) await downloadWheel(parts, target, news, options.signal);
        return path.join(target, 'ffmpeg');
      } finally {
        lock.release();
      }
    },
  );
}

async function downloadWheel(
  parts: string,
  target: string,
  news: StepNews,
  signal: AbortSignal | undefined,
): Promise<void> {
  const folder = path.join(parts, 'fetching-ffmpeg');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  try {
    const wanted = `${FFMPEG_WHEEL.name}==${FFMPEG_WHEEL.version}`;
    const pip = [
      '-m',
      'pip',
      'download',
      '--no-deps',
      '--only-binary',
      ':all:',
      '--disable-pip-version-check',
    ];
    await python([...pip, '--dest', folder, wanted], signal, 'pip could not fetch it');
    const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw fetchError('pip fetched no wheel', []);
    news('unpacking');
    await python(
      ['-m', 'zipfile', '-e', path.join(folder, wheel), folder],
      signal,
      'it could not be unpacked',
    );
    const binaries = path.join(folder, 'imageio_ffmpeg', 'binaries');
    const binary = existsSync(binaries)
      ? readdirSync(binaries).find((name) => /^ffmpeg-/.test(name))
      : undefined;
    if (binary === undefined) throw fetchError('the wheel for this machine holds no ffmpeg', []);
    mkdirSync(path.join(folder, 'done'));
    renameSync(path.join(binaries, binary), path.join(folder, 'done', 'ffmpeg'));
    chmodSync(path.join(folder, 'done', 'ffmpeg'), 0o755);
    renameSync(path.join(folder, 'done'), target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function python(
  args: readonly string[],
  signal: AbortSignal | undefined,
  failure: string,
): Promise<void> {
  const result = await runCommand('python3', args, { signal });
  if (signal?.aborted) throw interrupted();
  if (result.notFound) throw fetchError('python3 was not found', []);
  if (result.code !== 0) throw fetchError(failure, result.lines.slice(-3));
}

function fetchError(why: string, lines: readonly string[]): SetupError {
  return new SetupError('download-failed', [why, ...lines].join(' | ').slice(0, 400), FFMPEG_FIX);
}
