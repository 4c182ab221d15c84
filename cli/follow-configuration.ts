/** The configuration in force, for what is no topology: the latest one that was put into `everyview-config`. */
import { decodeFollowed, followLog, startPositions } from '../runtime/follow-log.ts';
import type { Clock, LogPort } from '../runtime/port.ts';
import type { FetchingCodec } from '../runtime/task.ts';
import { messageOf, SchemaError } from '../schemas/errors.ts';

const TOPIC = 'everyview-config';
const KIND = 'configuration';
/** Reading begins again so long after it failed for good. */
const AGAIN_MS = 10_000;

export type FollowConfigurationOptions = {
  readonly port: LogPort;
  readonly codec: FetchingCodec;
  readonly clock: Clock;
  /** Told of the one in force now, null for none, before the promise resolves; then of each that takes its place. */
  readonly onConfiguration: (config: unknown) => void;
  /** In one line: entries that cannot be read, and failures. What was in force stays so. */
  readonly onProblem: (message: string) => void;
};

/** Resolves when it is known what is in force now, with the way to end it. Throws when the topic cannot be read at all. */
export async function followConfiguration(
  options: FollowConfigurationOptions,
): Promise<{ stop(): Promise<void> }> {
  const { port, codec, clock, onConfiguration, onProblem } = options;
  const ending = new AbortController();
  const known = Promise.withResolvers<void>();
  let latest: { readonly hash: string; readonly config: unknown } | null = null;
  let told: string | null = null;
  let isKnown = false;
  const tell = (): void => {
    if (isKnown && told === (latest?.hash ?? null)) return;
    told = latest?.hash ?? null;
    onConfiguration(latest?.config ?? null);
    isKnown = true;
    known.resolve();
  };
  const read = async (): Promise<void> => {
    await followLog({
      port,
      clock,
      positions: await startPositions(port, [TOPIC], { kind: 'beginning' }),
      signal: ending.signal,
      async onRecord({ value }) {
        if (value === null) return false;
        const entry = await decodeFollowed(codec, clock, TOPIC, value);
        if (entry instanceof SchemaError) {
          onProblem(`a configuration cannot be read: ${entry.message}`);
        } else if (entry.kind === KIND) {
          const config = parsed(entry.body);
          if (config === undefined)
            onProblem(`configuration ${entry.contentHash} is no JSON: it is left out`);
          else latest = { hash: entry.contentHash, config };
        }
        return false;
      },
      onCaughtUp: (isCaughtUp) => {
        if (isCaughtUp) tell();
      },
    });
  };
  const run = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      try {
        await read();
      } catch (error) {
        if (!isKnown) return known.reject(error);
        onProblem(`the configuration cannot be followed: ${messageOf(error)}; trying again`);
        await clock.sleep(AGAIN_MS, ending.signal);
      }
    }
  };
  const running = run();
  await known.promise;
  return {
    async stop() {
      ending.abort();
      await running;
    },
  };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
