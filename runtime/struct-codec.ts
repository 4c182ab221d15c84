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
import { type StateCodec, shapeOf } from './state.ts';
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
  const writeFields = writerOf(type);
  const readFields = readerOf(type, 'state');
  const write = (state: StateOf<F>, writer: StateWriter): void => {
    if (!writeFields(writer, state)) throw new TypeError(misfitOf(type, state, 'state') ?? 'state: no fit');
  };
  const shared = new StateWriter();
  return {
    version,
    shape: shapeOf(layoutOf(type)),
    write,
    encode(state) {
      shared.reset();
      write(state, shared);
      return shared.finish();
    },
    decode(bytes, written) {
      if (written !== version) {
        const migration = migrate?.[written];
        if (migration === undefined) throw new Error(`no migration from version ${written} to ${version}`);
        return migration(bytes);
      }
      const reader = new StateReader(bytes);
      const state = readFields(reader) as StateOf<F>;
      reader.end();
      return state;
    },
  };
}

/** What of a type decides how bytes are read. */
function layoutOf(type: FieldType): string {
  if (typeof type === 'string') return type;
  switch (type.kind) {
    case 'struct':
      return `{${Object.entries(type.fields)
        .map(([name, field]) => `${name}:${layoutOf(field)}`)
        .join()}}`;
    case 'list':
      return `[${layoutOf(type.of)}]`;
    case 'map':
      return `map(${layoutOf(type.of)})`;
    case 'nullable':
      return `null(${layoutOf(type.of)})`;
    case 'one-of':
      // the list of words may grow: they are kept as words
      return 'one-of';
  }
}

/** Writes a value; false when it does not fit, and some of it may then be written. */
type Write = (writer: StateWriter, value: unknown) => boolean;
type Read = (reader: StateReader) => unknown;

/** The type is looked at once, here, and not for every value. */
function writerOf(type: FieldType): Write {
  if (typeof type === 'string') return scalarWriterOf(type);
  switch (type.kind) {
    case 'struct':
      return structWriterOf(type.fields);
    case 'list': {
      const writeItem = writerOf(type.of);
      return (writer, value) => {
        if (!isList(value)) return false;
        writer.unsigned(value.length);
        for (let i = 0; i < value.length; i++) if (!writeItem(writer, value[i])) return false;
        return true;
      };
    }
    case 'map':
      return mapWriterOf(writerOf(type.of));
    case 'nullable':
      return nullableWriterOf(writerOf(type.of));
    case 'one-of': {
      const words = new Map<unknown, Uint8Array>(type.values.map((word) => [word, wordBytes(word)]));
      return (writer, value) => {
        const bytes = words.get(value);
        if (bytes === undefined) return false;
        writer.raw(bytes);
        return true;
      };
    }
  }
}

function structWriterOf(fields: Fields): Write {
  const names = Object.keys(fields);
  const writers = names.map((name) => writerOf(fields[name]!));
  // written out field by field, because a look-up by a name that changes costs several times what is looked up
  const steps = names.map((name, i) => ` && write${i}(writer, value[${JSON.stringify(name)}])`);
  const make = new Function(
    'isObject',
    ...names.map((_, i) => `write${i}`),
    `return (writer, value) => isObject(value)${steps.join('')};`,
  );
  return make(isObject, ...writers);
}

function mapWriterOf(writeItem: Write): Write {
  return (writer, value) => {
    if (!isMap(value)) return false;
    writer.unsigned(value.size);
    if (value.size === 0) return true;
    for (const [key, item] of [...value].sort(([a], [b]) => compareKeys(a, b))) {
      writer.string(key);
      if (!writeItem(writer, item)) return false;
    }
    return true;
  };
}

function nullableWriterOf(writeValue: Write): Write {
  return (writer, value) => {
    writer.byte(value === null ? 0 : 1);
    return value === null || writeValue(writer, value);
  };
}

function scalarWriterOf(type: ScalarType | `${ScalarType}?`): Write {
  if (type.endsWith('?')) return nullableWriterOf(scalarWriterOf(scalarOf(type)));
  return SCALAR_WRITERS[scalarOf(type)];
}

/** One for all fields of a type: what is written out above calls few functions, all of them known. */
const SCALAR_WRITERS: Readonly<Record<ScalarType, Write>> = {
  int(writer, value) {
    if (!isInt(value)) return false;
    writer.signed(value);
    return true;
  },
  long(writer, value) {
    if (!isLong(value)) return false;
    writer.signed(value);
    return true;
  },
  bool(writer, value) {
    if (!isBool(value)) return false;
    writer.byte(value ? 1 : 0);
    return true;
  },
  string(writer, value) {
    if (!isString(value)) return false;
    writer.string(value);
    return true;
  },
};

function wordBytes(word: string): Uint8Array {
  const writer = new StateWriter();
  writer.string(word);
  return writer.finish();
}

/** Which part of a value does not fit its type, in words; null when all of it does. */
function misfitOf(type: FieldType, value: unknown, path: string): string | null {
  const unless = (fits: boolean, what: string): string | null =>
    fits ? null : `${path} has to be ${what}, and is ${String(value)}`;
  if (typeof type === 'string') {
    if (type.endsWith('?') && value === null) return null;
    const { is, what } = SCALARS[scalarOf(type)];
    return unless(is(value), what);
  }
  switch (type.kind) {
    case 'struct': {
      if (!isObject(value)) return unless(false, 'an object');
      const fields = Object.entries(type.fields);
      return firstOf(fields.map(([name, field]) => misfitOf(field, value[name], `${path}.${name}`)));
    }
    case 'list':
      if (!isList(value)) return unless(false, 'an array');
      return firstOf(value.map((item, index) => misfitOf(type.of, item, `${path}[${index}]`)));
    case 'map':
      if (!isMap(value)) return unless(false, 'a Map');
      return firstOf(
        [...value].map(([key, item]) => misfitOf(type.of, item, `${path}[${JSON.stringify(key)}]`)),
      );
    case 'nullable':
      return value === null ? null : misfitOf(type.of, value, path);
    case 'one-of':
      return unless(type.values.includes(value as string), `one of ${type.values.join(', ')}`);
  }
}

function firstOf(misfits: readonly (string | null)[]): string | null {
  return misfits.find((misfit) => misfit !== null) ?? null;
}

function readerOf(type: FieldType, path: string): Read {
  if (typeof type === 'string') {
    const readValue = scalarReaderOf(scalarOf(type), path);
    return type.endsWith('?') ? (reader) => (readFlag(reader, path) ? readValue(reader) : null) : readValue;
  }
  switch (type.kind) {
    case 'struct': {
      const fields = Object.entries(type.fields).map(
        ([name, field]) => [name, readerOf(field, `${path}.${name}`)] as const,
      );
      return (reader) => {
        const object: Record<string, unknown> = {};
        for (const [name, readField] of fields) object[name] = readField(reader);
        return object;
      };
    }
    case 'list': {
      const readItem = readerOf(type.of, path);
      return (reader) => {
        const items: unknown[] = [];
        for (let left = reader.unsigned(); left > 0; left--) items.push(readItem(reader));
        return items;
      };
    }
    case 'map': {
      const readItem = readerOf(type.of, path);
      return (reader) => {
        const entries = new Map<string, unknown>();
        for (let left = reader.unsigned(); left > 0; left--) entries.set(reader.string(), readItem(reader));
        return entries;
      };
    }
    case 'nullable': {
      const readValue = readerOf(type.of, path);
      return (reader) => (readFlag(reader, path) ? readValue(reader) : null);
    }
    case 'one-of':
      return (reader) => {
        const word = reader.string();
        if (!type.values.includes(word))
          throw new RangeError(`${path} is ${word}, none of ${type.values.join(', ')}`);
        return word;
      };
  }
}

function scalarReaderOf(type: ScalarType, path: string): Read {
  switch (type) {
    case 'int':
      return (reader) => {
        const value = reader.signed();
        if (!isInt(value)) throw new RangeError(`${path} is ${value}, which has more than 32 bits`);
        return value;
      };
    case 'long':
      return (reader) => reader.signed();
    case 'bool':
      return (reader) => readFlag(reader, path);
    case 'string':
      return (reader) => reader.string();
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

function isInt(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value;
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
  if (!(value instanceof Map)) return false;
  for (const key of value.keys()) if (!isString(key)) return false;
  return true;
}

const SCALARS: Readonly<
  Record<ScalarType, { readonly is: (value: unknown) => boolean; readonly what: string }>
> = {
  int: { is: isInt, what: 'a 32-bit integer' },
  long: { is: isLong, what: 'a safe integer' },
  bool: { is: isBool, what: 'a boolean' },
  string: { is: isString, what: 'a well-formed string' },
};
