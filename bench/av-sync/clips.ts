/** A programme at its origin, and as it is delivered: encoded again in a small size, sound moved against the pictures. */
import { execFile } from 'node:child_process';
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export type Content = 'speech' | 'music';

export type Clips = {
  readonly ffmpegPath: string;
  /** What is there already is not rendered again. */
  readonly folder: string;
};

/** As it leaves the origin. */
export async function originClip(clips: Clips, content: Content, fps: number): Promise<string> {
  const [from, sound, seconds] = CONTENTS[content];
  const pictures = ['-ss', from, '-i', media('big-buck-bunny-trailer-360p.mp4')];
  const coding = ['-vf', `scale=480:270,fps=${fps}`, '-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '20'];
  return await made(clips, `${content}-${fps}.mp4`, [
    ...[...pictures, ...sound, '-map', '0:v', '-map', '1:a', '-t', seconds, ...coding],
    ...['-ar', '48000', '-ac', '2', '-c:a', 'aac', '-b:a', '128k'],
  ]);
}

/** As it is delivered, with sound `leadMs` before its pictures (below 0: behind them). */
export async function deliveredClip(clips: Clips, origin: string, leadMs: number): Promise<string> {
  const name = origin.slice(clips.folder.length + 1, -4);
  const again = await made(clips, `${name}-delivered.mkv`, [
    ...['-i', origin, '-vf', 'scale=320:180', '-c:v', 'libx264', '-preset', 'veryfast'],
    ...['-b:v', '200k', '-maxrate', '250k', '-bufsize', '500k', '-c:a', 'aac', '-b:a', '48k'],
  ]);
  const moved = ['-i', again, '-itsoffset', String(-leadMs / 1_000), '-i', again];
  return await made(clips, `${name}-delivered-${leadMs}.ts`, [
    ...[...moved, '-map', '0:v', '-map', '1:a', '-c', 'copy'],
  ]);
}

const run = promisify(execFile);

const media = (name: string) => fileURLToPath(new URL(`../../test/media/${name}`, import.meta.url));

const CONTENTS: {
  readonly [content in Content]: readonly [from: string, sound: readonly string[], seconds: string];
} = {
  speech: ['30', ['-i', media('speech-jfk-1961.wav')], '11'],
  music: ['6', ['-ss', '6', '-i', media('big-buck-bunny-trailer-360p.mp4')], '20'],
};

async function made({ ffmpegPath, folder }: Clips, name: string, coding: readonly string[]): Promise<string> {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  const unfinished = join(folder, `unfinished-${name}`);
  await run(ffmpegPath, ['-hide_banner', '-nostdin', '-loglevel', 'error', '-y', ...coding, unfinished]);
  renameSync(unfinished, path);
  return path;
}
