/** The collector's settings: what a tenants file may say, checked. */
import { createHash } from 'node:crypto';
import { z } from 'zod';

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits, dots, underscores and hyphens, at most 64');

const tenant = z.strictObject({
  tenant: name,
  /** What its players present. Several, so that one can be replaced while the other still holds. */
  tokens: z
    .array(
      z
        .string()
        .regex(/^[A-Za-z0-9._~-]{16,128}$/, '16 to 128 letters, digits and ._~-: openssl rand -hex 16'),
    )
    .min(1),
  /** Pages whose players may report, such as `https://player.example`; all when it is left out. */
  origins: z.array(z.url()).optional(),
  /** No player of this tenant shall send any more: each is told so (410). */
  stopped: z.boolean().default(false),
  /** The same for single targets. */
  stoppedTargets: z.array(name).default([]),
  reportsPerSecondMax: z.number().int().positive().default(20_000),
  /** Sessions that may be active within ten minutes; further ones are refused until others have ended. */
  sessionsMax: z.number().int().positive().default(200_000),
});

const tenantsFile = z
  .strictObject({ tenants: z.array(tenant).min(1) })
  .superRefine(({ tenants }, refinement) => {
    const names = tenants.map((one) => one.tenant);
    const tokens = tenants.flatMap((one) => one.tokens);
    if (new Set(names).size < names.length) refinement.addIssue('two tenants have the same name');
    if (new Set(tokens).size < tokens.length) refinement.addIssue('a token stands twice');
  });

export type Tenant = z.output<typeof tenant>;
export type TenantsInput = z.input<typeof tenantsFile>;

export const LIMIT_DEFAULTS = {
  /** Of a request's body, also after decompression. */
  bodyBytesMax: 1024 * 1024,
  /** Of encoded events that wait for Kafka. */
  queueBytesMax: 64 * 1024 * 1024,
  lingerMs: 10,
  /** How long a request waits for Kafka before it is told to come back. */
  giveUpAfterMs: 10_000,
  connectionsMax: 20_000,
} as const;

export type Limits = { readonly [K in keyof typeof LIMIT_DEFAULTS]: number };

export class SettingsError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SettingsError';
  }
}

/** Throws {@link SettingsError}, which names the place and tells no token. */
export function parseTenants(input: unknown, from: string): readonly Tenant[] {
  const read = tenantsFile.safeParse(input);
  if (read.success) return read.data.tenants;
  const [issue] = read.error.issues;
  const place = issue!.path.length === 0 ? '' : ` at ${issue!.path.join('.')}`;
  throw new SettingsError(
    `${from} cannot be used${place}: ${issue!.message}. Write {"tenants": [{"tenant": "NAME", "tokens": ["…"]}]}, see docs/events.md`,
  );
}

/** Finds a tenant by its token in the same time whatever the token: only digests are compared. */
export function tenantsByToken(tenants: readonly Tenant[]): (token: string) => Tenant | null {
  const known = new Map(tenants.flatMap((one) => one.tokens.map((token) => [digestOf(token), one] as const)));
  return (token) => known.get(digestOf(token)) ?? null;
}

/** The tenants as they may be shown: tokens as stars. */
export function maskedTenants(tenants: readonly Tenant[]): readonly object[] {
  return tenants.map((one) => ({ ...one, tokens: one.tokens.map(() => '***') }));
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
