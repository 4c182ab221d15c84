/** What the ffmpeg at hand can read: builds differ in protocols, and in what their options are called. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { decoderEnvironment } from './ffmpeg-command.ts';
import { IngestError } from './ingest-error.ts';
import { protocolOf } from './input-arguments.ts';
import { inputKindOf, type StreamSpec } from './stream-spec.ts';

export type FfmpegAbilities = {
  /** For example `5.1.9-0+deb12u1`; part of every record. */
  readonly build: string;
  /** Protocols that it reads from. */
  readonly protocols: ReadonlySet<string>;
  readonly demuxers: ReadonlySet<string>;
  /** Options of its HLS demuxer. */
  readonly hlsOptions: ReadonlySet<string>;
};

/**
 * Asks the ffmpeg behind a path, once in the life of this process. Throws {@link IngestError} when it does not run or is
 * older than 5.1, which the decoder's options need. Where all inputs are files (`forFiles`) it is asked for its build
 * alone, or not at all where that is known: what it has for networks does not matter, and each question costs as much as
 * decoding a second of video.
 */
export async function ffmpegAbilities(
  ffmpegPath: string,
  forFiles = false,
  knownBuild?: string,
): Promise<FfmpegAbilities> {
  const known = KNOWN.get(ffmpegPath);
  if (known !== undefined) return known;
  const build =
    BUILDS.get(ffmpegPath) ?? newEnough(ffmpegPath, knownBuild ?? (await ffmpegBuild(ffmpegPath)));
  BUILDS.set(ffmpegPath, build);
  if (forFiles) return { build, protocols: NONE, demuxers: NONE, hlsOptions: NONE };
  const abilities = await ask(ffmpegPath, build);
  KNOWN.set(ffmpegPath, abilities);
  return abilities;
}

/** Throws {@link IngestError} that says what is lacking, when this ffmpeg cannot read this stream's input. */
export function refuseUnreadable(spec: StreamSpec, ffmpegPath: string, abilities: FfmpegAbilities): void {
  const kind = inputKindOf(spec.input);
  const lacks = (what: string): never => {
    throw new IngestError(
      `${spec.input}: ${ffmpegPath} (${abilities.build}) was built without ${what}; install one that has it (Debian: apt-get install ffmpeg), or name its path in FFMPEG_BIN`,
    );
  };
  const protocol = protocolOf(spec.input);
  if (protocol !== null && !abilities.protocols.has(protocol)) lacks(`the protocol ${protocol}`);
  if ((kind === 'web' || kind === 'playlist') && !abilities.protocols.has('http')) lacks('the protocol http');
  if (/\.mpd$/i.test(spec.input.replace(/[?#].*$/, '')) && !abilities.demuxers.has('dash'))
    lacks('DASH (libxml2)');
}

const KNOWN = new Map<string, FfmpegAbilities>();
const BUILDS = new Map<string, string>();
const NONE: ReadonlySet<string> = new Set();

async function ask(ffmpegPath: string, build: string): Promise<FfmpegAbilities> {
  const [protocols, demuxers, hls] = await Promise.all([
    textOf(ffmpegPath, '-protocols'),
    textOf(ffmpegPath, '-demuxers'),
    textOf(ffmpegPath, '-h', 'demuxer=hls'),
  ]);
  return {
    build,
    protocols: new Set(
      protocols
        .replace(/^Output:[\s\S]*/m, '')
        .match(/^ +\S+$/gm)
        ?.map((name) => name.trim()),
    ),
    demuxers: new Set(
      [...demuxers.matchAll(/^ *D[\w. ]*? (\S+)/gm)].flatMap(([, names]) => names!.split(',')),
    ),
    hlsOptions: new Set([...hls.matchAll(/^ +-(\w+)/gm)].map(([, name]) => name!)),
  };
}

const ADVICE = 'install ffmpeg 5.1 or newer (Debian: apt-get install ffmpeg), or name its path in FFMPEG_BIN';

async function ffmpegBuild(ffmpegPath: string): Promise<string> {
  let text: string;
  try {
    text = await textOf(ffmpegPath, '-version');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new IngestError(`${ffmpegPath} does not run (${why}): ${ADVICE}`, { cause: error });
  }
  const build = /^ffmpeg version (\S+)/.exec(text)?.[1];
  if (build === undefined) throw new IngestError(`${ffmpegPath} is not ffmpeg: ${ADVICE}`);
  return build;
}

function newEnough(ffmpegPath: string, build: string): string {
  const [major, minor] = build
    .replace(/^[^0-9]*/, '')
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  // Builds between releases are named after a commit or a date; those in use are newer.
  const tooOld = /^n?\d{1,2}\./.test(build) && (major! < 5 || (major === 5 && minor! < 1));
  if (tooOld) throw new IngestError(`${ffmpegPath} is ffmpeg ${build}: ${ADVICE}`);
  return build;
}

const TEXT_CHARS_MAX = 200_000;

async function textOf(ffmpegPath: string, ...question: string[]): Promise<string> {
  const child = spawn(ffmpegPath, ['-hide_banner', ...question].slice(question[0] === '-version' ? 1 : 0), {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: decoderEnvironment(),
  });
  let text = '';
  child.stdout.setEncoding('latin1');
  child.stdout.on('data', (part: string) => {
    if (text.length < TEXT_CHARS_MAX) text += part;
  });
  await once(child, 'close');
  return text;
}
