/** How the long-running scripts of the tests end: with a code, and with one line for what is the caller's to mend. */
import { formatSetupError, SetupError } from '../../local/setup-error.ts';

export type Script = {
  /** As it is called: npm run soak. */
  readonly name: string;
  /** The exit code. A flag that `parseArgs` does not know is a usage error. */
  readonly main: () => Promise<number>;
};

export async function runScript({ name, main }: Script): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (error instanceof SetupError) {
      process.stderr.write(`${name}: ${formatSetupError(error)}\n`);
      process.exitCode = error.exitCode;
    } else if (isUsageError(error)) {
      process.stderr.write(`${name}: ${error.message}; see --help\n`);
      process.exitCode = 2;
    } else throw error;
  }
}

function isUsageError(error: unknown): error is Error {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
