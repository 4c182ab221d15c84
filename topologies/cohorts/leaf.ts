/** Leaf tuples: who watches what by which way. Cohorts are sets of leaves. */
import { type StateOf, struct } from '../../runtime/struct-codec.ts';
import type { SessionFigures } from '../sessions/figures.ts';

export const LEAF = struct({
  programmeId: 'string',
  cdn: 'string',
  asn: 'long?',
  country: 'string',
  deviceClass: 'string',
  playerVersion: 'string',
  /** Stands for the tuples that the cap left out. */
  other: 'bool',
});

export type Leaf = Readonly<StateOf<(typeof LEAF)['fields']>>;

/** Word in the place of what a tuple that stands for others does not tell. */
export const OTHER = 'other';

export function leafOf(figures: SessionFigures): Leaf {
  const { programmeId, cdn, asn, country, deviceClass, playerVersion } = figures;
  return { programmeId, cdn, asn, country, deviceClass, playerVersion, other: false };
}

/** All that is left out of one programme on one CDN; or, at the second cap, of everything. */
export function otherOf({ programmeId, cdn }: Leaf): Leaf {
  return { ...OF_ALL, programmeId, cdn };
}

export const OF_ALL: Leaf = {
  programmeId: OTHER,
  cdn: OTHER,
  asn: null,
  country: OTHER,
  deviceClass: OTHER,
  playerVersion: OTHER,
  other: true,
};

/** Record key: programmeId|cdn|asn|country|device|playerVersion, with bars inside them escaped. */
export function leafKeyOf(leaf: Leaf): string {
  const { programmeId, cdn, asn, country, deviceClass, playerVersion, other } = leaf;
  const isp = asn === null ? (other ? OTHER : '') : String(asn);
  return `${plain(programmeId)}|${plain(cdn)}|${isp}|${plain(country)}|${plain(deviceClass)}|${plain(playerVersion)}`;
}

function plain(part: string): string {
  if (!part.includes('|') && !part.includes('%')) return part;
  return part.replaceAll('%', '%25').replaceAll('|', '%7C');
}
