/** Which programme a tenant's content id is, from the catalogue: read whole at first, followed from then on. */
import { decodeFollowed, followLog, startPositions } from '../../runtime/follow-log.ts';
import type { Clock, LogPort } from '../../runtime/port.ts';
import type { FetchingCodec } from '../../runtime/task.ts';
import { messageOf, SchemaError } from '../../schemas/errors.ts';

export type Programmes = {
  /** '' when the catalogue names none. */
  programmeIdOf(tenant: string, contentId: string): string;
  /** False once the catalogue could be followed no more: what is known may be old. */
  readonly isFollowing: boolean;
  /** Rejects when the catalogue can be followed no more, after a minute without an answer; else resolves on `close`. */
  readonly done: Promise<void>;
  close(): Promise<void>;
};

export type ProgrammesOptions = {
  readonly port: LogPort;
  readonly codec: FetchingCodec;
  readonly clock: Clock;
  /** Told of entries that cannot be read; they are passed over. */
  readonly onProblem: (message: string) => void;
};

/** Resolves when all that the catalogue holds has been read. */
export async function followProgrammes(options: ProgrammesOptions): Promise<Programmes> {
  const { port, codec, clock } = options;
  const closing = new AbortController();
  const programmes = new Map<string, string>();
  const positions = await startPositions(port, ['catalogue'], { kind: 'beginning' });
  const { promise: caughtUp, resolve: sayCaughtUp } = Promise.withResolvers<void>();
  const done = followLog({
    port,
    clock,
    positions,
    signal: closing.signal,
    onCaughtUp: (isCaughtUp) => {
      if (isCaughtUp) sayCaughtUp();
    },
    onRecord: async ({ key, value, offset }) => {
      // Control records have no key.
      if (key === null) return false;
      const name = Buffer.from(key).toString();
      if (value === null) {
        programmes.delete(name);
        return false;
      }
      const entry = await decodeFollowed(codec, clock, 'catalogue', value);
      if (entry instanceof SchemaError) {
        options.onProblem(`catalogue, offset ${offset}: ${entry.message}; the entry is passed over`);
      } else programmes.set(nameOf(entry.tenant, entry.contentId), entry.programmeId);
      return false;
    },
  });
  await Promise.race([caughtUp, done]);
  let isFollowing = true;
  // Whoever watches `done` is told as well; a reader that nobody watches must not end the process.
  done.catch((error: unknown) => {
    isFollowing = false;
    options.onProblem(`the catalogue can be followed no more: ${messageOf(error)}`);
  });
  return {
    get isFollowing() {
      return isFollowing;
    },
    programmeIdOf: (tenant, contentId) => programmes.get(nameOf(tenant, contentId)) ?? '',
    done,
    async close() {
      closing.abort();
      await Promise.allSettled([done]);
    },
  };
}

function nameOf(tenant: string, contentId: string): string {
  return `${tenant}/${contentId}`;
}
