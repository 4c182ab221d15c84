import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../../runtime/system-clock.ts';
import { isTopicName, TOPIC_NAMES, type TopicName } from '../../schemas/topics.ts';
import { openCluster, readingCodec } from '../cluster.ts';
import type { Action } from '../context.ts';
import { tailTopic } from '../tail-topic.ts';
import { parseStartPoint, type StartPoint, wholeNumber } from '../values.ts';

export type TailCommandOptions = {
  readonly topic: TopicName;
  readonly json: boolean;
  readonly from: StartPoint;
  readonly max?: number;
  readonly untilEnd: boolean;
  readonly control: boolean;
  readonly raw: boolean;
};

export function addTail(command: Command, run: (options: TailCommandOptions) => Promise<void>): void {
  command
    .description(
      `Prints decoded records of a topic, one line each: committed ones only, in the order of each partition.

Topics: ${TOPIC_NAMES.join(', ')}.`,
    )
    .addArgument(new Argument('<topic>', 'a topic of the list above').argParser(topicNamed))
    .option('--json', 'NDJSON: place, time, key and every field of the value', false)
    .addOption(
      new Option('--from <point>', 'beginning, latest, or a time such as 2026-01-31T18:30:00Z')
        .argParser(parseStartPoint)
        .default({ kind: 'latest' } satisfies StartPoint, 'latest'),
    )
    .option('--max <n>', 'end after n records', wholeNumber('number of records', 1, 1e12))
    .option('--until-end', 'end when all that is there was printed', false)
    .option('--control', 'print ticks, seals and configuration records too', false)
    .option('--raw', 'print keys and values as bytes (hex, base64 with --json); needs no registry', false)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview tail qos-alerts                                     alerts from now on
  $ everyview tail stream-defects --from beginning --until-end    all defects so far
  $ everyview tail frame-features --json --max 1                  one record with all its columns

Reads from KAFKA_BROKERS and SCHEMA_REGISTRY_URL, or from the cluster that 'everyview start' runs here.
Next: README.md shows how your own program subscribes.`,
    )
    .action((topic: TopicName, flags: Omit<TailCommandOptions, 'topic'>) => run({ topic, ...flags }));
}

export const runTail: Action<TailCommandOptions> = async (context, options) => {
  const cluster = await openCluster(context, { clientId: 'everyview-tail', needsRegistry: !options.raw });
  try {
    await tailTopic({
      port: cluster.port,
      clock: systemClock,
      codec: options.raw ? null : readingCodec(cluster.registry),
      topic: options.topic,
      from: options.from,
      recordsMax: options.max ?? Number.POSITIVE_INFINITY,
      untilEnd: options.untilEnd,
      withControl: options.control || options.raw,
      asJson: options.json,
      out: context.out,
      signal: context.interruption.signal,
    });
    return 0;
  } finally {
    await cluster.close();
  }
};

function topicNamed(name: string): TopicName {
  if (isTopicName(name)) return name;
  throw new InvalidArgumentError(`It is no topic: there are ${TOPIC_NAMES.join(', ')}.`);
}
