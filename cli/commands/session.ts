import { type Command, Option } from 'commander';
import { decodeFollowed, followLog, recentPositions } from '../../runtime/follow-log.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { SchemaError } from '../../schemas/errors.ts';
import type { QosScore } from '../../schemas/records.ts';
import { openCluster, readingCodec } from '../cluster.ts';
import type { Action } from '../context.ts';
import { ExpectedError } from '../failure.ts';
import { progressLine } from '../replay/progress-line.ts';
import { sessionLines } from '../session-text.ts';
import { jsonLine, line } from '../terminal.ts';
import { parseStartPoint, type StartPoint } from '../values.ts';

export type SessionOptions = {
  readonly session: string;
  readonly from: StartPoint;
  readonly json: boolean;
};

export function addSession(command: Command, run: (options: SessionOptions) => Promise<void>): void {
  command
    .description(
      "Looks a session up in qos-scores, by the player's own session id or by its key, and prints its timeline: every 10 s, " +
        'what was told, what was lost to which cause, and the outcome.',
    )
    .argument('<session>', "the player's session id (CMCD sid), or the session key of a record")
    .addOption(
      new Option('--from <point>', 'beginning, or a time such as 2026-01-31T18:30:00Z')
        .argParser(parseStartPoint)
        .default({ kind: 'beginning' } satisfies StartPoint, 'beginning'),
    )
    .option('--json', 'NDJSON: every record of the session with all its fields', false)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview session 6f2a3e0c-7a55-4a5e-9d38-8a1f4f1f7d10
  $ everyview session 578ff317003c4ae520658d57 --from 2026-01-31T18:00:00Z --json

It reads the topic from --from on. For many sessions ask the tables: SELECT * FROM qos_scores WHERE session_id = '…'.
Next: 'everyview console' draws it.`,
    )
    .action((session: string, flags: Omit<SessionOptions, 'session'>) => run({ session, ...flags }));
}

export const runSession: Action<SessionOptions> = async (context, options) => {
  const { out, err, interruption } = context;
  const cluster = await openCluster(context, { clientId: 'everyview-session', needsRegistry: true });
  const progress = progressLine(err);
  try {
    const { port } = cluster;
    const codec = readingCodec(cluster.registry);
    const sinceMs = options.from.kind === 'time' ? options.from.atMs : 0;
    const found: QosScore[] = [];
    const ending = new AbortController();
    let read = 0;
    await followLog({
      port,
      clock: systemClock,
      positions: await recentPositions(port, ['qos-scores'], sinceMs),
      signal: AbortSignal.any([interruption.signal, ending.signal]),
      onRecord: async ({ value }) => {
        if (value === null) return false;
        read += 1;
        if (read % 10_000 === 0) progress.show(`${read} records read, ${found.length} of the session`);
        const score = await decodeFollowed(codec, systemClock, 'qos-scores', value);
        if (score instanceof SchemaError) return false;
        if (score.sessionId === options.session || score.sessionKey === options.session) found.push(score);
        return false;
      },
      onCaughtUp: (isCaughtUp) => {
        if (isCaughtUp) ending.abort();
      },
    });
    progress.end();
    if (found.length === 0) {
      throw new ExpectedError(
        `no score of session ${options.session} among ${read} records`,
        'Give the whole id, and an earlier --from; a session is scored about 15 s after its first report',
      );
    }
    if (options.json) for (const score of found) jsonLine(out, score);
    else for (const text of sessionLines(found, out)) line(out, text);
    return 0;
  } finally {
    progress.end();
    await cluster.close();
  }
};
