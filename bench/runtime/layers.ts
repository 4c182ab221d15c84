/** Where the time of a CPU profile went, by the part of the project that was running. */
import type { Profiler } from 'node:inspector';

/** Shares of the time in which something ran, largest first; they add up to 1. */
export type Layers = Readonly<Record<string, number>>;

export function layersOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Layers {
  const layerOfNode = new Map(nodes.map(({ id, callFrame }) => [id, layerOf(callFrame)]));
  const spent = new Map<string, number>();
  let all = 0;
  for (const [index, id] of samples.entries()) {
    const layer = layerOfNode.get(id)!;
    if (layer === null) continue;
    const us = timeDeltas[index]!;
    all += us;
    spent.set(layer, (spent.get(layer) ?? 0) + us);
  }
  return Object.fromEntries([...spent].sort((a, b) => b[1] - a[1]).map(([name, us]) => [name, us / all]));
}

/** Null for what is no work of the run: waiting, and the profiler's own. */
function layerOf({ functionName, url }: Profiler.Profile['nodes'][number]['callFrame']): string | null {
  if (functionName === '(garbage collector)') return 'garbage collection';
  if (functionName === '(idle)' || url === 'node:inspector') return null;
  if (url.includes('/topologies/')) return 'reducers';
  if (url.includes('/bench/')) return 'reducers';
  if (url.endsWith('/runtime/crc32c.ts')) return 'checksums';
  if (url.includes('/schemas/')) return 'reading and writing values';
  // functions made of a state's fields have no file
  if (/\/runtime\/(state|struct|slot)-/.test(url) || (url === '' && functionName === ''))
    return 'state and its changelog';
  if (url.includes('/runtime/')) return 'the rest of the runtime';
  return 'Node';
}
