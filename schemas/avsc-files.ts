/** The schema files beside this one, their full types, and what makes two schemas read the same bytes. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import avro from 'avsc';

/** The text of `<name>.avsc`, docs and defaults included: what deploy registers. */
export function schemaText(name: string): string {
  return readFileSync(new URL(`${name}.avsc`, import.meta.url), 'utf8');
}

/** Throws when the text is no Avro schema. */
export function parseSchema(text: string): avro.Type {
  // A fresh registry for each: versions of one schema share their full name.
  return avro.Type.forSchema(JSON.parse(text), { registry: {} });
}

/**
 * SHA-256, in hex, of a schema's Parsing Canonical Form (Avro 1.11 specification, "Parsing Canonical Form for
 * Schemas"): equal fingerprints mean that the same bytes are read as the same values.
 */
export function fingerprintOf(type: avro.Type): string {
  return createHash('sha256').update(JSON.stringify(type.schema())).digest('hex');
}
