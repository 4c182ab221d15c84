import { isIP } from 'node:net';
import { type Command, InvalidArgumentError } from 'commander';
import { dataFolder } from '../../local/folders.ts';
import { LOOPBACK } from '../../local/ports.ts';
import type { CollectorStats } from '../../producers/collector/counts.ts';
import { LIMIT_DEFAULTS, maskedTenants } from '../../producers/collector/settings.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { openCluster } from '../cluster.ts';
import { localTenants, SECRET_VARIABLE, startCollectorService, tenantsOfFile } from '../collector-service.ts';
import type { Action } from '../context.ts';
import { aborted } from '../interruption.ts';
import { openLog } from '../logging.ts';
import { addMetricsOptions, type MetricsFlags, ProcessMetrics } from '../metrics.ts';
import { line } from '../terminal.ts';
import { versionOf } from '../version.ts';

export type CollectOptions = MetricsFlags & {
  readonly listen: ListenAddress;
  readonly tenants?: string;
  readonly trustProxy?: readonly string[];
};

type ListenAddress = { readonly host: string; readonly port: number };

const USUAL_PORT = 4580;

export function addCollect(command: Command, run: (options: CollectOptions) => Promise<void>): void {
  command
    .description(
      'Listens for CMCD and JSON reports of players and writes them to playback-events. A report is answered when Kafka has it.',
    )
    .option(
      '--listen <host:port>',
      'where to listen; put a proxy with TLS in front of anything but loopback',
      listenAddress,
      { host: LOOPBACK, port: USUAL_PORT },
    )
    .option(
      '--tenants <file.json>',
      'whose players may report, and with which tokens (one made for you otherwise)',
    )
    .option(
      '--trust-proxy <network...>',
      'proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8',
      network,
    );
  addMetricsOptions(command, 'not served unless given')
    .addHelpText(
      'after',
      `
Examples:
  $ everyview collect
  $ everyview collect --listen 0.0.0.0:4580 --tenants tenants.json --trust-proxy 10.0.0.0/8

tenants.json: {"tenants": [{"tenant": "acme", "tokens": ["…"], "origins": ["https://player.example"]}]}
Players report to http://HOST:PORT/t/TOKEN/v2/events (CMCD version 2, event mode); docs/events.md has the rest.
Viewers' addresses are kept as keyed hashes only, under the secret in ${SECRET_VARIABLE} or in the data folder.

First: 'everyview topics --deploy', 'everyview run'.
Next: 'everyview tail playback-events'.`,
    )
    .action((flags: CollectOptions) => run(flags));
}

export const runCollect: Action<CollectOptions> = async (context, options) => {
  const { err, env, interruption } = context;
  const dataDir = dataFolder(env);
  const made = options.tenants === undefined ? localTenants(dataDir) : null;
  const tenants = made?.tenants ?? tenantsOfFile(options.tenants!);
  await using closing = new AsyncDisposableStack();
  const log = openLog(dataDir, (text) => line(err, text));
  closing.defer(() => log.close());
  const cluster = await openCluster(context, { clientId: 'everyview-collector', needsRegistry: true });
  closing.defer(() => cluster.close());
  const metrics = new ProcessMetrics(versionOf(), systemClock);
  const collector = await startCollectorService({
    port: cluster.port,
    registry: cluster.registry,
    dataDir,
    env,
    tenants,
    host: options.listen.host,
    listenPort: options.listen.port,
    ...(options.trustProxy === undefined ? {} : { trustedProxies: options.trustProxy }),
    logger: log.logger,
    onAcknowledged: metrics.onAcknowledged,
  });
  closing.defer(() => collector.close());
  metrics.watchCollector(collector);
  const served = await metrics.serveIfAsked(options);
  if (served !== null) {
    closing.defer(() => served.close());
    line(err, `metrics: ${served.url}/metrics`);
  }
  const { listen, trustProxy = [] } = options;
  line(
    err,
    JSON.stringify({ listen, trustProxy, ...LIMIT_DEFAULTS, secret: '***', tenants: maskedTenants(tenants) }),
  );
  if (made !== null) line(err, `the token of tenant ${tenants[0]!.tenant} is in ${made.file}`);
  line(err, `collecting at ${collector.url}/t/TOKEN/v2/events; Ctrl-C ends it, the log is ${log.file}`);
  await Promise.race([collector.done, aborted(interruption.signal)]);
  for (const text of statLines(collector.stats())) line(err, text);
  return 0;
};

function statLines(stats: CollectorStats): string[] {
  return Array.from(stats.tenants, ([tenant, { reportsIn, accepted, dropped, notWritten }]) => {
    const left = [...dropped, ...notWritten].map(([reason, count]) => `, ${count} ${reason}`).join('');
    return `${tenant}: ${reportsIn} reports, ${accepted} events${left}`;
  });
}

function listenAddress(text: string): ListenAddress {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    throw new InvalidArgumentError('It is no address: write for example 127.0.0.1:4580 or 0.0.0.0:4580.');
  }
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port };
}

/** Commander hands over one value of several at a time. */
function network(text: string, before: readonly string[] = []): readonly string[] {
  const [address = '', prefix, ...more] = text.split('/');
  const version = isIP(address);
  const isPrefix =
    prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 6 ? 128 : 32));
  if (version !== 0 && isPrefix && more.length === 0) return [...before, text];
  throw new InvalidArgumentError('It is no network: write for example 10.0.0.0/8 or 192.0.2.7.');
}
