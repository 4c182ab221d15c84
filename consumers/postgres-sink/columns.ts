/**
 * How the fields of a topic's Avro schema become columns: names in snake_case, Unix times as `timestamptz`, arrays as
 * arrays. A row is a line of PostgreSQL's COPY text format.
 */
import { schemaText } from '../../schemas/avsc-files.ts';
import { type TopicName, topicDefinition } from '../../schemas/topics.ts';

export type ColumnType =
  | 'text'
  | 'integer'
  | 'bigint'
  | 'boolean'
  | 'timestamptz'
  | 'bytea'
  | 'text[]'
  | 'integer[]'
  | 'bigint[]';

export type Column = {
  readonly name: string;
  readonly type: ColumnType;
  readonly isNullable: boolean;
  /** Name of the field that it holds. */
  readonly field: string;
  /** Value of the field in records that were written before there was one; undefined for fields of the first hour. */
  readonly before?: unknown;
};

/** A value that no column can hold. The record becomes a reject with this code. */
export class UnstorableValue extends Error {
  readonly code: 'nul-character' | 'time-out-of-range';

  constructor(code: UnstorableValue['code'], message: string) {
    super(message);
    this.name = 'UnstorableValue';
    this.code = code;
  }
}

/** Fields of a topic that are kept out of the tables, each with its reason. */
export const FIELDS_LEFT_OUT: { readonly [T in TopicName]?: Readonly<Record<string, string>> } = {
  catalogue: { vantageInputs: 'the address of an origin is nothing for dashboards' },
};

/** Columns for the fields of a topic's values, in the order of the schema. Throws for a type that it does not know. */
export function columnsOf(topic: TopicName): readonly Column[] {
  const schema = JSON.parse(schemaText(topicDefinition(topic).schema)) as {
    readonly fields: readonly Field[];
  };
  return schema.fields
    .filter(({ name }) => FIELDS_LEFT_OUT[topic]?.[name] === undefined)
    .map(({ name, type, default: before }) => {
      const isNullable = Array.isArray(type) || ZERO_IS_NULL.has(name);
      const bare = Array.isArray(type) ? type.find((one) => one !== 'null')! : type;
      const columnType = INSTANTS.has(name) ? 'timestamptz' : COLUMN_TYPES[JSON.stringify(bare)];
      if (columnType === undefined)
        throw new Error(`${topic}.${name} has a type that no column is known for`);
      const columnName = snakeCase(INSTANTS.has(name) ? name.replace(/Ms$/, '') : name);
      return { name: columnName, type: columnType, isNullable, field: name, before };
    });
}

/** One column's value in COPY text format. Throws {@link UnstorableValue}. */
export function copyText(column: Column, value: unknown): string {
  if (value === null || (value === 0 && ZERO_IS_NULL.has(column.field))) return '\\N';
  switch (column.type) {
    case 'text':
      return escaped(checked(column, value as string));
    case 'timestamptz':
      return instantText(column.name, value as number);
    case 'boolean':
      return value === true ? 't' : 'f';
    case 'integer':
    case 'bigint':
      return String(value);
    case 'bytea':
      return `\\\\x${Buffer.from(value as Uint8Array).toString('hex')}`;
    case 'text[]':
      return `{${(value as string[]).map((one) => escaped(quoted(checked(column, one)))).join(',')}}`;
    case 'integer[]':
    case 'bigint[]':
      return `{${(value as number[]).join(',')}}`;
  }
}

/** Unix time in ms as PostgreSQL reads it, to the millisecond. */
export function instantText(name: string, timeMs: number): string {
  if (timeMs >= 0 && timeMs < YEAR_10000_MS) return new Date(timeMs).toISOString();
  throw new UnstorableValue('time-out-of-range', `${name} is ${timeMs} ms since 1970`);
}

type AvroType = string | { readonly type: string; readonly items: string };
type Field = {
  readonly name: string;
  readonly type: AvroType | readonly AvroType[];
  readonly default?: unknown;
};

const YEAR_10000_MS = 253_402_300_800_000;

const COLUMN_TYPES: Readonly<Record<string, ColumnType>> = {
  '"string"': 'text',
  '"int"': 'integer',
  '"long"': 'bigint',
  '"boolean"': 'boolean',
  '"bytes"': 'bytea',
  '{"type":"array","items":"string"}': 'text[]',
  '{"type":"array","items":"int"}': 'integer[]',
  '{"type":"array","items":"long"}': 'bigint[]',
};

/** Fields that are points in time; all others in ms are durations, or places on a presentation timeline. */
const INSTANTS: ReadonlySet<string> = new Set([
  'windowStartMs',
  'windowEndMs',
  'detectedAtMs',
  'decodedAtMs',
  'programTimeStartMs',
  'programTimeEndMs',
  'startsAtMs',
  'firedAtMs',
  'endsAtMs',
  'updatedAtMs',
]);

/** Where the schema says 0 for none. */
const ZERO_IS_NULL: ReadonlySet<string> = new Set(['decodedAtMs']);

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** PostgreSQL's text holds every character but one. */
function checked(column: Column, text: string): string {
  if (!text.includes('\0')) return text;
  throw new UnstorableValue('nul-character', `${column.field} has a NUL character in it`);
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function escaped(text: string): string {
  return /[\\\n\r\t]/.test(text) ? text.replace(/[\\\n\r\t]/g, (one) => ESCAPES[one]!) : text;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
