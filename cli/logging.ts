/** The log of a long-running command: everything as JSON in a file of the data folder, what matters on stderr as well. */
import path from 'node:path';
import { type Logger, multistream, pino } from 'pino';
import { folderError, makeFolder } from '../local/folders.ts';
import { masked } from './failure.ts';

export type RunLog = {
  readonly logger: Logger;
  readonly file: string;
  /** Writes out what is buffered. */
  close(): void;
};

const WARN = 40;

/**
 * Opens `<dataDir>/logs/everyview.log`; `say` is given a line for each entry at `warn` and above. Secrets are masked in
 * both. Throws a SetupError when the folder cannot be written.
 */
export function openLog(dataDir: string, say: (line: string) => void): RunLog {
  const file = path.join(makeFolder(path.join(dataDir, 'logs')), 'everyview.log');
  let destination: ReturnType<typeof pino.destination>;
  try {
    destination = pino.destination({ dest: file, append: true, sync: true });
  } catch (error) {
    throw folderError(file, error);
  }
  const logger = pino(
    { level: 'debug', base: null, timestamp: pino.stdTimeFunctions.isoTime },
    multistream([
      { level: 'debug', stream: { write: (entry: string) => destination.write(masked(entry)) } },
      { level: 'warn', stream: { write: (entry: string) => say(lineOf(entry)) } },
    ]),
  );
  return { logger, file, close: () => destination.flushSync() };
}

/** A JSON entry as one line: time, level, message, and the message of the error where it says more. */
function lineOf(entry: string): string {
  const { time, level, msg, err } = JSON.parse(entry) as {
    time: string;
    level: number;
    msg?: string;
    err?: { message?: string };
  };
  const word = level > WARN ? 'error' : 'warn';
  const why = err?.message === undefined || err.message === msg ? '' : `: ${err.message}`;
  return masked(`${time.slice(11, 19)}Z ${word} ${msg ?? ''}${why}`.replace(/\s*[\r\n]+\s*/g, ' '));
}
