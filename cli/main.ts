/** Entry point of the everyview command; `bin/everyview.mjs` runs it under Node 24. */
import { interruptionOf } from './interruption.ts';

// First of all: a Ctrl-C while the rest is loaded is an end in order as well.
const interruption = interruptionOf(process, () => process.exit(130));

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Nobody reads on, as in `everyview tail ... | head`: that is an end, and no failure.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

const { runCli } = await import('./program.ts');
const { terminalOf } = await import('./terminal.ts');

/** What keeps the process alive longer than this after the end is waiting for something that is gone. */
const LINGER_MS_MAX = 2_000;

process.exitCode = await runCli(process.argv.slice(2), {
  out: terminalOf(process.stdout, process.env),
  err: terminalOf(process.stderr, process.env),
  env: process.env,
  interruption,
});
setTimeout(() => process.exit(), LINGER_MS_MAX).unref();
