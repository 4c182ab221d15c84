/** Where things lie on this machine. */
import { accessSync, constants, existsSync, mkdirSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import { refusedWrite, SetupError } from './setup-error.ts';

export const REPOSITORY = path.dirname(import.meta.dirname);

const FREE_BYTES_MIN = 500_000_000;

/** The one folder that holds all durable data: `EVERYVIEW_DATA_DIR`, by default `.everyview` in the repository. */
export function dataFolder(env: NodeJS.ProcessEnv = process.env): string {
  const given = env.EVERYVIEW_DATA_DIR;
  return given === undefined || given === '' ? path.join(REPOSITORY, '.everyview') : path.resolve(given);
}

/** Folder of the fetched parts (Kafka, registry, ffmpeg): shared by all data folders of this clone where possible. */
export function partsFolder(dataDir: string): string {
  const shared = path.join(REPOSITORY, '.everyview', 'parts');
  return isWritable(shared) ? shared : path.join(dataDir, 'parts');
}

export function existingPart(dataDir: string, name: string): string | null {
  return partPlaces(dataDir, name).find((place) => existsSync(place)) ?? null;
}

/** Makes the folder, or throws a `data-folder` {@link SetupError} that says why it cannot be used. */
export function makeFolder(folder: string): string {
  try {
    makeWithParents(folder);
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw folderError(folder, error);
  }
  return folder;
}

/** Not `recursive: true`, with which Node never comes back where the system answers ENOENT, as it does below /proc. */
function makeWithParents(folder: string): void {
  if (existsSync(folder) && statSync(folder).isDirectory()) return;
  if (!existsSync(path.dirname(folder))) makeWithParents(path.dirname(folder));
  mkdirSync(folder);
}

/** The {@link SetupError} for a refused write below `folder`; any other error as it is. */
export function folderError(folder: string, error: unknown): unknown {
  const code = refusedWrite(error);
  if (code === null) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(folder, error);
  return new SetupError(
    'data-folder',
    `the data folder ${folder} cannot be written (${code})`,
    'set EVERYVIEW_DATA_DIR to a folder that you may write, or change the owner of this one',
    { cause: error },
  );
}

export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Throws a `disk-full` {@link SetupError} when there is too little room to start at all. */
export function checkFreeSpace(folder: string): void {
  if (freeBytes(folder) < FREE_BYTES_MIN) throw diskFull(folder, undefined);
}

function diskFull(folder: string, cause: unknown): SetupError {
  return new SetupError(
    'disk-full',
    `there is too little space left on the disk of ${folder}`,
    'free 1 GB, or set EVERYVIEW_DATA_DIR to a folder on another disk',
    { cause },
  );
}

/** Whether a folder exists and can be written, or could be made. */
function isWritable(folder: string): boolean {
  for (let place = folder; ; place = path.dirname(place)) {
    try {
      accessSync(place, constants.W_OK | constants.X_OK);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || place === path.dirname(place)) return false;
    }
  }
}

/** Where to look for a part that was fetched before, best place first. */
function partPlaces(dataDir: string, name: string): readonly string[] {
  return [path.join(REPOSITORY, '.everyview', 'parts', name), path.join(dataDir, 'parts', name)];
}
