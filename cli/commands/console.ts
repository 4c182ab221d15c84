import { type Command, Option } from 'commander';
import { startConsole } from '../../consumers/console/server.ts';
import { dataFolder } from '../../local/folders.ts';
import { LOOPBACK } from '../../local/ports.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { openCluster, readingCodec } from '../cluster.ts';
import type { Action } from '../context.ts';
import { ExpectedError } from '../failure.ts';
import { aborted } from '../interruption.ts';
import { openLog } from '../logging.ts';
import { line } from '../terminal.ts';
import { wholeNumber } from '../values.ts';

export type ConsoleFlags = { readonly port: number; readonly host: string };

export const USUAL_CONSOLE_PORT = 8787;

export function addConsole(command: Command, run: (options: ConsoleFlags) => Promise<void>): void {
  command
    .description(
      'Serves the console until Ctrl-C: every stream, every session of the last half hour with what its score was lost ' +
        'to, every alert; live. It reads the log as any subscriber does, and needs no database.',
    )
    .addOption(
      new Option('--port <n>', 'port to listen on')
        .argParser(wholeNumber('port', 0, 65_535))
        .default(USUAL_CONSOLE_PORT),
    )
    .option('--host <address>', 'address to listen on: there is no login, so loopback unless given', LOOPBACK)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview console                 http://127.0.0.1:${USUAL_CONSOLE_PORT}/
  $ everyview console --port 0        on a port that is free

'everyview start' serves it as well. To reach it from elsewhere put a proxy with a login in front of it.`,
    )
    .action((flags: ConsoleFlags) => run(flags));
}

export const runConsole: Action<ConsoleFlags> = async (context, options) => {
  const { err, env, interruption } = context;
  await using closing = new AsyncDisposableStack();
  const log = openLog(dataFolder(env), (text) => line(err, text));
  closing.defer(() => log.close());
  const cluster = await openCluster(context, { clientId: 'everyview-console', needsRegistry: true });
  closing.defer(() => cluster.close());
  const served = await startConsole({
    port: cluster.port,
    codec: readingCodec(cluster.registry),
    clock: systemClock,
    host: options.host,
    listenPort: options.port,
    onUndecodable: ({ topic, partition, offset }, error) =>
      log.logger.warn({ topic, partition, offset, err: error }, `a record of ${topic} cannot be decoded`),
  }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === undefined) throw cause;
    const why = cause.code === 'EADDRINUSE' ? 'somebody else listens there' : cause.message;
    throw new ExpectedError(
      `the console cannot listen on ${options.host}, port ${options.port}: ${why}`,
      'Choose another one with --port',
      { cause },
    );
  });
  closing.defer(() => served.close());
  line(err, `console at ${served.url}; Ctrl-C ends it`);
  await Promise.race([served.failed, aborted(interruption.signal)]);
  return 0;
};
