/** The collector with this machine's secret and tenants: what `everyview collect` and `everyview start` both run. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Logger } from 'pino';
import { makeFolder } from '../local/folders.ts';
import { LOOPBACK } from '../local/ports.ts';
import { SecretError, secretFromFile, secretFromText } from '../producers/collector/privacy-keys.ts';
import { type Collector, startCollector } from '../producers/collector/server.ts';
import { parseTenants, SettingsError, type Tenant } from '../producers/collector/settings.ts';
import type { LogPort } from '../runtime/port.ts';
import { systemClock } from '../runtime/system-clock.ts';
import { registryCodec } from '../runtime/value-codec.ts';
import { messageOf } from '../schemas/errors.ts';
import type { Registry } from '../schemas/registry.ts';
import { ExpectedError, UsageError } from './failure.ts';

export const SECRET_VARIABLE = 'EVERYVIEW_COLLECTOR_SECRET';

export type CollectorServiceOptions = {
  readonly port: LogPort;
  readonly registry: Registry;
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly tenants: readonly Tenant[];
  /** Loopback and any free port unless given. */
  readonly host?: string;
  readonly listenPort?: number;
  readonly trustedProxies?: readonly string[];
  readonly logger: Logger;
  readonly onAcknowledged?: (durationMs: number) => void;
};

/** As {@link startCollector}. Its secret is in {@link SECRET_VARIABLE}, or in a file of the data folder, made at first. */
export async function startCollectorService(options: CollectorServiceOptions): Promise<Collector> {
  const { host = LOOPBACK, listenPort = 0, logger } = options;
  try {
    return await startCollector({
      port: options.port,
      codec: await registryCodec(options.registry, systemClock),
      clock: systemClock,
      tenants: options.tenants,
      secret: secretOf(options),
      host,
      listenPort,
      ...(options.trustedProxies === undefined ? {} : { trustedProxies: options.trustedProxies }),
      onProblem: (message) => logger.warn(`collector: ${message}`),
      ...(options.onAcknowledged === undefined ? {} : { onAcknowledged: options.onAcknowledged }),
    });
  } catch (error) {
    if (error instanceof SecretError) throw new ExpectedError(error.message, '', { cause: error });
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      const why = code === 'EADDRINUSE' ? 'somebody else listens there' : messageOf(error);
      throw new ExpectedError(
        `the collector cannot listen on ${host}, port ${listenPort}: ${why}`,
        'Choose another address with --listen HOST:PORT',
        { cause: error },
      );
    }
    throw error;
  }
}

/** The tenants of a file. Throws a `UsageError` that names the place in it, and tells no token. */
export function tenantsOfFile(file: string): readonly Tenant[] {
  let input: unknown;
  try {
    input = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it is not JSON' : messageOf(error);
    throw new UsageError(
      `${file} cannot be read: ${why}`,
      'Write {"tenants": [{"tenant": "NAME", "tokens": ["…"]}]}',
    );
  }
  try {
    return parseTenants(input, file);
  } catch (error) {
    if (error instanceof SettingsError) throw new UsageError(error.message, '');
    throw error;
  }
}

/** One tenant, `local`, with a token of its own in a file that only its owner can read; made at first. */
export function localTenants(dataDir: string): {
  readonly file: string;
  readonly tenants: readonly Tenant[];
} {
  const file = path.join(makeFolder(path.join(dataDir, 'collector')), 'tenants.json');
  if (!existsSync(file)) {
    const made = { tenants: [{ tenant: LOCAL_TENANT, tokens: [randomBytes(16).toString('hex')] }] };
    writeFileSync(file, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
  }
  return { file, tenants: tenantsOfFile(file) };
}

const LOCAL_TENANT = 'local';

function secretOf({ env, dataDir }: CollectorServiceOptions): Uint8Array {
  const given = env[SECRET_VARIABLE];
  if (given !== undefined && given !== '') return secretFromText(given, SECRET_VARIABLE);
  return secretFromFile(path.join(makeFolder(path.join(dataDir, 'collector')), 'secret'));
}
