/** What the user is told when a command ends badly: one line that says what is wrong and what to do. */
import { CommanderError } from 'commander';
import { SinkError } from '../consumers/postgres-sink/errors.ts';
import { SetupError } from '../local/setup-error.ts';
import { IngestError } from '../producers/ingest/ingest-error.ts';
import { TopologyError } from '../runtime/define-topology.ts';
import { LogError } from '../runtime/port.ts';
import { StateError } from '../runtime/state.ts';
import { messageOf, SchemaError } from '../schemas/errors.ts';
import { RegistryError } from '../schemas/registry-error.ts';

export const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** Ended by Ctrl-C before it could do what it was asked for, as shells report it. */
export const EXIT_INTERRUPTED = 130;

/** The command line makes no sense. `fix` says what to write instead. */
export class UsageError extends Error {
  readonly fix: string;

  constructor(message: string, fix: string) {
    super(message);
    this.name = 'UsageError';
    this.fix = fix;
  }
}

/** Something that can go wrong in the world did. `fix` says what the user can do about it. */
export class ExpectedError extends Error {
  readonly fix: string;
  readonly exitCode: number;

  constructor(message: string, fix: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ExpectedError';
    this.fix = fix;
    this.exitCode = options.exitCode ?? EXIT_FAILED;
  }
}

export type Failure = {
  readonly exitCode: number;
  /** Without line breaks; empty when everything was said already. */
  readonly line: string;
  /** False for what nobody foresaw: its stack is shown, with the request to report it. */
  readonly isExpected: boolean;
};

export function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) return usageFailure(error);
  if (error instanceof UsageError) return failure(error.message, error.fix, EXIT_USAGE);
  if (error instanceof ExpectedError) return failure(error.message, error.fix, error.exitCode);
  if (error instanceof SetupError) return failure(error.message, error.fix, error.exitCode);
  if (error instanceof SinkError) return failure(error.message, error.fix);
  if (error instanceof LogError) return failure(`Kafka: ${error.message}`, fixOfLog(error));
  // These say in their message what to do.
  if (error instanceof RegistryError || error instanceof IngestError || error instanceof StateError)
    return failure(error.message, '');
  if (error instanceof SchemaError) return failure(`schema: ${error.message}`, fixOfSchema(error));
  if (error instanceof TopologyError) return failure(error.message, 'Correct it in topologies/');
  return {
    exitCode: EXIT_FAILED,
    line: `everyview: ${oneLine(messageOf(error))}`,
    isExpected: false,
  };
}

/** Passwords and tokens out of a text that a person will see or that a log will keep. */
export function masked(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^/\s:@]*:[^/\s@]*@/gi, '$1***:***@')
    .replace(/\b(password|passwd|secret|token|apikey|api_key|sig|signature)=[^\s&"',;]+/gi, '$1=***');
}

function failure(message: string, fix: string, exitCode = EXIT_FAILED): Failure {
  return {
    exitCode,
    line: `everyview: ${sentence(message)}${fix === '' ? '' : ` ${sentence(capital(fix))}`}`,
    isExpected: true,
  };
}

/** Commander has its own texts; help and version are no failures. */
function usageFailure(error: CommanderError): Failure {
  if (error.exitCode === 0) return { exitCode: 0, line: '', isExpected: true };
  if (error.code === 'commander.help') return { exitCode: EXIT_USAGE, line: '', isExpected: true };
  const [what = '', ...hints] = error.message.replace(/^error: /, '').split('\n');
  const hint = hints.join(' ').replace(/^\((.*)\)$/, '$1');
  return failure(what, hint === '' ? 'See everyview --help' : hint, EXIT_USAGE);
}

const CHECK_BROKERS =
  'Check that Kafka runs there and that KAFKA_BROKERS names it, or unset it to use a local one';

/** Most say in their message what to do; what may pass by itself does not. */
function fixOfLog(error: LogError): string {
  if (error.code === 'unknown-topic') return 'Create the topics with: everyview topics --deploy';
  if (error.code === 'unreachable') return error.message.includes('KAFKA_BROKERS') ? '' : CHECK_BROKERS;
  return error.kind === 'fatal' ? '' : 'Run the command again; if it stays, see the log of the broker';
}

function fixOfSchema(error: SchemaError): string {
  switch (error.code) {
    case 'incompatible-schema':
    case 'no-such-schema':
    case 'unknown-schema-id':
      return 'Register the schemas with: everyview topics --deploy';
    default:
      return 'Look at the record with: everyview tail TOPIC --raw';
  }
}

function sentence(text: string): string {
  const trimmed = oneLine(masked(text)).trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ');
}
