/**
 * What an ffmpeg answered when it was asked what it can do, kept in the data folder: six questions take as long as
 * decoding several seconds of video. Only answers of one that can be used are kept, and for as long as its file is the
 * same; another one is asked, and so is this one whenever the file of answers cannot be read or written.
 */
import { readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { FfmpegAbilities } from './ffmpeg.ts';
import { makeFolder } from './folders.ts';

/** `questions` is part of what was answered: who asks for more gets no answer of before. */
export function knownAbilities(dataDir: string, file: string, questions: string): FfmpegAbilities | null {
  const known = answersIn(dataDir)[keyOf(file, questions)];
  return isAbilities(known) ? known : null;
}

export function keepAbilities(
  dataDir: string,
  file: string,
  questions: string,
  abilities: FfmpegAbilities,
): void {
  const place = placeIn(dataDir);
  const draft = `${place}.${process.pid}`;
  const kept = Object.entries(answersIn(dataDir)).slice(-(KEPT_MAX - 1));
  const answers = Object.fromEntries([...kept, [keyOf(file, questions), abilities]]);
  try {
    makeFolder(dataDir);
    writeFileSync(draft, `${JSON.stringify(answers, null, 2)}\n`);
    renameSync(draft, place);
  } catch {
    // It is asked again next time, and what cannot be written for a reason is told where it has to be.
    rmSync(draft, { force: true });
  }
}

const KEPT_MAX = 8;

function placeIn(dataDir: string): string {
  return path.join(dataDir, 'ffmpeg.json');
}

function answersIn(dataDir: string): Readonly<Record<string, unknown>> {
  try {
    const answers: unknown = JSON.parse(readFileSync(placeIn(dataDir), 'utf8'));
    return typeof answers === 'object' && answers !== null ? (answers as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The program by its place, size and time: whoever installs another one changes these. */
function keyOf(file: string, questions: string): string {
  const real = realpathSync(file);
  const { size, mtimeMs } = statSync(real);
  return [real, size, mtimeMs, questions].join(' ');
}

function isAbilities(value: unknown): value is FfmpegAbilities {
  const { version, missing, unavailable } = (value ?? {}) as Partial<Record<keyof FfmpegAbilities, unknown>>;
  return typeof version === 'string' && Array.isArray(missing) && Array.isArray(unavailable);
}
