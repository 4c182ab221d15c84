/**
 * How deep a probe looks at a stream, and how a configuration says so:
 *
 * @example
 * {
 *   "ingest": {
 *     "depth": "keyframes",
 *     "deepenForMs": 60000,
 *     "streams": { "final": { "depth": "full" }, "archive/720p/cdn:west": { "depth": "packets" } }
 *   }
 * }
 */
export const DEPTHS = ['packets', 'keyframes', 'full'] as const;

/**
 * `packets`: timestamps and sizes alone, nothing is decoded. `keyframes`: sound, and those pictures that need no other one.
 * `full`: everything.
 */
export type Depth = (typeof DEPTHS)[number];

/** What holds for one stream. */
export type DepthPlan = {
  readonly depth: Depth;
  /** After an anomaly at a shallower depth the stream is looked at in full until there was none for this long, ms. */
  readonly deepenForMs: number;
};

/** Long enough for the slowest detector of pictures and sound to be sure, and for a defect that comes and goes. */
export const DEEPEN_FOR_MS = 60_000;

type StreamName = { readonly programmeId: string; readonly renditionId: string; readonly vantage: string };

/**
 * The plan for a stream: what it was started with, then what the configuration says of all streams, of its programme, of
 * itself (`programme/rendition/vantage`). The last one that says it holds.
 */
export function depthPlanFor(config: unknown, stream: StreamName, started: Depth): DepthPlan {
  const ingest = (config as { ingest?: IngestPart } | null)?.ingest ?? {};
  const { programmeId, renditionId, vantage } = stream;
  const names = [programmeId, `${programmeId}/${renditionId}/${vantage}`];
  const parts: readonly (StreamPart | undefined)[] = [ingest, ...names.map((name) => ingest.streams?.[name])];
  const said = <K extends keyof StreamPart>(field: K) =>
    parts.findLast((part) => part?.[field] !== undefined)?.[field];
  return { depth: said('depth') ?? started, deepenForMs: said('deepenForMs') ?? DEEPEN_FOR_MS };
}

/** What is wrong with the part `ingest` of a configuration, one sentence for each fault; empty when nothing is. */
export function checkIngestPart(ingest: unknown): readonly string[] {
  if (ingest === undefined) return [];
  const faults = [...checkPart('ingest', ingest, ['depth', 'deepenForMs', 'streams'])];
  const streams = isObject(ingest) ? ingest.streams : undefined;
  if (streams === undefined) return faults;
  if (!isObject(streams)) return [...faults, 'ingest.streams has to be an object'];
  for (const [name, part] of Object.entries(streams))
    faults.push(...checkPart(`ingest.streams.${name}`, part, ['depth', 'deepenForMs']));
  return faults;
}

type StreamPart = { readonly depth?: Depth; readonly deepenForMs?: number };
type IngestPart = StreamPart & { readonly streams?: { readonly [name: string]: StreamPart } };

function checkPart(path: string, part: unknown, names: readonly string[]): readonly string[] {
  if (!isObject(part)) return [`${path} has to be an object`];
  const faults = Object.keys(part)
    .filter((name) => !names.includes(name))
    .map((name) => `${path}.${name}: no such setting; there are ${names.join(', ')}`);
  const { depth, deepenForMs } = part;
  if (depth !== undefined && !(DEPTHS as readonly unknown[]).includes(depth))
    faults.push(`${path}.depth has to be one of ${DEPTHS.join(', ')}, and is ${JSON.stringify(depth)}`);
  if (deepenForMs !== undefined && !(Number.isSafeInteger(deepenForMs) && (deepenForMs as number) >= 1_000))
    faults.push(
      `${path}.deepenForMs has to be an integer of at least 1000, and is ${JSON.stringify(deepenForMs)}`,
    );
  return faults;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
