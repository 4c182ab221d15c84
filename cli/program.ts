/** The everyview command: its sub-commands, and what each ends with. */
import { Command, Help, type Option } from 'commander';
import type { Action, CliContext } from './context.ts';
import { failureOf, masked } from './failure.ts';
import { line } from './terminal.ts';
import { versionOf } from './version.ts';

/** Runs one command line (without the names of Node and of the script). Resolves to the exit code; never rejects. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  let exitCode = 0;
  const bind: Bind = (action) => async (options) => {
    exitCode = await action(context, options);
  };
  const program = newProgram(context);
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).summary(summary);
    if (args.includes(name)) await load(command, bind);
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return tellFailure(error, context);
  }
}

type Bind = <Options>(action: Action<Options>) => (options: Options) => Promise<void>;

/** In the order of the help. Only a command that a line names is loaded: none waits for what the others need. */
const COMMANDS: readonly {
  readonly name: string;
  readonly summary: string;
  readonly load: (command: Command, bind: Bind) => Promise<void>;
}[] = [
  {
    name: 'start',
    summary: 'run everything on this machine, and watch live video being watched',
    load: async (command, bind) => {
      const { addStart, runStart } = await import('./commands/start.ts');
      addStart(command, bind(runStart));
    },
  },
  {
    name: 'tail',
    summary: 'print the records of a topic as they come',
    load: async (command, bind) => {
      const { addTail, runTail } = await import('./commands/tail.ts');
      addTail(command, bind(runTail));
    },
  },
  {
    name: 'describe',
    summary: 'print what each topology reads, does and writes',
    load: async (command, bind) => {
      const { addDescribe, runDescribe } = await import('./commands/describe.ts');
      addDescribe(command, bind(runDescribe));
    },
  },
  {
    name: 'topics',
    summary: 'list topics and schemas, what should be and what is; create them',
    load: async (command, bind) => {
      const { addTopics, runTopics } = await import('./commands/topics.ts');
      addTopics(command, bind(runTopics));
    },
  },
  {
    name: 'run',
    summary: 'run topologies against a Kafka that is there',
    load: async (command, bind) => {
      const { addRun, runRun } = await import('./commands/run.ts');
      addRun(command, bind(runRun));
    },
  },
  {
    name: 'analyze',
    summary: 'look for defects in files and streams, with no server at all',
    load: async (command, bind) => {
      const { addAnalyze, runAnalyze } = await import('./commands/analyze.ts');
      addAnalyze(command, bind(runAnalyze));
    },
  },
  {
    name: 'audit',
    summary: 'prove that what was said live is what the log leads to',
    load: async (command, bind) => {
      const { addAudit, runAudit } = await import('./commands/audit.ts');
      addAudit(command, bind(runAudit));
    },
  },
  {
    name: 'backtest',
    summary: 'what another configuration would have said about the past',
    load: async (command, bind) => {
      const { addBacktest, runBacktest } = await import('./commands/backtest.ts');
      addBacktest(command, bind(runBacktest));
    },
  },
  {
    name: 'catalogue',
    summary: "which programme a tenant's content id is",
    load: async (command, bind) => {
      const { addCatalogue, runCatalogue } = await import('./commands/catalogue.ts');
      addCatalogue(command, bind(runCatalogue));
    },
  },
  {
    name: 'config',
    summary: 'rules and settings: check them, put them in force, see what holds',
    load: async (command, bind) => {
      const { addConfig, runConfig } = await import('./commands/config.ts');
      addConfig(command, bind(runConfig));
    },
  },
  {
    name: 'console',
    summary: 'the live wall, sessions and alerts in a browser',
    load: async (command, bind) => {
      const { addConsole, runConsole } = await import('./commands/console.ts');
      addConsole(command, bind(runConsole));
    },
  },
  {
    name: 'session',
    summary: 'one viewer session: its score over time, and what it was lost to',
    load: async (command, bind) => {
      const { addSession, runSession } = await import('./commands/session.ts');
      addSession(command, bind(runSession));
    },
  },
  {
    name: 'reset',
    summary: 'delete the state of a topology and choose where it begins again',
    load: async (command, bind) => {
      const { addReset, runReset } = await import('./commands/reset.ts');
      addReset(command, bind(runReset));
    },
  },
  {
    name: 'ingest',
    summary: 'decode streams and write their features into Kafka',
    load: async (command, bind) => {
      const { addIngest, runIngest } = await import('./commands/ingest.ts');
      addIngest(command, bind(runIngest));
    },
  },
  {
    name: 'collect',
    summary: 'take the reports of players into Kafka',
    load: async (command, bind) => {
      const { addCollect, runCollect } = await import('./commands/collect.ts');
      addCollect(command, bind(runCollect));
    },
  },
  {
    name: 'simulate',
    summary: 'an audience that reports to a collector, with incidents that you choose',
    load: async (command, bind) => {
      const { addSimulate, runSimulate } = await import('./commands/simulate.ts');
      addSimulate(command, bind(runSimulate));
    },
  },
  {
    name: 'sink',
    summary: 'keep tables in PostgreSQL that dashboards read',
    load: async (command, bind) => {
      const { addSink, runSink } = await import('./commands/sink.ts');
      addSink(command, bind(runSink));
    },
  },
  {
    name: 'score',
    summary: 'score the sessions in files of player reports',
    load: async (command, bind) => {
      const { addScore, runScore } = await import('./commands/score.ts');
      addScore(command, bind(runScore));
    },
  },
  {
    name: 'doctor',
    summary: 'say what is there, what is missing, and the line that installs it',
    load: async (command, bind) => {
      const { addDoctor, runDoctor } = await import('./commands/doctor.ts');
      addDoctor(command, bind(runDoctor));
    },
  },
];

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
