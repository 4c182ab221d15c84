/** What each depth of a probe is enough for (ARCHITECTURE.md has it as a table). The rest is not watched, never good. */
import type { Depth } from '../../schemas/depths.ts';
import { DEFECT_TYPES } from './defect-types.ts';

/**
 * Depths beside `full` that a type can be judged at; none, where it is not here.
 *
 * Packets tell when pictures and sound are there, and what transport tells is told at every depth. Between two key pictures
 * nobody knows how many there were, or whether something moved.
 */
const SHALLOW: { readonly [type: string]: readonly Depth[] } = {
  'video-black': ['keyframes'],
  'video-flat': ['keyframes'],
  'audio-silence': ['keyframes'],
  'audio-clipping': ['keyframes'],
  'audio-loudness': ['keyframes'],
  'audio-phase-inverted': ['keyframes'],
  'audio-channel-lost': ['keyframes'],
  'video-missing': ['packets'],
  'audio-missing': ['packets'],
  'video-frame-drop': ['packets'],
  'pts-discontinuity': ['keyframes', 'packets'],
  'ts-error': ['keyframes', 'packets'],
  'signal-lost': ['keyframes', 'packets'],
  'manifest-stale': ['keyframes', 'packets'],
  'segment-error': ['keyframes', 'packets'],
  'rendition-missing': ['keyframes', 'packets'],
};

export function isJudgedAt(type: string, depth: string): boolean {
  return depth === 'full' || (SHALLOW[type] ?? []).some((one) => one === depth);
}

/** Types that nothing is said of at this depth. */
export function notJudgedAt(depth: string): readonly string[] {
  return DEFECT_TYPES.filter((type) => !isJudgedAt(type, depth));
}
