/** What the bench hands on: a media file, and what is really wrong with it. */
import type { DetectionConfig } from '../../topologies/detectors/settings.ts';
import type { Workshop } from './workshop.ts';

/** One impairment, [startMs, endMs) on the presentation timeline; a point has startMs = endMs. */
export type Span = { readonly type: string; readonly startMs: number; readonly endMs: number };

export type MediaFile = {
  readonly path: string;
  /** Another point of the same programme that it is compared with. */
  readonly reference?: string;
  readonly durationMs: number;
  readonly truths: readonly Span[];
  /** Types of transport that what was done to the file shows in as well; where exactly is held against nothing. */
  readonly besides?: readonly string[];
};

/** A file that is to be made. */
export type MediaOrder = {
  readonly id: string;
  /** Of faults, or of content that only looks like them. */
  readonly kind: 'faults' | 'negative';
  /** In a few words, for the page. */
  readonly what: string;
  /** Types of the faults that are put in. */
  readonly types: readonly string[];
  readonly config: DetectionConfig | null;
  make(workshop: Workshop): Promise<MediaFile>;
};
