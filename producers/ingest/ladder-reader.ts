/** Which renditions a ladder has: asked until its manifest can be had, and said in the log as long as it cannot. */
import { Chunker } from './chunker.ts';
import { FetchFailure } from './fetch-failure.ts';
import type { Rendition } from './ladder.ts';
import { parseAllowRule } from './network-policy.ts';
import type { ProbeContext, ProbeOutcome } from './probe-context.ts';
import { FRUITLESS_MAX, retryDelayMs } from './retry-policy.ts';
import { filePathOf, inputKindOf, type StreamSpec } from './stream-spec.ts';

export type LadderReading =
  /** One specification for each rendition; the given one where there is no ladder. */
  { readonly streams: readonly StreamSpec[] } | { readonly outcome: ProbeOutcome };

export async function readLadder(
  spec: StreamSpec,
  context: ProbeContext & { readonly signal: AbortSignal },
): Promise<LadderReading> {
  const { clock, emit, note, probeId, probeEpochMs, signal } = context;
  const { fetcher, abilities } = context.sources;
  const isWeb = inputKindOf(spec.input) === 'web';
  const { programmeId, renditionId, vantage } = spec;
  const identity = { programmeId, renditionId, vantage, probeId, probeEpochMs, decoder: abilities.build };
  const chunker = new Chunker(identity, null);
  const say = (event: 'signal-lost' | 'signal-restored' | 'end', reason: string): Promise<void> =>
    emit(chunker.addEvent(event, reason, 0, clock.nowMs()));
  const session = await fetcher.open({
    input: isWeb ? spec.input : filePathOf(spec.input),
    allow: spec.allow.map(parseAllowRule),
    rendition: 'best',
    events: {},
  });
  const sinceMs = clock.nowMs();
  let isLost = false;
  try {
    for (let failures = 0; ; failures++) {
      if (signal.aborted) {
        if (isLost) await say('end', 'the probe was stopped');
        return { outcome: { kind: 'stopped', reason: '' } };
      }
      try {
        const { renditions } = await session.look();
        // What was said under the stream's own name is over: the renditions speak from here on.
        if (isLost) await say('signal-restored', 'the manifest is there');
        if (isLost) await say('end', 'its renditions are watched');
        return { streams: rungsOf(spec, renditions) };
      } catch (error) {
        if (!(error instanceof FetchFailure)) throw error;
        const isFinal = error.outcome === 'forbidden' || !isWeb;
        if (isFinal || (spec.pace === 'fast' && failures + 1 >= FRUITLESS_MAX)) {
          await say('signal-lost', error.message);
          return { outcome: { kind: 'failed', reason: `${spec.input}: ${error.message}` } };
        }
        const delayMs = retryDelayMs(failures + 1);
        note(`${spec.input}: no manifest (${error.message}); trying again in ${delayMs} ms`);
        await clock.sleep(delayMs, signal);
      }
      if (!isLost && clock.nowMs() - sinceMs >= spec.signalLostMs) {
        isLost = true;
        await say('signal-lost', `no manifest for ${spec.signalLostMs} ms`);
      }
    }
  } finally {
    session.close();
  }
}

function rungsOf(spec: StreamSpec, renditions: readonly Rendition[]): readonly StreamSpec[] {
  if (renditions.length === 0) return [{ ...spec, renditions: 'best' }];
  return renditions.map(({ name }) => ({ ...spec, renditions: name, renditionId: name }));
}
