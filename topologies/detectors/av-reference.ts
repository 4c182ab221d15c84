/** Which point of a programme the others are compared with: the stream whose setting `isReference` is 1. */
import type { DetectionConfig } from './settings.ts';
import { type StreamScope, streamKeyOf } from './stream-step.ts';

/** Defect type under which the setting is. */
export const AV_SYNC_OFFSET = 'av-sync-offset';

/** What a stream is to the comparison: the reference, or compared with one. Null where its programme has none. */
export type Role =
  | { readonly kind: 'reference' }
  | { readonly kind: 'compared'; readonly reference: StreamScope };

export function roleOf(config: unknown, scope: StreamScope): Role | null {
  if (config === null || config === undefined) return null;
  const reference = referencesIn(config).get(programmePartOf(streamKeyOf(scope)));
  if (reference === undefined) return null;
  const isIt = reference.renditionId === scope.renditionId && reference.vantage === scope.vantage;
  return isIt ? REFERENCE : { kind: 'compared', reference: { ...reference, programmeId: scope.programmeId } };
}

const REFERENCE: Role = { kind: 'reference' };

/** Looked up with every chunk, and the same for as long as the configuration is. */
const REFERENCES = new WeakMap<object, ReadonlyMap<string, StreamScope>>();

/** By programme, as its part of a key is written; of several references the first one by key holds. */
function referencesIn(config: object): ReadonlyMap<string, StreamScope> {
  const known = REFERENCES.get(config);
  if (known !== undefined) return known;
  const found = new Map<string, StreamScope>();
  const streams = (config as DetectionConfig).streams ?? {};
  for (const key of Object.keys(streams).sort()) {
    const parts = key.split('/');
    if (parts.length !== 3 || streams[key]?.[AV_SYNC_OFFSET]?.isReference !== 1) continue;
    const [programmeId, renditionId, vantage] = parts.map(unescapePart) as [string, string, string];
    if (!found.has(parts[0]!)) found.set(parts[0]!, { programmeId, renditionId, vantage });
  }
  REFERENCES.set(config, found);
  return found;
}

function programmePartOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}

/** The other way round than `streamKeyOf` does it. */
function unescapePart(part: string): string {
  return part.replaceAll('%2F', '/').replaceAll('%25', '%');
}
