/** Like `job.ts`, over a runtime with one mutation in it: the edit is made while the file is loaded. */
import { registerHooks } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { workerData } from 'node:worker_threads';
import type { Mutation } from './mutations.ts';

const { file, find, replace, name } = workerData as Mutation;
const target = pathToFileURL(path.resolve(import.meta.dirname, '../..', file)).href;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (url !== target) return loaded;
    const parts = String(loaded.source).split(find);
    if (parts.length !== 2) {
      throw new Error(
        `mutation "${name}" finds its text ${parts.length - 1} times in ${file}: bring it up to date`,
      );
    }
    return { ...loaded, source: parts.join(replace) };
  },
});

await import('./job.ts');
