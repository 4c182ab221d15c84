/**
 * May a schema follow the ones that were released? Judged with avsc's resolver, as the registry judges it again at
 * deploy: but here before anything is merged.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fingerprintOf, parseSchema, schemaText } from './avsc-files.ts';
import { messageOf } from './errors.ts';
import { COMPATIBILITY_OF_VISIBILITY, TOPICS } from './topics.ts';

export type CompatibilityLevel =
  (typeof COMPATIBILITY_OF_VISIBILITY)[keyof typeof COMPATIBILITY_OF_VISIBILITY];

/** A released version of a schema: `history/<file>.v<version>.avsc`. */
export type KeptSchema = { readonly file: string; readonly version: number; readonly text: string };

/** What this build's schema file has to be compatible at: the strictest level of the topics that use it. */
export function levelOf(file: string): CompatibilityLevel {
  const users = Object.values(TOPICS).filter((topic) => topic.schema === file);
  const isPublic = users.some((topic) => topic.visibility === 'public');
  return COMPATIBILITY_OF_VISIBILITY[isPublic ? 'public' : 'internal'];
}

/** Every released version of a schema, oldest first. */
export function keptVersions(file: string): readonly KeptSchema[] {
  const pattern = /^(.+)\.v(\d+)\.avsc$/;
  return readdirSync(HISTORY)
    .flatMap((name) => {
      const match = pattern.exec(name);
      if (match === null || match[1] !== file) return [];
      return [{ file, version: Number(match[2]), text: readFileSync(new URL(name, HISTORY), 'utf8') }];
    })
    .sort((a, b) => a.version - b.version);
}

/**
 * Why `candidate` may not follow `earlier` at this level; empty when it may. BACKWARD_TRANSITIVE: readers of the
 * candidate read every earlier version's records. FULL_TRANSITIVE: and readers of every earlier version read the
 * candidate's.
 */
export function breaks(
  level: CompatibilityLevel,
  candidate: string,
  earlier: readonly KeptSchema[],
): string[] {
  const out: string[] = [];
  for (const kept of earlier) {
    const forward = resolveProblem(candidate, kept.text);
    if (forward !== null) out.push(`the new schema cannot read records of v${kept.version}: ${forward}`);
    if (level !== 'FULL_TRANSITIVE') continue;
    const backward = resolveProblem(kept.text, candidate);
    if (backward !== null) out.push(`readers of v${kept.version} cannot read new records: ${backward}`);
  }
  return out;
}

/** Whether two schemas differ in more than their docs. */
export function sameMeaning(a: string, b: string): boolean {
  const meaning = (text: string) => JSON.stringify(parseSchema(text).schema({ exportAttrs: true }));
  return meaning(a) === meaning(b);
}

/**
 * Keeps this build's schema as the next version, when it differs from the newest one that was kept. Returns the file
 * name that it wrote; null when there was nothing to keep. Throws when the schema is incompatible.
 */
export function keepVersion(file: string): string | null {
  const text = schemaText(file);
  const kept = keptVersions(file);
  const newest = kept.at(-1);
  if (newest !== undefined && sameMeaning(newest.text, text)) return null;
  const problems = breaks(levelOf(file), text, kept);
  if (problems.length > 0) throw new Error(`${file}.avsc is not kept: ${problems.join('; ')}`);
  const name = `${file}.v${(newest?.version ?? 0) + 1}.avsc`;
  writeFileSync(new URL(name, HISTORY), text);
  return name;
}

const HISTORY = new URL('history/', import.meta.url);

/** Why records of `writer` cannot be read as `reader`; null when they can. */
function resolveProblem(reader: string, writer: string): string | null {
  const readerType = parseSchema(reader);
  const writerType = parseSchema(writer);
  if (fingerprintOf(readerType) === fingerprintOf(writerType)) return null;
  try {
    readerType.createResolver(writerType);
    return null;
  } catch (error) {
    return messageOf(error).split('\n')[0]!;
  }
}
