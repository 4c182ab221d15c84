/** Entry point of the everyview command; `bin/everyview.mjs` runs it under Node 24. */
import { EXIT_INTERRUPTED } from './failure.ts';
import { interruptionOf } from './interruption.ts';
import { runCli } from './program.ts';
import { terminalOf } from './terminal.ts';

const interruption = interruptionOf(process, () => process.exit(EXIT_INTERRUPTED));

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Nobody reads on, as in `everyview tail ... | head`: that is an end, and no failure.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

process.exitCode = await runCli(process.argv.slice(2), {
  out: terminalOf(process.stdout, process.env),
  err: terminalOf(process.stderr, process.env),
  env: process.env,
  interruption,
});
