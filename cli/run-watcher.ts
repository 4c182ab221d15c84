/** The subscriber of a run: reads what the pipeline says as anybody could, keeps the account, tells of alerts. */
import { AudienceRecord } from '../consumers/summary/audience-record.ts';
import { RunRecord } from '../consumers/summary/run-record.ts';
import { decodeControl } from '../runtime/control-records.ts';
import { decodeFollowed, type FollowedRecord, followLog, startPositions } from '../runtime/follow-log.ts';
import type { Clock, LogPort } from '../runtime/port.ts';
import type { FetchingCodec } from '../runtime/task.ts';
import { SchemaError } from '../schemas/errors.ts';
import type { FrameFeatures, QosAlert, QosScore, StreamDefect } from '../schemas/records.ts';

export type RunWatcher = {
  readonly run: RunRecord;
  readonly audience: AudienceRecord;
  /** Resolves with its Unix time in ms when the first feature record was seen. */
  readonly firstRecord: Promise<number>;
  /** Rejects when the log cannot be read any more; never resolves. */
  readonly failed: Promise<never>;
  /** Log time of the newest record from outside; 0 before the first. */
  latestSourceTimeMs(): number;
  /** Resolves when everything that is committed by now was read. */
  catchUp(): Promise<void>;
  stop(): Promise<void>;
};

export type RunWatcherOptions = {
  readonly port: LogPort;
  readonly clock: Clock;
  readonly codec: FetchingCodec;
  /** Called for every version of every alert, as it comes. */
  readonly onAlert: (alert: QosAlert, isOfEarlierRun: boolean) => void;
  /** A record that cannot be decoded; it is left out of the account. */
  readonly onUndecodable: (record: FollowedRecord, error: SchemaError) => void;
};

const TOPICS = ['frame-features', 'stream-defects', 'qos-alerts', 'playback-events', 'qos-scores'] as const;
type Watched = (typeof TOPICS)[number];
const SOURCES: readonly string[] = ['frame-features', 'playback-events'];

/** Begins at the present ends of the topics. Resolves once it knows where those are: start ingest after that. */
export async function watchRun(options: RunWatcherOptions): Promise<RunWatcher> {
  const { port, clock } = options;
  const positions = await startPositions(port, TOPICS, { kind: 'latest' });
  const firstOffsets = positions.filter(({ topic }) => topic === 'frame-features');
  const run = new RunRecord(new Map(firstOffsets.map(({ partition, offset }) => [partition, offset])));
  const audience = new AudienceRecord();
  const first = Promise.withResolvers<number>();
  const ending = new AbortController();
  let latestSourceTimeMs = 0;
  let fetches = 0;
  let waiting: { readonly afterFetch: number; readonly resolve: () => void }[] = [];
  const done = followLog({
    port,
    clock,
    positions,
    signal: ending.signal,
    onRecord: async (record) => {
      if (decodeControl(record.headers) === null) await take(record, run, audience, options);
      if (SOURCES.includes(record.topic)) {
        latestSourceTimeMs = Math.max(latestSourceTimeMs, record.timestampMs);
      }
      if (run.firstRecordAtMs !== null) first.resolve(run.firstRecordAtMs);
      return false;
    },
    onCaughtUp: (isCaughtUp) => {
      fetches += 1;
      if (!isCaughtUp) return;
      for (const { afterFetch, resolve } of waiting) if (fetches > afterFetch) resolve();
      waiting = waiting.filter(({ afterFetch }) => fetches <= afterFetch);
    },
  });
  const failed = new Promise<never>((_resolve, reject) => done.catch(reject));
  failed.catch(() => {});
  return {
    run,
    audience,
    firstRecord: first.promise,
    failed,
    latestSourceTimeMs: () => latestSourceTimeMs,
    catchUp() {
      // The fetch that is under way may have been answered before now; the one after it was not.
      const afterFetch = fetches + 1;
      return Promise.race([new Promise<void>((resolve) => waiting.push({ afterFetch, resolve })), failed]);
    },
    async stop() {
      ending.abort();
      // `failed` has told how it ended.
      await Promise.allSettled([done]);
    },
  };
}

async function take(
  record: FollowedRecord,
  run: RunRecord,
  audience: AudienceRecord,
  options: RunWatcherOptions,
): Promise<void> {
  if (record.value === null) return;
  if (record.topic === 'playback-events') {
    audience.beacon(Buffer.from(record.key ?? []).toString(), record.timestampMs);
    return;
  }
  const seenAtMs = options.clock.nowMs();
  const value = await decodeFollowed(options.codec, options.clock, record.topic as Watched, record.value);
  if (value instanceof SchemaError) {
    options.onUndecodable(record, value);
    return;
  }
  if (record.topic === 'frame-features') run.takeFeatures(value as FrameFeatures, seenAtMs);
  if (record.topic === 'stream-defects') run.takeDefect(value as StreamDefect, seenAtMs);
  if (record.topic === 'qos-scores') audience.score(value as QosScore, record.timestampMs);
  if (record.topic === 'qos-alerts') {
    run.takeAlert(value as QosAlert, seenAtMs);
    options.onAlert(value as QosAlert, run.isOfEarlierRun(value as QosAlert));
  }
}
