/** Prints the records of one topic as they come: a line for people, or NDJSON. */
import { controlGist, gistOf, isoTime } from '../consumers/tail/record-line.ts';
import { type ControlRecord, decodeControl } from '../runtime/control-records.ts';
import { decodeFollowed, type FollowedRecord, followLog, startPositions } from '../runtime/follow-log.ts';
import type { Clock, LogPort } from '../runtime/port.ts';
import type { FetchingCodec } from '../runtime/task.ts';
import { SchemaError } from '../schemas/errors.ts';
import type { RecordOf, TopicName } from '../schemas/topics.ts';
import { jsonLine, line, styled, type Terminal } from './terminal.ts';
import type { StartPoint } from './values.ts';

export type TailOptions = {
  readonly port: LogPort;
  readonly clock: Clock;
  /** Null prints bytes as they are, and needs no registry. */
  readonly codec: FetchingCodec | null;
  readonly topic: TopicName;
  readonly from: StartPoint;
  /** End after this many records; Infinity for no end. */
  readonly recordsMax: number;
  /** End when everything that was there was printed. */
  readonly untilEnd: boolean;
  /** Print ticks, seals and configuration records too. */
  readonly withControl: boolean;
  readonly asJson: boolean;
  readonly out: Terminal;
  readonly signal: AbortSignal;
};

type Printable = {
  readonly record: FollowedRecord;
  readonly control: ControlRecord | 'unknown' | null;
  readonly value: RecordOf[TopicName] | null;
  /** Why the value could not be decoded. */
  readonly error: SchemaError | null;
};

/** Runs until `signal` aborts, or as long as `recordsMax` and `untilEnd` say. Returns how many records it printed. */
export async function tailTopic(options: TailOptions): Promise<number> {
  const { port, clock, from, recordsMax } = options;
  const positions = await startPositions(port, [options.topic], from);
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, ending.signal]);
  let printed = 0;
  await followLog({
    port,
    clock,
    positions,
    signal,
    onRecord: async (record) => {
      if (from.kind === 'time' && record.timestampMs < from.atMs) return false;
      const control = decodeControl(record.headers);
      if (control !== null && !options.withControl) return false;
      print(await decoded(options, record, control), options);
      printed += 1;
      return printed >= recordsMax;
    },
    onCaughtUp: (isCaughtUp) => {
      if (isCaughtUp && options.untilEnd) ending.abort();
    },
  });
  return printed;
}

async function decoded(
  { codec, clock, topic }: TailOptions,
  record: FollowedRecord,
  control: Printable['control'],
): Promise<Printable> {
  if (codec === null || record.value === null) return { record, control, value: null, error: null };
  const value = await decodeFollowed(codec, clock, topic, record.value);
  return value instanceof SchemaError
    ? { record, control, value: null, error: value }
    : { record, control, value, error: null };
}

function print(printable: Printable, options: TailOptions): void {
  if (options.asJson) jsonLine(options.out, jsonOf(printable, options.codec === null));
  else line(options.out, textOf(printable, options));
}

function jsonOf({ record, control, value, error }: Printable, isRaw: boolean): object {
  const { topic, partition, offset, timestampMs, key } = record;
  const place = { topic, partition, offset, timestampMs };
  if (isRaw) return { ...place, key, value: record.value, headers: record.headers };
  return {
    ...place,
    key: key === null ? null : utf8(key),
    ...(control === null ? {} : { control }),
    ...(error === null
      ? { value }
      : { error: { code: error.code, message: error.message }, bytes: record.value }),
  };
}

function textOf({ record, control, value, error }: Printable, { topic, codec, out }: TailOptions): string {
  const place = styled(out, 'dim', `${isoTime(record.timestampMs)} ${record.partition}@${record.offset}`);
  if (codec === null) {
    const headers = record.headers.map(([name, bytes]) => ` ${name}=${utf8(bytes)}`).join('');
    return `${place} ${hex(record.key)} ${hex(record.value)}${headers}`;
  }
  if (control !== null) return `${place} ${styled(out, 'dim', controlGist(control))}`;
  if (error !== null) {
    const reason = `not decodable (${error.code}): ${error.message}`;
    return `${place} ${styled(out, 'red', reason)}`;
  }
  if (value === null) return `${place} ${record.key === null ? '' : utf8(record.key)} deleted`;
  return `${place} ${coloured(topic, value, out)}`;
}

/** Alerts are what people look for: their status has a colour. */
function coloured(topic: TopicName, value: RecordOf[TopicName], out: Terminal): string {
  const gist = gistOf(topic, value);
  if (!('status' in value)) return gist;
  if (value.status === 'firing' || value.status === 'defective') return styled(out, 'red', gist);
  if (value.status === 'resolved') return styled(out, 'green', gist);
  return value.status === 'pending' ? styled(out, 'yellow', gist) : gist;
}

function hex(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : bytes.length === 0 ? '""' : Buffer.from(bytes).toString('hex');
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}
