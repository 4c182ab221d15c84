/** Records with nothing in them but what a test says: defaults of the schema, else empty, zero or null. */
import { schemaText } from './avsc-files.ts';
import { type RecordOf, type TopicName, topicDefinition } from './topics.ts';

type Field = { readonly name: string; readonly type: unknown; readonly default?: unknown };

/** @example blankRecord('qos-alerts', { alertId: 'a', version: 2 }) */
export function blankRecord<T extends TopicName>(topic: T, fields: Partial<RecordOf[T]>): RecordOf[T] {
  const schema = JSON.parse(schemaText(topicDefinition(topic).schema)) as { fields: readonly Field[] };
  const blank = Object.fromEntries(schema.fields.map((field) => [field.name, blankOf(field)]));
  return { ...blank, ...fields } as RecordOf[T];
}

function blankOf(field: Field): unknown {
  const { type } = field;
  // Avro's JSON has bytes as text.
  if (type === 'bytes') return Uint8Array.from(Buffer.from(String(field.default ?? ''), 'latin1'));
  if (field.default !== undefined) return field.default;
  if (type === 'string') return '';
  if (type === 'boolean') return false;
  if (type === 'int' || type === 'long') return 0;
  return Array.isArray(type) ? null : [];
}
