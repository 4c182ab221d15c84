/**
 * Control records: what the runtime itself says in the log. They have no key and no value, only headers, so that a
 * subscriber with a stock client skips them as it skips any null value, and no schema has to know about them.
 *
 * | kind | written by | into | says |
 * |---|---|---|---|
 * | `tick` | the task that reads the partition | its input partition | time went on, nothing else happened |
 * | `seal` | the task that writes the partition | its output partitions | all that begins before `sealedUpToMs` was said |
 * | `config-effective` | whoever publishes it | each partition from outside | from here on the configuration `configHash` holds |
 * | | a task that took one which changes what holds | its sealed output partitions | the same, to the readers of what it says |
 */
import type { LogHeader } from './record-batch.ts';

export type ControlRecord =
  | { readonly kind: 'tick' }
  | { readonly kind: 'seal'; readonly sealedUpToMs: number }
  | { readonly kind: 'config-effective'; readonly configHash: string };

/** Header that marks a control record; its value is the kind. */
const CONTROL_HEADER = 'ev.control';
/** Headers of a record on a repartition edge: the task that wrote it, and its number among all that the task wrote. */
export const SOURCE_TASK_HEADER = 'ev.task';
export const SOURCE_SEQ_HEADER = 'ev.seq';
/** Header of a record that followed from state which may have begun before the log that was read; never in a live log. */
export const PARTIAL_HEADER = 'ev.partial';

const SEALED_UP_TO_HEADER = 'ev.sealed-up-to-ms';
const CONFIG_HASH_HEADER = 'ev.config-hash';

export function encodeControl(record: ControlRecord): readonly LogHeader[] {
  const kind = textHeader(CONTROL_HEADER, record.kind);
  switch (record.kind) {
    case 'tick':
      return [kind];
    case 'seal':
      return [kind, textHeader(SEALED_UP_TO_HEADER, String(record.sealedUpToMs))];
    case 'config-effective':
      return [kind, textHeader(CONFIG_HASH_HEADER, record.configHash)];
  }
}

/**
 * The control record in these headers; null when there is none, `unknown` when it is of a kind that this version does
 * not know or is malformed (a reader counts it and goes on).
 */
export function decodeControl(headers: readonly LogHeader[]): ControlRecord | 'unknown' | null {
  const kind = textOf(headers, CONTROL_HEADER);
  if (kind === null) return null;
  if (kind === 'tick') return { kind };
  if (kind === 'seal') {
    const sealedUpToMs = integerOf(headers, SEALED_UP_TO_HEADER);
    return sealedUpToMs === null ? 'unknown' : { kind, sealedUpToMs };
  }
  if (kind === 'config-effective') {
    const configHash = textOf(headers, CONFIG_HASH_HEADER);
    return configHash === null || configHash === '' ? 'unknown' : { kind, configHash };
  }
  return 'unknown';
}

export function isTick(headers: readonly LogHeader[]): boolean {
  const control = decodeControl(headers);
  return control !== null && control !== 'unknown' && control.kind === 'tick';
}

export function textHeader(name: string, value: string): LogHeader {
  return [name, Buffer.from(value)];
}

/** The header as a whole number; null when it is absent or not one. */
export function integerOf(headers: readonly LogHeader[], name: string): number | null {
  const text = textOf(headers, name);
  if (text === null || !/^-?\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

function textOf(headers: readonly LogHeader[], name: string): string | null {
  for (const [headerName, value] of headers) {
    if (headerName === name)
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
  }
  return null;
}
