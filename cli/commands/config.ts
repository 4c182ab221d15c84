import type { Command } from 'commander';
import { isoTime } from '../../consumers/tail/record-line.ts';
import { applicationIdOf, partitionCounts } from '../../runtime/deploy.ts';
import { decodeFollowed } from '../../runtime/follow-log.ts';
import type { AdminPort } from '../../runtime/port.ts';
import { putInForce } from '../../runtime/put-configuration.ts';
import { restoreStore } from '../../runtime/restore.ts';
import { DEFAULT_CONFIG_HASH } from '../../runtime/surroundings.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import { committedPosition } from '../../runtime/task-inputs.ts';
import { registryCodec } from '../../runtime/value-codec.ts';
import { taskCountOf } from '../../runtime/worker.ts';
import { SchemaError } from '../../schemas/errors.ts';
import type { ConfigEntry } from '../../schemas/records.ts';
import { openCluster } from '../cluster.ts';
import { configEntry, readConfiguration } from '../configuration-file.ts';
import type { Action } from '../context.ts';
import { ExpectedError } from '../failure.ts';
import { jsonLine, line, table } from '../terminal.ts';
import { TOPOLOGIES } from '../topologies.ts';

export type ConfigOptions =
  | { readonly action: 'check'; readonly file: string; readonly json: boolean }
  | {
      readonly action: 'apply';
      readonly file: string;
      readonly author: string;
      readonly comment: string;
      readonly json: boolean;
    }
  | { readonly action: 'list'; readonly json: boolean }
  | { readonly action: 'show'; readonly hash: string };

export function addConfig(config: Command, run: (options: ConfigOptions) => Promise<void>): void {
  config.description(
    'Detector settings, alert rules, scoring: one file, YAML or JSON. A configuration takes effect by a record in the ' +
      'log, so that a replay sees it at the same place, and every output carries its hash. docs/configuration.md lists ' +
      'every setting.',
  );
  config
    .command('check')
    .summary('say what is wrong with a file; needs no server')
    .argument('<file>')
    .option('--json', 'print hash and content as one JSON object', false)
    .action((file: string, { json }: { json: boolean }) => run({ action: 'check', file, json }));
  config
    .command('apply')
    .summary('put a file in force')
    .argument('<file>')
    .option('--author <name>', 'who does it, for those who look later', '')
    .option('--comment <text>', 'why, for those who look later', '')
    .option('--json', 'print what was done as one JSON object', false)
    .action((file: string, flags: { author: string; comment: string; json: boolean }) =>
      run({ action: 'apply', file, ...flags }),
    );
  config
    .command('list')
    .summary('what was ever put in force, and what each topology holds to now')
    .option('--json', 'print it as one JSON object', false)
    .action(({ json }: { json: boolean }) => run({ action: 'list', json }));
  config
    .command('show')
    .summary('print the content of one')
    .argument('<hash>', 'the hash, or its beginning')
    .action((hash: string) => run({ action: 'show', hash }));
  config.addHelpText(
    'after',
    `
Examples:
  $ everyview config check rules.yaml
  $ everyview backtest --config rules.yaml --from 2026-01-31T18:00:00Z    what it would have changed
  $ everyview config apply rules.yaml --author ana --comment 'slower freeze alarm for the slides channel'
  $ everyview config list
  $ everyview config show 3f2a`,
  );
}

export const runConfig: Action<ConfigOptions> = async (context, options) => {
  const { out, err } = context;
  if (options.action === 'check') {
    const { configHash, config } = readConfiguration(options.file);
    if (options.json) jsonLine(out, { configHash, config });
    else line(out, `${options.file} is right: ${configHash}`);
    return 0;
  }
  const configuration = options.action === 'apply' ? readConfiguration(options.file) : null;
  const cluster = await openCluster(context, { clientId: 'everyview-config', needsRegistry: true });
  try {
    const { port } = cluster;
    const codec = await registryCodec(cluster.registry, systemClock);
    if (options.action === 'apply') {
      const { author, comment } = options;
      const entry = configEntry(configuration!, { author, comment, createdAtMs: systemClock.nowMs() });
      const partitions = await partitionCounts(port);
      const told = await putInForce(port, systemClock, codec, entry, TOPOLOGIES, partitions);
      if (options.json) jsonLine(out, { configHash: entry.contentHash, partitionsTold: told });
      else line(out, `${entry.contentHash} takes effect: ${told} partitions were told`);
      line(err, `next: everyview config list shows which topologies hold to it`);
      return 0;
    }
    const entries = await entriesOf(port, codec);
    if (options.action === 'show') {
      line(out, JSON.stringify(JSON.parse(entryNamed(entries, options.hash).body), null, 2));
      return 0;
    }
    const held = await heldBy(port);
    if (options.json) jsonLine(out, { configurations: entries, held });
    else for (const text of listLines(entries, held)) line(out, text);
    return 0;
  } finally {
    await cluster.close();
  }
};

type Held = { readonly topology: string; readonly task: number; readonly configHash: string };

async function entriesOf(port: AdminPort, codec: FetchingCodec): Promise<readonly ConfigEntry[]> {
  const values: Uint8Array[] = [];
  await restoreStore(
    port,
    { topic: 'everyview-config', partition: 0 },
    {
      onEntry: (_key, value) => {
        if (value !== null) values.push(value);
      },
    },
  );
  const entries = new Map<string, ConfigEntry>();
  for (const value of values) {
    const entry = await decodeFollowed(codec, systemClock, 'everyview-config', value);
    if (entry instanceof SchemaError) throw entry;
    entries.set(entry.name, entry);
  }
  return [...entries.values()];
}

/** What each task held to when it last committed. */
async function heldBy(port: AdminPort): Promise<readonly Held[]> {
  const partitions = await partitionCounts(port);
  const held: Held[] = [];
  for (const topology of TOPOLOGIES) {
    for (let task = 0; task < taskCountOf(topology, partitions); task++) {
      const position = await committedPosition(port, applicationIdOf(topology), task);
      if (position !== null) held.push({ topology: topology.name, task, configHash: position.configHash });
    }
  }
  return held;
}

function entryNamed(entries: readonly ConfigEntry[], start: string): ConfigEntry {
  const found = entries.filter(({ contentHash }) => contentHash.startsWith(start));
  if (found.length === 1) return found[0]!;
  throw new ExpectedError(
    found.length === 0
      ? `no configuration has a hash that begins with ${start}`
      : `${found.length} configurations begin with ${start}`,
    'See them all with everyview config list',
  );
}

function listLines(entries: readonly ConfigEntry[], held: readonly Held[]): string[] {
  const holders = (hash: string): string => {
    const counts = new Map<string, number>();
    for (const { topology, configHash } of held)
      if (configHash === hash) counts.set(topology, (counts.get(topology) ?? 0) + 1);
    return [...counts].map(([topology, tasks]) => `${topology} (${tasks})`).join(', ');
  };
  const rows = table([
    ['configuration', 'made', 'author', 'comment', 'held by (tasks)'],
    ['default', '', '', 'what holds until one is applied', holders(DEFAULT_CONFIG_HASH)],
    ...entries.map(({ contentHash, createdAtMs, author, comment }) => [
      contentHash.slice(0, 12),
      isoTime(createdAtMs),
      author,
      comment,
      holders(contentHash),
    ]),
  ]);
  return rows;
}
