/** Which type of defect takes precedence over which (definitions, section 1): it suppresses it where both hold. */

/** A defect that is a point suppresses those that begin so near to it, ms before and after. */
export const POINT_REACH_MS = 1_500;

/** By the type that suppresses. `media` stands for every type that pictures, sound or captions show. */
export const SUPPRESSES: { readonly [type: string]: readonly string[] } = {
  'video-black': ['video-flat', 'video-freeze', 'video-blur'],
  'video-flat': ['video-freeze', 'video-blur'],
  'video-missing': ['video-freeze', 'video-frame-drop', 'video-decode-error', 'bitrate-drop'],
  'video-block-corruption': ['video-freeze', 'video-frame-drop', 'video-blur', 'video-flat'],
  'video-decode-error': ['video-freeze', 'video-frame-drop', 'video-blur', 'video-flat'],
  'audio-missing': ['audio-silence', 'audio-loudness', 'audio-channel-lost'],
  'audio-silence': ['audio-loudness', 'audio-channel-lost', 'audio-phase-inverted'],
  'audio-clipping': ['audio-loudness'],
  'audio-channel-lost': ['audio-phase-inverted'],
  'pts-discontinuity': ['video-missing', 'audio-missing', 'video-frame-drop', 'av-sync-offset'],
  'signal-lost': ['media', 'bitrate-drop'],
  'manifest-stale': ['video-missing', 'audio-missing', 'signal-lost'],
  'rendition-missing': ['segment-error'],
};

export function suppresses(type: string, other: string): boolean {
  const suppressed = SUPPRESSES[type];
  if (suppressed === undefined || type === other) return false;
  return suppressed.includes(other) || (suppressed.includes('media') && isMediaType(other));
}

/** Such defects are whole at once, and go on while no pictures or sound come. */
export function lastsOnTheWall(type: string): boolean {
  return ON_THE_WALL.has(type);
}

const ON_THE_WALL: ReadonlySet<string> = new Set([
  'manifest-stale',
  'rendition-missing',
  'segment-error',
  'signal-lost',
  'probe-lost',
]);

/** Rank of a type: lower ones are looked at first where two are decided at the same point. Unknown types come last. */
export function rankOf(type: string): number {
  const rank = ORDER.indexOf(type);
  return rank === -1 ? ORDER.length : rank;
}

/** Every type after all that suppress it. */
const ORDER: readonly string[] = [
  'manifest-stale',
  'signal-lost',
  'probe-lost',
  'rendition-missing',
  'segment-error',
  'pts-discontinuity',
  'video-missing',
  'video-block-corruption',
  'video-decode-error',
  'video-black',
  'video-flat',
  'video-freeze',
  'video-frame-drop',
  'audio-missing',
  'audio-silence',
  'audio-clipping',
  'audio-channel-lost',
];

function isMediaType(type: string): boolean {
  return /^(?:video|audio|av|caption)-/.test(type);
}
