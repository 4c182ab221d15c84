/** Stream detection: features in, defects of streams and their health out. One task per partition of programmes. */
import { defineTopology } from '../runtime/define-topology.ts';
import { audioChannelLost } from './detectors/audio-channel-lost.ts';
import { audioClipping } from './detectors/audio-clipping.ts';
import { audioLoudness } from './detectors/audio-loudness.ts';
import { audioMissing } from './detectors/audio-missing.ts';
import { audioPhaseInverted } from './detectors/audio-phase-inverted.ts';
import { audioSilence } from './detectors/audio-silence.ts';
import { avSyncOffset } from './detectors/av-sync-offset.ts';
import { bitrateDrop } from './detectors/bitrate-drop.ts';
import { captionMissing } from './detectors/caption-missing.ts';
import { chunkOrder, SIGNAL_DEFAULTS } from './detectors/chunk-order.ts';
import { manifestStale } from './detectors/manifest-stale.ts';
import { precedence } from './detectors/precedence.ts';
import { ptsDiscontinuity } from './detectors/pts-discontinuity.ts';
import { renditionMissing } from './detectors/rendition-missing.ts';
import type { Detector } from './detectors/sample-detector.ts';
import { segmentError } from './detectors/segment-error.ts';
import type { Settings } from './detectors/settings.ts';
import { signalLost } from './detectors/signal-lost.ts';
import { healthKeyOf, streamHealth } from './detectors/stream-health.ts';
import { streamKeyOf } from './detectors/stream-step.ts';
import { tsError } from './detectors/ts-error.ts';
import { videoBlack } from './detectors/video-black.ts';
import { videoBlockCorruption } from './detectors/video-block-corruption.ts';
import { videoBlur } from './detectors/video-blur.ts';
import { videoDecodeError } from './detectors/video-decode-error.ts';
import { videoFlat } from './detectors/video-flat.ts';
import { videoFrameDrop } from './detectors/video-frame-drop.ts';
import { videoFreeze } from './detectors/video-freeze.ts';
import { videoMissing } from './detectors/video-missing.ts';

/** A new detector is one line here. */
export const DETECTORS: readonly Detector[] = [
  videoBlack,
  videoFlat,
  videoFreeze,
  videoFrameDrop,
  videoMissing,
  videoDecodeError,
  videoBlockCorruption,
  videoBlur,
  audioMissing,
  audioSilence,
  audioClipping,
  audioChannelLost,
  audioPhaseInverted,
  audioLoudness,
  avSyncOffset,
  captionMissing,
  ptsDiscontinuity,
  manifestStale,
  segmentError,
  renditionMissing,
  bitrateDrop,
  tsError,
];

/** Defaults of every detector by defect type: what `checkDetectionConfig` checks a configuration against. */
export const DETECTOR_DEFAULTS: { readonly [type: string]: Settings } = {
  'signal-lost': SIGNAL_DEFAULTS,
  ...Object.fromEntries(DETECTORS.map(({ type, defaults }) => [type, defaults])),
};

export const streamDetection = streamDetectionWith(DETECTORS);

/** The topology with other detectors: for tests, and for backtests of a detector that is not yet in. */
export function streamDetectionWith(detectors: readonly Detector[]) {
  const store = 'streams';
  const found = [signalLost.name, ...detectors.map(({ type }) => type)];
  return defineTopology({
    name: 'stream-detection',
    sources: [{ kind: 'source', topic: 'frame-features', span: 'same', writers: 'external' }],
    reducers: [
      // Each chunk once and in order; a stream that falls silent is told as an interruption.
      { kind: 'reducer', reducer: chunkOrder, from: ['frame-features'], store, keyOf: streamKeyOf },
      // Each detector judges every picture or block, and tells where its defect opens, worsens and closes.
      { kind: 'reducer', reducer: signalLost, from: [chunkOrder.name], store },
      ...detectors.flatMap(({ needs }) =>
        (needs ?? []).map((need) => ({ kind: 'reducer' as const, ...need, from: [chunkOrder.name], store })),
      ),
      ...detectors.map(({ reducer, reads }) => ({
        kind: 'reducer' as const,
        reducer,
        from: [chunkOrder.name],
        ...(reads === undefined ? {} : { reads }),
        store,
      })),
      // One defect where several types hold; programme time anchors; what viewers may be charged for.
      { kind: 'reducer', reducer: precedence, from: [chunkOrder.name, ...found], store },
      // The figures of each stream over 10 s, "no data" included.
      {
        kind: 'reducer',
        reducer: streamHealth,
        from: [chunkOrder.name, precedence.name],
        store,
        keyOf: healthKeyOf,
      },
    ],
    sinks: [
      { kind: 'sink', topic: 'stream-defects', from: [precedence.name], edge: 'same', sealed: true },
      { kind: 'sink', topic: 'stream-health', from: [streamHealth.name], edge: 'same', sealed: false },
    ],
    sealDelayMs: 3_000,
  });
}
