/** The everyview command: its sub-commands, and what each ends with. */
import { Command, Help, type Option } from 'commander';
import { addAnalyze, runAnalyze } from './commands/analyze.ts';
import { addAudit, runAudit } from './commands/audit.ts';
import { addBacktest, runBacktest } from './commands/backtest.ts';
import { addCatalogue, runCatalogue } from './commands/catalogue.ts';
import { addCollect, runCollect } from './commands/collect.ts';
import { addConfig, runConfig } from './commands/config.ts';
import { addConsole, runConsole } from './commands/console.ts';
import { addDescribe, runDescribe } from './commands/describe.ts';
import { addDoctor, runDoctor } from './commands/doctor.ts';
import { addIngest, runIngest } from './commands/ingest.ts';
import { addReset, runReset } from './commands/reset.ts';
import { addRun, runRun } from './commands/run.ts';
import { addScore, runScore } from './commands/score.ts';
import { addSession, runSession } from './commands/session.ts';
import { addSimulate, runSimulate } from './commands/simulate.ts';
import { addSink, runSink } from './commands/sink.ts';
import { addStart, runStart } from './commands/start.ts';
import { addTail, runTail } from './commands/tail.ts';
import { addTopics, runTopics } from './commands/topics.ts';
import type { Action, CliContext } from './context.ts';
import { failureOf, masked } from './failure.ts';
import { line } from './terminal.ts';
import { versionOf } from './version.ts';

/** Runs one command line (without the names of Node and of the script). Resolves to the exit code; never rejects. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  let exitCode = 0;
  const bind =
    <Options>(action: Action<Options>) =>
    async (options: Options) => {
      exitCode = await action(context, options);
    };
  const program = newProgram(context);
  addStart(program, bind(runStart));
  addTail(program, bind(runTail));
  addDescribe(program, bind(runDescribe));
  addTopics(program, bind(runTopics));
  addRun(program, bind(runRun));
  addAnalyze(program, bind(runAnalyze));
  addAudit(program, bind(runAudit));
  addBacktest(program, bind(runBacktest));
  addCatalogue(program, bind(runCatalogue));
  addConfig(program, bind(runConfig));
  addConsole(program, bind(runConsole));
  addSession(program, bind(runSession));
  addReset(program, bind(runReset));
  addIngest(program, bind(runIngest));
  addCollect(program, bind(runCollect));
  addSimulate(program, bind(runSimulate));
  addSink(program, bind(runSink));
  addScore(program, bind(runScore));
  addDoctor(program, bind(runDoctor));
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return tellFailure(error, context);
  }
}

function newProgram({ out, err }: CliContext): Command {
  return new Command('everyview')
    .description('Watches live video streams on Kafka: finds what is broken, and says it once.')
    .version(versionOf(), '-V, --version')
    .configureOutput({
      writeOut: (text) => out.write(text),
      writeErr: (text) => err.write(text),
      // Told below, in the form of all other failures.
      outputError: () => {},
      getOutHelpWidth: () => Math.min(out.columns, 110),
      getErrHelpWidth: () => Math.min(err.columns, 110),
      getOutHasColors: () => out.hasColour,
      getErrHasColors: () => err.hasColour,
    })
    .configureHelp({ optionDescription: describeOption })
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      `
First steps:
  $ everyview start --for 60s    everything on this machine, on clips with faults put in, with a summary
  $ everyview start              the same until Ctrl-C; alerts are printed as they come
  $ everyview doctor             what is there, what is missing, and the line that installs it

Your own streams and cluster (KAFKA_BROKERS, SCHEMA_REGISTRY_URL):
  $ everyview topics --deploy
  $ everyview run &
  $ everyview ingest news.m3u8 --programme news

'everyview COMMAND --help' has examples for each.`,
    );
}

/** A flag that is off unless given needs no words for that. */
function describeOption(option: Option): string {
  return option.defaultValue === false ? option.description : new Help().optionDescription(option);
}

function tellFailure(error: unknown, { err }: CliContext): number {
  const failure = failureOf(error);
  if (failure.line !== '') line(err, failure.line);
  if (!failure.isExpected) {
    const stack = error instanceof Error ? error.stack : undefined;
    if (stack !== undefined) line(err, masked(stack));
    line(
      err,
      `This should not happen. Please report it with the lines above and with: everyview ${versionOf()}, Node ${process.versions.node}, ${process.platform}.`,
    );
  }
  return failure.exitCode;
}
