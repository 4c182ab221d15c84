import type { Command } from 'commander';
import { decodeFollowed } from '../../runtime/follow-log.ts';
import { restoreStore } from '../../runtime/restore.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { registryCodec } from '../../runtime/value-codec.ts';
import { SchemaError } from '../../schemas/errors.ts';
import type { CatalogueEntry } from '../../schemas/records.ts';
import { putCatalogue } from '../catalogue.ts';
import { openCluster } from '../cluster.ts';
import type { Action } from '../context.ts';
import { jsonLine, line, table } from '../terminal.ts';

export type CatalogueOptions =
  | {
      readonly action: 'put';
      readonly tenant: string;
      readonly contentId: string;
      readonly programmeId: string;
      readonly title: string;
      readonly vod: boolean;
    }
  | {
      readonly action: 'retire';
      readonly tenant: string;
      readonly contentId: string;
      readonly reason: string;
    }
  | { readonly action: 'list'; readonly json: boolean };

export function addCatalogue(catalogue: Command, run: (options: CatalogueOptions) => Promise<void>): void {
  catalogue.description(
    'Joins both sides: players know a content id, probes a programme. A viewer of a content id that is not in here is scored, but for no defect of a stream.',
  );
  catalogue
    .command('put')
    .summary('add an entry, or change it')
    .argument('<tenant>', 'as in the tenants file of the collector')
    .argument('<content-id>', 'as the players send it (CMCD cid)')
    .argument('<programme>', 'as in everyview ingest --programme')
    .option('--title <text>', 'for people', '')
    .option('--vod', 'video on demand: a session waits for no stream', false)
    .action(
      (tenant: string, contentId: string, programmeId: string, flags: { title: string; vod: boolean }) =>
        run({ action: 'put', tenant, contentId, programmeId, ...flags }),
    );
  catalogue
    .command('retire')
    .summary('say that it is on no more; it stays, so that old sessions can be explained')
    .argument('<tenant>')
    .argument('<content-id>')
    .option('--reason <text>', 'for people', '')
    .action((tenant: string, contentId: string, { reason }: { reason: string }) =>
      run({ action: 'retire', tenant, contentId, reason }),
    );
  catalogue
    .command('list')
    .summary('all entries')
    .option('--json', 'NDJSON, every field', false)
    .action(({ json }: { json: boolean }) => run({ action: 'list', json }));
  catalogue.addHelpText(
    'after',
    `
Examples:
  $ everyview catalogue put acme news-live news --title 'News, live'
  $ everyview catalogue list`,
  );
}

export const runCatalogue: Action<CatalogueOptions> = async (context, options) => {
  const { out, err } = context;
  const cluster = await openCluster(context, { clientId: 'everyview-catalogue', needsRegistry: true });
  try {
    const { port } = cluster;
    const codec = await registryCodec(cluster.registry, systemClock);
    const entries = new Map<string, CatalogueEntry>();
    const values: Uint8Array[] = [];
    const onEntry = (_key: Uint8Array, value: Uint8Array | null): void => void (value && values.push(value));
    await restoreStore(port, { topic: 'catalogue', partition: 0 }, { onEntry });
    for (const value of values) {
      const entry = await decodeFollowed(codec, systemClock, 'catalogue', value);
      if (entry instanceof SchemaError) throw entry;
      entries.set(entry.name, entry);
    }
    if (options.action === 'list') {
      if (options.json) for (const entry of entries.values()) jsonLine(out, entry);
      else for (const text of listLines([...entries.values()])) line(out, text);
      return 0;
    }
    const { tenant, contentId } = options;
    const known = entries.get(`${tenant}/${contentId}`);
    if (options.action === 'retire') {
      if (known === undefined) {
        line(err, `everyview: there is no ${tenant}/${contentId}; everyview catalogue list has them all`);
        return 1;
      }
      const { programmeId, title } = known;
      await putCatalogue(port, systemClock, codec, [
        { tenant, contentId, programmeId, title, retired: true, retiredReason: options.reason },
      ]);
      line(err, `${tenant}/${contentId} is retired`);
      return 0;
    }
    const { programmeId, title, vod } = options;
    await putCatalogue(port, systemClock, codec, [
      { tenant, contentId, programmeId, title, streamType: vod ? 'vod' : 'live' },
    ]);
    line(
      err,
      `${tenant}/${contentId} is ${programmeId}${known === undefined ? '' : `, was ${known.programmeId}`}`,
    );
    return 0;
  } finally {
    await cluster.close();
  }
};

function listLines(entries: readonly CatalogueEntry[]): string[] {
  if (entries.length === 0)
    return ['the catalogue is empty: everyview catalogue put TENANT CONTENT-ID PROGRAMME'];
  return table([
    ['tenant', 'content id', 'programme', 'type', 'title', ''],
    ...entries.map(({ tenant, contentId, programmeId, streamType, title, retired }) => [
      tenant,
      contentId,
      programmeId,
      streamType,
      title,
      retired ? 'retired' : '',
    ]),
  ]);
}
