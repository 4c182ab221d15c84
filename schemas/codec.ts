/**
 * Values on the wire: the Confluent format, which every registry client reads. Magic byte 0, the schema's id in the
 * registry as four bytes, big-endian, then the Avro body.
 *
 * All of it is synchronous. What the registry knows is in a {@link WriterSchemas} table; an id that is not in it yet
 * raises {@link UnknownSchemaId}, and the caller has it fetched and decodes again.
 */
import { parseSchema, schemaText } from './avsc-files.ts';
import { addUpDifferences, toDifferences } from './column-differences.ts';
import { messageOf, SchemaError, type SchemaErrorCode, UnknownSchemaId } from './errors.ts';
import {
  expectEnd,
  invalidField,
  resolvingReader,
  type ValueReader,
  type WriterSchema,
  writerSchema,
} from './foreign-schema.ts';
import { moveTo, readCursor } from './read-cursor.ts';
import { type FrameFeatures, RECORD_SCHEMAS, type RecordSchema } from './records.ts';
import { type RecordOf, type TopicName, topicDefinition } from './topics.ts';
import { type WriteCursor, writeCursor } from './write-cursor.ts';

/** Bytes in front of the Avro body. */
export const FRAMING_BYTES = 5;

/**
 * A topic's value as bytes of its own, under the id that the registry gave this build's schema.
 *
 * Throws `invalid-value`, `int-out-of-range` or `long-out-of-range`, naming the field.
 */
export function encodeValue<T extends TopicName>(topic: T, schemaId: number, value: RecordOf[T]): Uint8Array {
  const encoded = encodeShared(topic, schemaId, value);
  const copy = Buffer.allocUnsafe(encoded.pos);
  encoded.bytes.copy(copy, 0, 0, encoded.pos);
  return copy;
}

/** The same without a buffer for each value: `bytes[0, pos)`, valid until the next value is encoded. */
export function encodeShared<T extends TopicName>(
  topic: T,
  schemaId: number,
  value: RecordOf[T],
): Readonly<WriteCursor> {
  if (schemaId >>> 0 !== schemaId) throw new SchemaError('bad-framing', `schema id ${schemaId} is no uint32`);
  if (shared.bytes.length > SHARED_BYTES_MAX) shared = writeCursor(SHARED_BYTES);
  const { bytes } = shared;
  bytes[0] = MAGIC;
  bytes[1] = schemaId >>> 24;
  bytes[2] = schemaId >>> 16;
  bytes[3] = schemaId >>> 8;
  bytes[4] = schemaId;
  shared.pos = FRAMING_BYTES;
  const schema = recordSchema(topic);
  try {
    schema.write(shared, asWritten(topic, value));
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    const field = invalidField(parseSchema(schemaText(schema.file)), value);
    throw new SchemaError(error.code, `${topic}${field === null ? '' : `.${field}`}: ${error.message}`, {
      cause: error,
    });
  }
  return shared;
}

/**
 * The value in a record of this topic, whichever version of the schema wrote it. Every byte has to be used.
 *
 * Throws {@link UnknownSchemaId} when the writer's schema has to be fetched first, and a {@link SchemaError} with
 * another code for a record that can never be read.
 */
export function decodeValue<T extends TopicName>(
  topic: T,
  bytes: Uint8Array,
  writers: WriterSchemas,
): RecordOf[T] {
  return decodeRange(topic, bytes, 0, bytes.length, writers);
}

/** The same for the value in `bytes[start, end)`. */
export function decodeRange<T extends TopicName>(
  topic: T,
  bytes: Uint8Array,
  start: number,
  end: number,
  writers: WriterSchemas,
): RecordOf[T] {
  const read = writers.readerOf(topic, schemaIdOf(bytes, start, end));
  return read(bytes, start + FRAMING_BYTES, end) as RecordOf[T];
}

/** Id of the schema that a record was written with; `bad-framing` when there is none. */
export function schemaIdOf(bytes: Uint8Array, start = 0, end = bytes.length): number {
  if (end - start < FRAMING_BYTES) {
    throw new SchemaError('bad-framing', `${end - start} bytes, too few for a magic byte and a schema id`);
  }
  if (bytes[start] !== MAGIC)
    throw new SchemaError('bad-framing', `begins with byte ${bytes[start]}, not with magic 0`);
  return (
    ((bytes[start + 1]! << 24) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 8) | bytes[start + 4]!) >>>
    0
  );
}

/** The Avro body of a framed value: what two runs are compared by, because ids differ between registries. */
export function bodyOf(bytes: Uint8Array): Uint8Array {
  schemaIdOf(bytes);
  return bytes.subarray(FRAMING_BYTES);
}

/** The generated schema of a topic's values. */
export function recordSchema<T extends TopicName>(topic: T): RecordSchema<RecordOf[T]> {
  const file = topicDefinition(topic).schema as keyof typeof RECORD_SCHEMAS;
  return RECORD_SCHEMAS[file] as unknown as RecordSchema<RecordOf[T]>;
}

/**
 * What is known of the registry's ids. One table serves all topics of a process. Ids never change their meaning, so
 * nothing in here goes stale; it is as small as the number of schemas ever registered, and what poisoned records name
 * without there being a schema is bounded.
 */
export class WriterSchemas {
  readonly #known = new Map<number, WriterSchema>();
  readonly #refused = new Map<number, string>();
  readonly #readers = new Map<TopicName, Map<number, ValueReader>>();
  /** The latest that was asked for: records of one topic and schema come in rows. */
  #latestTopic: TopicName | null = null;
  #latestId = -1;
  #latestReader: ValueReader = unreadable;

  /** Takes in what the registry holds under an id. A text that is no Avro schema makes the id unreadable. */
  learn(schemaId: number, text: string): void {
    try {
      this.#known.set(schemaId, writerSchema(text));
      this.#refused.delete(schemaId);
    } catch (cause) {
      const message = messageOf(cause);
      this.refuse(schemaId, `schema ${schemaId} cannot be parsed as Avro: ${message}`);
    }
  }

  /** Remembers that records under this id cannot be read, so that the registry is not asked for each of them. */
  refuse(schemaId: number, reason: string): void {
    if (this.#refused.size >= REFUSED_MAX) this.#refused.delete(this.#refused.keys().next().value!);
    this.#refused.set(schemaId, reason);
  }

  /** SHA-256 of the Parsing Canonical Form of the schema under this id, in hex; null while it is not known. */
  fingerprintOf(schemaId: number): string | null {
    return this.#known.get(schemaId)?.fingerprint ?? null;
  }

  /** How to read this topic's records that were written under this id; errors as of {@link decodeValue}. */
  readerOf(topic: TopicName, schemaId: number): ValueReader {
    if (topic === this.#latestTopic && schemaId === this.#latestId) return this.#latestReader;
    const reader = this.#findReader(topic, schemaId);
    this.#latestTopic = topic;
    this.#latestId = schemaId;
    this.#latestReader = reader;
    return reader;
  }

  #findReader(topic: TopicName, schemaId: number): ValueReader {
    let readers = this.#readers.get(topic);
    if (readers === undefined) {
      readers = new Map();
      this.#readers.set(topic, readers);
    }
    let reader = readers.get(schemaId);
    if (reader === undefined) {
      reader = this.#makeReader(topic, schemaId);
      readers.set(schemaId, reader);
    }
    return reader;
  }

  #makeReader(topic: TopicName, schemaId: number): ValueReader {
    const refused = this.#refused.get(schemaId);
    if (refused !== undefined) throw new SchemaError('no-such-schema', refused);
    const writer = this.#known.get(schemaId);
    if (writer === undefined) throw new UnknownSchemaId(schemaId);
    const schema = recordSchema(topic);
    if (writer.fingerprint === schema.fingerprint) return asMeant(topic, generatedReader(schema));
    try {
      return asMeant(topic, resolvingReader(parseSchema(schemaText(schema.file)), writer));
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      // Kept like a reader: a partition full of such records must not resolve the schemas again for each.
      return refusing(error.code, error.message);
    }
  }
}

/** Not within reach of the first error: its stack would keep whoever asked, with all that it holds. */
function refusing(code: SchemaErrorCode, message: string): ValueReader {
  return () => {
    throw new SchemaError(code, message);
  };
}

const MAGIC = 0;
const REFUSED_MAX = 10_000;

const SHARED_BYTES = 64 * 1024;
/** One huge record must not keep its buffer for ever. */
const SHARED_BYTES_MAX = 1024 * 1024;
let shared = writeCursor(SHARED_BYTES);

const NO_BYTES = new Uint8Array(0);

function asWritten<T extends TopicName>(topic: T, value: RecordOf[T]): RecordOf[T] {
  if (topic !== 'frame-features') return value;
  const record = value as FrameFeatures;
  return record.columnsAreDifferences ? (toDifferences(record) as RecordOf[T]) : value;
}

function asMeant(topic: TopicName, read: ValueReader): ValueReader {
  if (topic !== 'frame-features') return read;
  return (bytes, start, end) => {
    const record = read(bytes, start, end) as FrameFeatures;
    if (record.columnsAreDifferences) addUpDifferences(record);
    return record;
  };
}

function unreadable(): never {
  throw new Error('no reader was asked for yet');
}

function generatedReader<T>(schema: RecordSchema<T>): ValueReader {
  const cursor = readCursor(NO_BYTES);
  return (bytes, start, end) => {
    moveTo(cursor, bytes, start, end);
    const value = schema.read(cursor);
    expectEnd(cursor);
    return value;
  };
}
