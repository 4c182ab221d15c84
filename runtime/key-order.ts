/**
 * Order of keys by their UTF-8 bytes, as the broker, the changelog and every other language sort them. JavaScript's
 * own `<` compares UTF-16 units, which puts U+E000 to U+FFFF after the characters beyond them.
 */
export function compareKeys(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const leftUnit = left.charCodeAt(i);
    const rightUnit = right.charCodeAt(i);
    if (leftUnit !== rightUnit) return rankOfUnit(leftUnit) - rankOfUnit(rightUnit);
  }
  return left.length - right.length;
}

/** Surrogates stand for U+10000 and above, so they rank after every other unit. */
function rankOfUnit(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
