/** Like `job.ts`, over a runtime with one mutation in it: its text is edited while it is loaded. */
import { readdirSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { workerData } from 'node:worker_threads';
import type { Edit, Mutation } from './mutations.ts';

const RUNTIME = path.resolve(import.meta.dirname, '../../runtime');
const { name, edits } = workerData as Mutation;

/** Edits by the URL of the file that holds their text. */
const editsOf = new Map<string, Edit[]>();
const sources = readdirSync(RUNTIME)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => ({ file, text: readFileSync(path.join(RUNTIME, file), 'utf8') }));
for (const edit of edits) {
  const places = sources.flatMap(({ file, text }) => Array.from(text.matchAll(everywhere(edit)), () => file));
  if (places.length !== 1) {
    throw new Error(
      `mutation "${name}": ${edit.find} has to be in one place of runtime/, and is in ${places.join(', ') || 'none'}. ` +
        'Bring test/simulation/mutations.ts up to date',
    );
  }
  const url = pathToFileURL(path.join(RUNTIME, places[0]!)).href;
  editsOf.set(url, [...(editsOf.get(url) ?? []), edit]);
}

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const here = editsOf.get(url);
    if (here === undefined) return loaded;
    let source = String(loaded.source);
    for (const edit of here) source = source.replace(edit.find, edit.replace);
    return { ...loaded, source };
  },
});

await import('./job.ts');

function everywhere({ find }: Edit): RegExp {
  return new RegExp(typeof find === 'string' ? RegExp.escape(find) : find.source, 'g');
}
