/**
 * What an input should be like (definitions, section 2): tracks that have to be there, and the loudness that is meant.
 * Without it nobody can tell a programme without sound from one that lost it.
 */
import path from 'node:path';
import type { DetectionConfig } from '../../topologies/detectors/settings.ts';
import type { Expectation } from './parse-expectations.ts';

/** Where an expectation's input is, from where the command runs; `folder` is that of the file of expectations. */
export function inputOf({ input }: Pick<Expectation, 'input'>, folder: string): string {
  return isAddress(input) || path.isAbsolute(input) ? input : path.join(folder, input);
}

/** What it is compared with, from where the command runs; null when it is with nothing. */
export function referenceOf(
  { reference }: Expectation,
  expectations: readonly Expectation[],
  folder: string,
): string | null {
  if (reference === undefined) return null;
  const other = expectations.find(({ streamId }) => streamId === reference);
  return inputOf(other ?? { input: reference }, folder);
}

/** The one that speaks of this input; null when none does. */
export function expectationFor(
  input: string,
  expectations: readonly Expectation[],
  folder: string,
): Expectation | null {
  const isSame = (other: string): boolean =>
    isAddress(input) || isAddress(other) ? input === other : path.resolve(input) === path.resolve(other);
  return expectations.find((one) => isSame(one.input) || isSame(inputOf(one, folder))) ?? null;
}

/** Settings of detectors for the stream. */
export function configOf({ streamId, video, audio, loudnessLufs }: Expectation): DetectionConfig {
  return {
    streams: {
      [streamId]: {
        ...(video === true ? { 'video-missing': { expectVideo: 1 } } : {}),
        ...(audio === true ? { 'audio-missing': { expectAudio: 1 } } : {}),
        ...(loudnessLufs === undefined
          ? {}
          : { 'audio-loudness': { targetCentiLufs: Math.round(loudnessLufs * 100) } }),
      },
    },
  };
}

function isAddress(input: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(input);
}
