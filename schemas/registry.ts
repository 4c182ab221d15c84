/**
 * The schema registry: any that speaks Confluent's API. The deploy step registers ({@link registerSchemas}); tasks only
 * look up ({@link lookUpSchemaIds}) and fetch what others wrote with ({@link learnWriterSchema}).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { schemaText } from './avsc-files.ts';
import type { WriterSchemas } from './codec.ts';
import { messageOf } from './errors.ts';
import { RegistryError } from './registry-error.ts';
import {
  COMPATIBILITY_OF_VISIBILITY,
  TOPIC_NAMES,
  type TopicName,
  topicDefinition,
  valueSubject,
} from './topics.ts';

export type Registry = {
  /** As given, without credentials: fit for messages. */
  readonly url: string;
  readonly client: SchemaRegistry;
  readonly authorization: string | null;
};

/** What deploy did for one topic. */
export type RegisteredSubject = {
  readonly topic: TopicName;
  readonly subject: string;
  readonly schemaId: number;
  readonly compatibility: string;
};

/**
 * A handle; nothing is sent yet. `url` is the base of the API, used as it is: with Apicurio that is
 * `http://host:port/apis/ccompat/v7`. It may carry `user:password@`.
 */
export function openRegistry(url: string): Registry {
  const parsed = parseUrl(url);
  const username = decodeURIComponent(parsed.username);
  const password = decodeURIComponent(parsed.password);
  parsed.username = '';
  parsed.password = '';
  const host = parsed.href.replace(/\/+$/, '');
  const hasCredentials = username !== '' || password !== '';
  return {
    url: host,
    client: new SchemaRegistry({
      host,
      clientId: CLIENT_ID,
      ...(hasCredentials ? { auth: { username, password } } : {}),
      middlewares: [timeoutMiddleware],
    }),
    authorization: hasCredentials
      ? `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
      : null,
  };
}

/**
 * The deploy step: sets each subject's compatibility level, then registers this build's schema under it. Doing it again
 * changes nothing. Throws {@link RegistryError}; `incompatible` names the subject and what the registry objects to.
 */
export async function registerSchemas(
  registry: Registry,
  topics: readonly TopicName[] = TOPIC_NAMES,
): Promise<readonly RegisteredSubject[]> {
  const done: RegisteredSubject[] = [];
  // One after the other: registries number schemas in order of arrival, and two subjects may share one.
  for (const topic of topics) done.push(await registerSchema(registry, topic));
  return done;
}

/** The id of this build's schema for each topic. Registers nothing; `not-registered` says to deploy. */
export async function lookUpSchemaIds<T extends TopicName>(
  registry: Registry,
  topics: readonly T[],
): Promise<ReadonlyMap<T, number>> {
  const ids = new Map<T, number>();
  for (const topic of topics) ids.set(topic, await lookUpSchemaId(registry, topic));
  return ids;
}

/**
 * Fetches the schema under an id into the table that `decodeValue` reads. An id that the registry does not have, or
 * that is no Avro, is noted there as unreadable. Throws only when the registry cannot be asked.
 */
export async function learnWriterSchema(
  registry: Registry,
  writers: WriterSchemas,
  schemaId: number,
): Promise<void> {
  let schema: unknown;
  try {
    schema = await registry.client.getSchema(schemaId);
  } catch (cause) {
    const error = registryError(registry, `schema ${schemaId}`, cause);
    if (error.code === 'unreachable' || error.code === 'unauthorized') throw error;
    writers.refuse(schemaId, error.message);
    return;
  }
  if (!isAvro(schema)) {
    writers.refuse(schemaId, `schema ${schemaId} in the registry is not Avro`);
    return;
  }
  writers.learn(schemaId, JSON.stringify(schema.schema()));
}

const CLIENT_ID = 'everyview';
const TIMEOUT_MS = 10_000;
const ATTEMPTS_MAX = 5;
const ATTEMPT_DELAY_MS = 200;
const MEDIA_TYPE = 'application/vnd.schemaregistry.v1+json';
const DEPLOY = 'run `everyview topics --deploy`';

type Middleware = NonNullable<ConstructorParameters<typeof SchemaRegistry>[0]['middlewares']>[number];

const timeoutMiddleware: Middleware = () => ({
  prepareRequest: async (next) => (await next()).enhance({ timeout: TIMEOUT_MS }),
});

async function registerSchema(registry: Registry, topic: TopicName): Promise<RegisteredSubject> {
  const subject = valueSubject(topic);
  const compatibility = COMPATIBILITY_OF_VISIBILITY[topicDefinition(topic).visibility];
  const level = await compatibilityOf(registry, subject);
  // A subject that exists gets its level first, so that the registry judges the new version by it.
  if (level !== null && level !== compatibility) await setCompatibility(registry, subject, compatibility);
  for (let attempt = 1; ; attempt++) {
    try {
      const { id } = await registry.client.register(confluentSchema(topic), {
        subject,
        compatibility: COMPATIBILITY[compatibility],
      });
      return { topic, subject, schemaId: id, compatibility };
    } catch (cause) {
      if (!isHalfDone(cause) || attempt >= ATTEMPTS_MAX) throw registryError(registry, subject, cause);
      await sleep(ATTEMPT_DELAY_MS * attempt);
    }
  }
}

/**
 * A registry that is slow to make a subject answers an error, and makes it all the same; the client's own second try meets
 * what the first one made. The third finds the schema there.
 */
function isHalfDone(cause: unknown): boolean {
  return cause instanceof Error && /artifact with id .* already exists/i.test(cause.message);
}

async function lookUpSchemaId(registry: Registry, topic: TopicName): Promise<number> {
  const subject = valueSubject(topic);
  try {
    return await registry.client.getRegistryIdBySchema(subject, confluentSchema(topic));
  } catch (cause) {
    // The client wraps "no such subject" and "no such schema" into an error without a status.
    if (cause instanceof Error && !('status' in cause)) {
      throw new RegistryError(
        'not-registered',
        `this build's schema is not registered as ${subject} at ${registry.url}: ${DEPLOY}`,
        { cause },
      );
    }
    throw registryError(registry, subject, cause);
  }
}

function confluentSchema(topic: TopicName): { type: SchemaType.AVRO; schema: string } {
  // Without the line breaks of the file: a registry compares texts.
  const schema = JSON.stringify(JSON.parse(schemaText(topicDefinition(topic).schema)));
  return { type: SchemaType.AVRO, schema };
}

/** The subject's own level; null when there is no such subject, or none of its own. */
async function compatibilityOf(registry: Registry, subject: string): Promise<string | null> {
  const response = await request(registry, 'GET', `/config/${encodeURIComponent(subject)}`, null);
  if (response.status === 404) return null;
  const answer = (await response.json()) as { compatibilityLevel?: string };
  return answer.compatibilityLevel?.toUpperCase() ?? null;
}

async function setCompatibility(registry: Registry, subject: string, compatibility: string): Promise<void> {
  await request(registry, 'PUT', `/config/${encodeURIComponent(subject)}`, { compatibility });
}

/** What the client package has no method for. */
async function request(registry: Registry, method: string, path: string, body: unknown): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${registry.url}${path}`, {
      method,
      headers: {
        accept: MEDIA_TYPE,
        ...(body === null ? {} : { 'content-type': MEDIA_TYPE }),
        ...(registry.authorization === null ? {} : { authorization: registry.authorization }),
      },
      body: body === null ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw unreachable(registry, messageOf((cause as Error).cause ?? cause), cause);
  }
  if (response.ok || (method === 'GET' && response.status === 404)) return response;
  const text = (await response.text()).slice(0, REASON_MAX);
  throw errorOfStatus(registry, path, response.status, text, null);
}

const REASON_MAX = 500;

/** Errors of the client package as one line. */
function registryError(registry: Registry, subject: string, cause: unknown): RegistryError {
  const message = messageOf(cause).replace(`${CLIENT_ID} - `, '').replaceAll('\n', ' ').slice(0, REASON_MAX);
  // It reports a connection that failed as status 400 with this text; answers of a registry are JSON.
  const noAnswer = /^Error, status 400:? ?(.*)$/.exec(message);
  if (noAnswer !== null) return unreachable(registry, noAnswer[1]!, cause);
  const status =
    typeof cause === 'object' && cause !== null && 'status' in cause ? Number(cause.status) : Number.NaN;
  return errorOfStatus(registry, subject, status, message, cause);
}

function errorOfStatus(
  registry: Registry,
  what: string,
  status: number,
  reason: string,
  cause: unknown,
): RegistryError {
  if (status >= 500 || status === 429) return unreachable(registry, `status ${status}, ${reason}`, cause);
  const at = `${what} at ${registry.url}`;
  if (status === 401 || status === 403) {
    const hint = 'give credentials as http://user:password@host in SCHEMA_REGISTRY_URL';
    return new RegistryError('unauthorized', `the schema registry denies ${at}: ${hint}`, { cause });
  }
  if (status === 409) {
    const hint = 'a later schema may only add fields with defaults, see schemas/history/README.md';
    return new RegistryError('incompatible', `the schema registry refuses ${at}: ${reason}; ${hint}`, {
      cause,
    });
  }
  return new RegistryError('refused', `the schema registry refuses ${at}: ${reason}`, { cause });
}

function unreachable(registry: Registry, reason: string, cause: unknown): RegistryError {
  const hint = 'start it, or set SCHEMA_REGISTRY_URL to the base of its API';
  return new RegistryError(
    'unreachable',
    `no schema registry answers at ${registry.url} (${reason}): ${hint}`,
    {
      cause,
    },
  );
}

function parseUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    const shown = JSON.stringify(url.replace(/[^/]*@/, ''));
    throw new RegistryError(
      'refused',
      `${shown} is no http(s) URL: set SCHEMA_REGISTRY_URL to the base of the API`,
    );
  }
  return parsed;
}

type AvscLike = { schema(): unknown };

function isAvro(schema: unknown): schema is AvscLike {
  return (
    typeof schema === 'object' && schema !== null && 'schema' in schema && typeof schema.schema === 'function'
  );
}
