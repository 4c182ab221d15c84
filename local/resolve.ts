/** Which Kafka and which schema registry to use: the ones that the environment names, else local ones. */
import { messageOf } from '../schemas/errors.ts';
import { type LocalCluster, type LocalPart, startLocal } from './cluster.ts';
import { dataFolder } from './folders.ts';
import { askKafka } from './kafka.ts';
import { type OnProgress, reportStep } from './progress.ts';
import { askRegistry } from './registry.ts';
import { SetupError } from './setup-error.ts';

export type Cluster = {
  /** For a Kafka client: `host:port` each. */
  readonly brokers: readonly string[];
  /** Root of Confluent's protocol; may hold a user name and a password: print it with {@link maskedUrl}. */
  readonly registryUrl: string;
  readonly dataDir: string;
  /** Which parts run as children of this process. */
  readonly local: readonly LocalPart[];
  /** Resolves when a local part ends that nobody stopped. */
  readonly broken: Promise<SetupError>;
  stop(): Promise<void>;
};

export type ResolveOptions = {
  readonly onProgress: OnProgress;
  readonly env?: NodeJS.ProcessEnv;
  readonly allowInstall?: boolean;
  readonly signal?: AbortSignal | undefined;
};

const KAFKA_TIMEOUT_MS = 6_000;
const REGISTRY_TIMEOUT_MS = 6_000;
const RETRY_AFTER_MS = 500;

/**
 * `KAFKA_BROKERS` and `SCHEMA_REGISTRY_URL` where given, which must answer within seconds; a local server, started
 * now, for each that is not given. Throws a {@link SetupError}.
 */
export async function resolveCluster(options: ResolveOptions): Promise<Cluster> {
  const env = options.env ?? process.env;
  const brokers = givenBrokers(env);
  const registryUrl = givenRegistry(env);
  await Promise.all([
    brokers === null
      ? null
      : checkGiven('reach Kafka', brokers.join(','), options, () => checkKafka(brokers)),
    registryUrl === null
      ? null
      : checkGiven('reach schema registry', maskedUrl(registryUrl), options, () =>
          checkRegistry(registryUrl),
        ),
  ]);
  const parts: LocalPart[] = [];
  if (brokers === null) parts.push('kafka');
  if (registryUrl === null) parts.push('registry');
  const dataDir = dataFolder(env);
  const local: LocalCluster | null =
    parts.length === 0 ? null : await startLocal({ ...options, dataDir, parts });
  return {
    brokers: brokers ?? [local!.brokers],
    registryUrl: registryUrl ?? local!.registryUrl,
    dataDir,
    local: parts,
    broken: local?.broken ?? new Promise(() => {}),
    stop: async () => await local?.stop(),
  };
}

/** `KAFKA_BROKERS` as a list, null when it is not set. Throws `bad-address` for what is no `host:port`. */
export function givenBrokers(env: NodeJS.ProcessEnv): readonly string[] | null {
  const given = env.KAFKA_BROKERS?.trim();
  if (given === undefined || given === '') return null;
  return given.split(',').map((part) => {
    const broker = part.trim();
    const match = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(broker);
    if (match !== null && Number(match[2]) >= 1 && Number(match[2]) <= 65_535) return broker;
    throw new SetupError(
      'bad-address',
      `KAFKA_BROKERS: "${broker}" is not an address`,
      'write host:port, several with commas between them, such as 127.0.0.1:9092',
    );
  });
}

/** `SCHEMA_REGISTRY_URL` without a slash at its end, null when it is not set. Throws `bad-address`. */
export function givenRegistry(env: NodeJS.ProcessEnv): string | null {
  const given = env.SCHEMA_REGISTRY_URL?.trim();
  if (given === undefined || given === '') return null;
  const url = URL.parse(given);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:'))
    return given.replace(/\/+$/, '');
  throw new SetupError(
    'bad-address',
    `SCHEMA_REGISTRY_URL: "${given}" is not a URL`,
    'write it with http:// or https://, such as http://127.0.0.1:8081',
  );
}

/** Throws `kafka-unreachable` unless a broker answers within seconds, also at the address that it advertises. */
export async function checkKafka(brokers: readonly string[]): Promise<void> {
  const failure = await lastFailure(KAFKA_TIMEOUT_MS, (leftMs) => askKafka(brokers, leftMs));
  if (failure === null) return;
  throw new SetupError(
    'kafka-unreachable',
    `no Kafka broker answers at ${brokers.join(',')} (${failure})`,
    'start that broker, correct KAFKA_BROKERS, or unset it to run a local one',
  );
}

/** Throws `registry-unreachable` unless a Confluent-compatible registry answers within seconds. */
export async function checkRegistry(url: string): Promise<void> {
  const failure = await lastFailure(REGISTRY_TIMEOUT_MS, (leftMs) => askRegistry(url, leftMs));
  if (failure === null) return;
  throw new SetupError(
    'registry-unreachable',
    `no schema registry answers at ${maskedUrl(url)} (${failure})`,
    'start it, correct SCHEMA_REGISTRY_URL (for Apicurio it ends in /apis/ccompat/v7), or unset it to run a local one',
  );
}

/** The URL without its password. */
export function maskedUrl(url: string): string {
  const parsed = new URL(url);
  if (parsed.password !== '') parsed.password = '***';
  return parsed.href.replace(/\/$/, '');
}

async function checkGiven(
  step: string,
  address: string,
  { onProgress }: ResolveOptions,
  check: () => Promise<void>,
): Promise<void> {
  await reportStep(onProgress, step, address, check);
}

/** Asks again until the time is over; null when it was content, else why it was not. */
async function lastFailure(
  timeoutMs: number,
  ask: (leftMs: number) => Promise<void>,
): Promise<string | null> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const leftMs = Math.ceil(deadlineMs - performance.now());
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`no answer within ${timeoutMs / 1000} s`), leftMs);
    });
    const answer = ask(leftMs).then(() => null, reasonOf);
    const failure = await Promise.race([answer, tooLate]);
    clearTimeout(timer);
    if (failure === null || performance.now() + RETRY_AFTER_MS >= deadlineMs) return failure;
    await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
  }
}

/** The innermost message: `fetch failed` says nothing, its cause does. */
function reasonOf(error: unknown): string {
  let current: unknown = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  if (current instanceof AggregateError && current.errors[0] instanceof Error)
    return current.errors[0].message;
  return messageOf(current);
}
