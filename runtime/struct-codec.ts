/**
 * State codecs declared as fields: deterministic bytes, fields in the order in which they are declared, maps in key
 * order. The types of the state follow from the declaration, so shape and codec cannot drift apart.
 *
 * @example
 * const run = struct({ startMs: 'long', note: 'string?' });
 * const codec = structCodec({ version: 1, fields: { run: nullable(run), seen: list('int') } });
 * codec.decode(codec.encode({ run: null, seen: [1, 2] }), 1); // { run: null, seen: [1, 2] }
 */
import { compareKeys } from './key-order.ts';
import type { StateCodec } from './state.ts';
import { StateReader, StateWriter } from './state-bytes.ts';

/** `int` has 32 bits, `long` 53; a question mark allows null. */
export type ScalarType = 'int' | 'long' | 'bool' | 'string';
export type FieldType =
  | ScalarType
  | `${ScalarType}?`
  | { readonly kind: 'struct'; readonly fields: Fields }
  | { readonly kind: 'list'; readonly of: FieldType }
  | { readonly kind: 'map'; readonly of: FieldType }
  | { readonly kind: 'nullable'; readonly of: FieldType }
  | { readonly kind: 'one-of'; readonly values: readonly string[] };
export type Fields = { readonly [name: string]: FieldType };

type ScalarTypes = {
  int: number;
  long: number;
  bool: boolean;
  string: string;
  'int?': number | null;
  'long?': number | null;
  'bool?': boolean | null;
  'string?': string | null;
};

/** TypeScript type of a field. */
export type TypeOf<F> = F extends keyof ScalarTypes
  ? ScalarTypes[F]
  : F extends { kind: 'struct'; fields: infer S }
    ? StateOf<S>
    : F extends { kind: 'list'; of: infer E }
      ? TypeOf<E>[]
      : F extends { kind: 'map'; of: infer E }
        ? Map<string, TypeOf<E>>
        : F extends { kind: 'nullable'; of: infer E }
          ? TypeOf<E> | null
          : F extends { kind: 'one-of'; values: readonly (infer V)[] }
            ? V
            : never;

/** TypeScript type of a state with these fields. */
export type StateOf<F> = { -readonly [K in keyof F]: TypeOf<F[K]> };

export function struct<const F extends Fields>(fields: F) {
  return { kind: 'struct', fields } as const;
}

export function list<const F extends FieldType>(of: F) {
  return { kind: 'list', of } as const;
}

/** A map with string keys, written in the order of their bytes. */
export function map<const F extends FieldType>(of: F) {
  return { kind: 'map', of } as const;
}

export function nullable<const F extends FieldType>(of: F) {
  return { kind: 'nullable', of } as const;
}

/** One of a closed list of words; kept as the word, so that the list may grow without a new version. */
export function oneOf<const V extends string>(...values: readonly V[]) {
  return { kind: 'one-of', values } as const;
}

export type StructCodecOptions<F extends Fields> = {
  /** Goes up with every change of shape or meaning. */
  readonly version: number;
  readonly fields: F;
  /** From the bytes of an earlier version to a state of this one, by that version. */
  readonly migrate?: { readonly [version: number]: (bytes: Uint8Array) => StateOf<F> };
};

/**
 * A codec for states with these fields. `encode` throws a `TypeError` that names the field whose value does not fit
 * (a fraction, NaN, a word that is not on the list); `decode` throws for bytes of another version without a migration.
 */
export function structCodec<const F extends Fields>(options: StructCodecOptions<F>): StateCodec<StateOf<F>> {
  const { version, fields, migrate } = options;
  const type = struct(fields);
  return {
    version,
    encode(state) {
      const writer = new StateWriter();
      write(writer, type, state, 'state');
      return writer.finish();
    },
    decode(bytes, written) {
      if (written !== version) {
        const migration = migrate?.[written];
        if (migration === undefined) throw new Error(`no migration from version ${written} to ${version}`);
        return migration(bytes);
      }
      const reader = new StateReader(bytes);
      const state = read(reader, type, 'state') as StateOf<F>;
      reader.end();
      return state;
    },
  };
}

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;

function write(writer: StateWriter, type: FieldType, value: unknown, path: string): void {
  if (typeof type === 'string') {
    writeScalar(writer, type, value, path);
    return;
  }
  switch (type.kind) {
    case 'struct': {
      const object = expect(value, path, isObject, 'an object');
      for (const [name, field] of Object.entries(type.fields))
        write(writer, field, object[name], `${path}.${name}`);
      return;
    }
    case 'list': {
      const items = expect(value, path, isList, 'an array');
      writer.unsigned(items.length);
      for (const [index, item] of items.entries()) write(writer, type.of, item, `${path}[${index}]`);
      return;
    }
    case 'map': {
      const entries = [...expect(value, path, isMap, 'a Map')].sort(([a], [b]) => compareKeys(a, b));
      writer.unsigned(entries.length);
      for (const [key, item] of entries) {
        writer.string(key);
        write(writer, type.of, item, `${path}[${JSON.stringify(key)}]`);
      }
      return;
    }
    case 'nullable':
      writer.byte(value === null ? 0 : 1);
      if (value !== null) write(writer, type.of, value, path);
      return;
    case 'one-of':
      writer.string(expect(value, path, isIn(type.values), `one of ${type.values.join(', ')}`));
      return;
  }
}

function writeScalar(
  writer: StateWriter,
  type: ScalarType | `${ScalarType}?`,
  value: unknown,
  path: string,
): void {
  if (type.endsWith('?')) {
    writer.byte(value === null ? 0 : 1);
    if (value === null) return;
  }
  switch (scalarOf(type)) {
    case 'int':
      writer.signed(expect(value, path, isInt, 'a 32-bit integer'));
      return;
    case 'long':
      writer.signed(expect(value, path, isLong, 'a safe integer'));
      return;
    case 'bool':
      writer.byte(expect(value, path, isBool, 'a boolean') ? 1 : 0);
      return;
    case 'string':
      writer.string(expect(value, path, isString, 'a well-formed string'));
      return;
  }
}

function read(reader: StateReader, type: FieldType, path: string): unknown {
  if (typeof type === 'string') {
    if (type.endsWith('?') && !readFlag(reader, path)) return null;
    return readScalar(reader, scalarOf(type), path);
  }
  switch (type.kind) {
    case 'struct': {
      const object: Record<string, unknown> = {};
      for (const [name, field] of Object.entries(type.fields))
        object[name] = read(reader, field, `${path}.${name}`);
      return object;
    }
    case 'list': {
      const items: unknown[] = [];
      for (let left = reader.unsigned(); left > 0; left--) items.push(read(reader, type.of, path));
      return items;
    }
    case 'map': {
      const entries = new Map<string, unknown>();
      for (let left = reader.unsigned(); left > 0; left--) {
        const key = reader.string();
        entries.set(key, read(reader, type.of, path));
      }
      return entries;
    }
    case 'nullable':
      return readFlag(reader, path) ? read(reader, type.of, path) : null;
    case 'one-of': {
      const word = reader.string();
      if (!type.values.includes(word))
        throw new RangeError(`${path} is ${word}, none of ${type.values.join(', ')}`);
      return word;
    }
  }
}

function readScalar(reader: StateReader, type: ScalarType, path: string): unknown {
  switch (type) {
    case 'int': {
      const value = reader.signed();
      if (!isInt(value)) throw new RangeError(`${path} is ${value}, which has more than 32 bits`);
      return value;
    }
    case 'long':
      return reader.signed();
    case 'bool':
      return readFlag(reader, path);
    case 'string':
      return reader.string();
  }
}

function readFlag(reader: StateReader, path: string): boolean {
  const value = reader.byte();
  if (value > 1) throw new RangeError(`flag of ${path} is ${value}`);
  return value === 1;
}

function scalarOf(type: ScalarType | `${ScalarType}?`): ScalarType {
  return (type.endsWith('?') ? type.slice(0, -1) : type) as ScalarType;
}

function expect<T>(value: unknown, path: string, is: (value: unknown) => value is T, what: string): T {
  if (is(value)) return value;
  throw new TypeError(`${path} has to be ${what}, and is ${String(value)}`);
}

function isInt(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= INT_MIN && (value as number) <= INT_MAX;
}

function isLong(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isBool(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

/** A lone surrogate has no bytes of its own and would come back as another character. */
function isString(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed();
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

function isMap(value: unknown): value is Map<string, unknown> {
  return value instanceof Map && [...value.keys()].every(isString);
}

function isIn(values: readonly string[]): (value: unknown) => value is string {
  return (value): value is string => typeof value === 'string' && values.includes(value);
}
