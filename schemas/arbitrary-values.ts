/** For tests: random values of any schema that `generate.ts` accepts. */
import fc from 'fast-check';
import { schemaText } from './avsc-files.ts';

/**
 * The greatest long that avsc, the reference in these tests, encodes rightly: its zigzag is made in one double, which
 * loses the last bit above this.
 */
const REFERENCE_LONG_MAX = 2 ** 52;

/** Values of the record in `<file>.avsc`. */
export function valuesOf(file: string): fc.Arbitrary<Record<string, unknown>> {
  const { fields } = JSON.parse(schemaText(file)) as { fields: { name: string; type: AvroType }[] };
  return fc.record(Object.fromEntries(fields.map((field) => [field.name, arbitraryOf(field.type)])), {
    noNullPrototype: true,
  });
}

type AvroType = string | AvroType[] | { type: string; items?: AvroType };

const LONGS = fc
  .oneof(
    fc.integer(),
    fc.integer({ min: -REFERENCE_LONG_MAX, max: REFERENCE_LONG_MAX }),
    // Around the borders between varint lengths, where an encoder goes wrong if it does.
    fc
      .tuple(fc.integer({ min: 0, max: 51 }), fc.integer({ min: -2, max: 2 }), fc.boolean())
      .map(([bits, delta, negative]) => (2 ** bits + delta) * (negative ? -1 : 1)),
  )
  .map((value) => value + 0);

const STRINGS = fc.oneof(fc.string({ maxLength: 80 }), fc.string({ unit: 'binary', maxLength: 60 }));

function arbitraryOf(type: AvroType): fc.Arbitrary<unknown> {
  if (Array.isArray(type)) {
    const other = type.find((branch) => branch !== 'null');
    return fc.option(arbitraryOf(other!), { nil: null });
  }
  switch (typeof type === 'string' ? type : type.type) {
    case 'int':
      return fc.oneof(fc.integer({ min: -200, max: 20_000 }), fc.integer());
    case 'long':
      return LONGS;
    case 'string':
      return STRINGS;
    case 'boolean':
      return fc.boolean();
    case 'bytes':
      return fc.uint8Array({ maxLength: 50 });
    case 'array':
      return fc.array(arbitraryOf((type as { items: AvroType }).items), { maxLength: 30 });
    default:
      throw new Error(`no arbitrary for ${JSON.stringify(type)}`);
  }
}
