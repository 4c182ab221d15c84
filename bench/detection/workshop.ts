/** Where media are made: ffmpeg runs, each result kept under the hash of what it is made from. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Goes up when something that is no part of a recipe changes what is made. */
const RECIPE_VERSION = 1;
const MESSAGES_CHARS_MAX = 4_000_000;

export type Ran = { readonly stdout: Buffer; readonly stderr: string };

export class Workshop {
  readonly ffmpegPath: string;
  /** Folder of the clips. */
  readonly mediaDir: string;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly #making = new Map<string, Promise<string>>();

  constructor(ffmpegPath: string, mediaDir: string, folder: string, signal: AbortSignal) {
    this.ffmpegPath = ffmpegPath;
    this.mediaDir = mediaDir;
    this.folder = folder;
    this.signal = signal;
    mkdirSync(folder, { recursive: true });
  }

  media(name: string): string {
    return path.join(this.mediaDir, name);
  }

  /** Runs ffmpeg to its end. Rejects with its last message when it fails. */
  async ffmpeg(args: readonly string[], level = 'error'): Promise<Ran> {
    const common = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', level, '-y'];
    const child = spawn(this.ffmpegPath, [...common, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: this.signal,
      killSignal: 'SIGKILL',
    });
    const parts: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (part: Buffer) => parts.push(part));
    child.stderr.setEncoding('latin1').on('data', (text: string) => {
      stderr = (stderr + text).slice(-MESSAGES_CHARS_MAX);
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (code !== 0) throw new Error(`ffmpeg failed: ${stderr.trim().split('\n').at(-1)} (${args.join(' ')})`);
    return { stdout: Buffer.concat(parts), stderr };
  }

  /** The file made by `make` at the path that it is given; made once for each `recipe`. */
  async made(recipe: unknown, ending: string, make: (file: string) => Promise<void>): Promise<string> {
    const file = path.join(this.folder, `${hashOf([RECIPE_VERSION, recipe])}.${ending}`);
    if (existsSync(file)) return file;
    // two that ask for it at the same time wait for the same one
    let making = this.#making.get(file);
    if (making === undefined) {
      making = this.#make(file, ending, make).finally(() => this.#making.delete(file));
      this.#making.set(file, making);
    }
    return await making;
  }

  async #make(file: string, ending: string, make: (file: string) => Promise<void>): Promise<string> {
    const unfinished = path.join(this.folder, `${path.basename(file, `.${ending}`)}.part.${ending}`);
    await make(unfinished);
    renameSync(unfinished, file);
    return file;
  }

  /** The same for a figure or a list: what `find` gives, kept as JSON. */
  async found<T>(recipe: unknown, find: () => Promise<T>): Promise<T> {
    const file = path.join(this.folder, `${hashOf([RECIPE_VERSION, recipe])}.json`);
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as T;
    const value = await find();
    writeFileSync(`${file}.part`, JSON.stringify(value));
    renameSync(`${file}.part`, file);
    return value;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function hashOf(value: unknown): string {
  const bytes = value instanceof Uint8Array ? value : JSON.stringify(value);
  return createHash('sha256').update(bytes).digest('hex').slice(0, 24);
}
