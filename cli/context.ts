/** What every command is given: where to write, what the environment says, and when to stop. */
import type { Interruption } from './interruption.ts';
import type { Terminal } from './terminal.ts';

export type CliContext = {
  readonly out: Terminal;
  readonly err: Terminal;
  readonly env: NodeJS.ProcessEnv;
  readonly interruption: Interruption;
};

/** A command's work. Resolves to the exit code; what it throws becomes one line and another one. */
export type Action<Options> = (context: CliContext, options: Options) => Promise<number>;
