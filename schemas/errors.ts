/**
 * Everything that can be wrong with bytes or values, seen from their schema. None of these is retryable by itself:
 * a record that raises one becomes a dead letter with this code, except `unknown-schema-id`, where the reader first
 * asks the registry for the id (see `registry.ts`) and tries once more.
 */
export type SchemaErrorCode =
  /** The bytes end before the value does. */
  | 'truncated'
  /** The value ends before the bytes do. */
  | 'trailing-bytes'
  /** Not Avro: an overlong varint, a negative length, a union branch that does not exist. */
  | 'malformed'
  /** A string that is not UTF-8. */
  | 'malformed-utf8'
  | 'int-out-of-range'
  /** A long beyond what a JavaScript number holds exactly. */
  | 'long-out-of-range'
  /** No magic byte 0 and schema id in front. */
  | 'bad-framing'
  /** The id was not asked for yet. */
  | 'unknown-schema-id'
  /** The registry was asked and has no Avro schema under the id. */
  | 'no-such-schema'
  /** The writer's schema cannot be read as the topic's. */
  | 'incompatible-schema'
  /** A value to be written does not fit the schema. */
  | 'invalid-value';

export class SchemaError extends Error {
  readonly code: SchemaErrorCode;

  constructor(code: SchemaErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SchemaError';
    this.code = code;
  }
}

/** The record's schema was not asked for yet: fetch it (`learnWriterSchema` in `registry.ts`), then decode again. */
export class UnknownSchemaId extends SchemaError {
  readonly schemaId: number;

  constructor(schemaId: number) {
    super('unknown-schema-id', `schema ${schemaId} was not asked for yet`);
    this.name = 'UnknownSchemaId';
    this.schemaId = schemaId;
  }
}

/** What an error says; of whatever else was thrown, its text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
