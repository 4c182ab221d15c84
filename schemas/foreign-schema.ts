/**
 * Values written with another version of a schema than this build's: rare, so it goes through avsc's resolver, which
 * applies Avro's resolution rules (Avro 1.11 specification, "Schema Resolution").
 *
 * avsc believes the counts in what it reads. So the bytes are first walked with the writer's schema by our own bounded
 * cursor; only what is well-formed to the last byte reaches avsc.
 */
import type avro from 'avsc';
import { fingerprintOf, parseSchema } from './avsc-files.ts';
import { messageOf, SchemaError } from './errors.ts';
import {
  type ReadCursor,
  readBlock,
  readBoolean,
  readCursor,
  readInt,
  readLength,
  readLong,
  readString,
} from './read-cursor.ts';

/** A schema that the registry gave us. */
export type WriterSchema = { readonly type: avro.Type; readonly fingerprint: string };

/** Reads the value that begins at `start` and ends with the bytes. */
export type ValueReader = (bytes: Uint8Array, start: number, end: number) => unknown;

/** Throws when the text is no Avro schema. */
export function writerSchema(text: string): WriterSchema {
  const type = parseSchema(text);
  return { type, fingerprint: fingerprintOf(type) };
}

/** Throws `incompatible-schema` when the writer's records cannot be read as the reader's. */
export function resolvingReader(reader: avro.Type, writer: WriterSchema): ValueReader {
  let resolver: avro.Resolver;
  try {
    resolver = reader.createResolver(writer.type);
  } catch (cause) {
    throw new SchemaError(
      'incompatible-schema',
      `the writer's schema does not resolve: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
  return (bytes, start, end) => {
    const cursor = readCursor(bytes, start, end);
    walk(writer.type, cursor, 0);
    expectEnd(cursor);
    const body = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
    try {
      return plain(reader.fromBuffer(body, resolver));
    } catch (cause) {
      throw new SchemaError('malformed', `cannot be read with the writer's schema: ${messageOf(cause)}`, {
        cause,
      });
    }
  };
}

/** Throws `trailing-bytes` when the value ended before the bytes. */
export function expectEnd(cursor: ReadCursor): void {
  if (cursor.pos !== cursor.end) {
    throw new SchemaError('trailing-bytes', `${cursor.end - cursor.pos} bytes after the end of the value`);
  }
}

/** Path of the first field of a value that does not fit its type; null when it cannot be told. */
export function invalidField(type: avro.Type, value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  for (const field of (type as avro.types.RecordType).fields) {
    const given = (value as Record<string, unknown>)[field.name];
    if (given === undefined || !field.type.isValid(forAvsc(given))) return field.name;
  }
  return null;
}

/** Nesting of records and unions that a schema may have: ours have one level. */
const DEPTH_MAX = 32;

function walk(type: avro.Type, cursor: ReadCursor, depth: number): void {
  if (depth > DEPTH_MAX) throw new SchemaError('malformed', `nested more than ${DEPTH_MAX} deep`);
  const shape = type as unknown as AvscShape;
  switch (shape.typeName) {
    case 'null':
      return;
    case 'boolean':
      readBoolean(cursor);
      return;
    case 'int':
      readInt(cursor);
      return;
    case 'long':
      readLong(cursor);
      return;
    case 'float':
      skip(cursor, 4);
      return;
    case 'double':
      skip(cursor, 8);
      return;
    case 'bytes':
      readLength(cursor);
      return;
    case 'string':
      readString(cursor);
      return;
    case 'fixed':
      skip(cursor, shape.size);
      return;
    case 'enum':
      readIndex(cursor, shape.symbols.length);
      return;
    case 'union:unwrapped':
    case 'union:wrapped':
      walk(shape.types[readIndex(cursor, shape.types.length)]!, cursor, depth + 1);
      return;
    case 'record':
    case 'error':
      for (const field of shape.fields) walk(field.type, cursor, depth + 1);
      return;
    case 'array':
      walkBlocks(cursor, () => walk(shape.itemsType, cursor, depth + 1));
      return;
    case 'map':
      walkBlocks(cursor, () => {
        readString(cursor);
        walk(shape.valuesType, cursor, depth + 1);
      });
      return;
    default:
      throw new SchemaError('incompatible-schema', `the writer's schema has a ${type.typeName}`);
  }
}

/** The parts of avsc's types that `walk` looks at. */
type AvscShape =
  | { typeName: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string' }
  | { typeName: 'fixed'; size: number }
  | { typeName: 'enum'; symbols: readonly string[] }
  | { typeName: 'union:unwrapped' | 'union:wrapped'; types: readonly avro.Type[] }
  | { typeName: 'record' | 'error'; fields: readonly { readonly type: avro.Type }[] }
  | { typeName: 'array'; itemsType: avro.Type }
  | { typeName: 'map'; valuesType: avro.Type };

function walkBlocks(cursor: ReadCursor, walkItem: () => void): void {
  for (let count = readBlock(cursor); count > 0; count = readBlock(cursor)) {
    for (let i = 0; i < count; i++) walkItem();
  }
}

function readIndex(cursor: ReadCursor, count: number): number {
  const index = readInt(cursor);
  if (index < 0 || index >= count)
    throw new SchemaError('malformed', `branch or symbol ${index} of ${count}`);
  return index;
}

function skip(cursor: ReadCursor, size: number): void {
  if (size > cursor.end - cursor.pos) {
    throw new SchemaError('truncated', 'the bytes end before the value does');
  }
  cursor.pos += size;
}

/** avsc's instances as the plain objects and arrays that generated readers give. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
}

/** avsc takes bytes as Buffers only. */
function forAvsc(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  return Array.isArray(value) ? value.map(forAvsc) : value;
}
