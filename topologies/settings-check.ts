/** Checks that parts of a configuration share. */

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Faults of a part whose settings are all integers: `defaults` names them, `least` has bounds other than 0. */
export function checkIntegers<S extends object>(
  path: string,
  given: unknown,
  defaults: S,
  least: { readonly [K in keyof S]?: number } = {},
): readonly string[] {
  if (given === undefined) return [];
  if (!isObject(given)) return [`${path} has to be an object`];
  const faults: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, name)) {
      faults.push(`${path}.${name}: no such setting; there are ${Object.keys(defaults).join(', ')}`);
      continue;
    }
    const fault = integerFault(`${path}.${name}`, value, least[name as keyof S] ?? 0);
    if (fault !== null) faults.push(fault);
  }
  return faults;
}

export function integerFault(path: string, value: unknown, least: number): string | null {
  if (!Number.isSafeInteger(value)) return `${path} has to be an integer, and is ${JSON.stringify(value)}`;
  return (value as number) < least ? `${path} has to be at least ${least}, and is ${value}` : null;
}
