/**
 * What the loopback fetcher tells about everything that it gets for a stream: playlists, manifests and segments, with how
 * each attempt ended. Calls come in order of `atMs`, on one thread, and must return soon: nothing waits for them to finish.
 */

/** How an attempt to get something ended. Anything but `ok` means that ffmpeg did not get it whole. */
export type FetchOutcome =
  | 'ok'
  /** The origin answered with a status other than 2xx, in `status`. */
  | 'http-error'
  /** No connection: refused, reset before an answer, a name that does not resolve, a certificate that does not hold. */
  | 'unreachable'
  /** No answer, or no further byte, for too long. */
  | 'timeout'
  /** The answer ended before its announced length. */
  | 'truncated'
  /** Longer than the limit for its kind. */
  | 'too-large'
  /** An answer that is no manifest although one was asked for. */
  | 'not-a-manifest'
  /** The network rules forbid it: no connection was made. */
  | 'forbidden'
  /** ffmpeg hung up; says nothing about the origin. */
  | 'abandoned';

type Fetched = {
  /** Address at the origin, as the manifest names it (made absolute), before redirects. */
  readonly url: string;
  /** HTTP status of the last answer; 0 where there was none. */
  readonly status: number;
  readonly outcome: FetchOutcome;
  /** One line that says why the outcome is not `ok`; '' when it is. */
  readonly reason: string;
  /** Unix time in ms by the probe's clock at which the attempt was over. */
  readonly atMs: number;
  /** From asking until it was over, ms. */
  readonly durationMs: number;
};

/** A playlist or manifest was asked for: each reload is one. */
export type ManifestFetch = Fetched & {
  readonly kind: 'hls-master' | 'hls-media' | 'dash';
  /** As the origin sent it, before addresses were rewritten; '' when nothing usable came. */
  readonly body: string;
  /** Address that it came from after redirects: what relative addresses in `body` count from. */
  readonly finalUrl: string;
};

/** A segment, an initialisation segment or a key was asked for. */
export type SegmentFetch = Fetched & {
  readonly kind: 'segment' | 'init' | 'key';
  /** Bytes of the body that came. */
  readonly bytes: number;
  /** The first bytes of the body, at most {@link SEGMENT_HEAD_BYTES}: enough to tell media from an error page. */
  readonly head: Uint8Array;
  /** Address of the playlist or manifest that lists it. */
  readonly manifestUrl: string;
  /** First byte and length that were asked for; null for the whole of it. */
  readonly range: { readonly start: number; readonly length: number } | null;
};

/** Whoever watches the fetches of one stream. */
export type FetchEvents = {
  onManifest?(fetch: ManifestFetch): void;
  onSegment?(fetch: SegmentFetch): void;
  /** The period of a DASH manifest that is decoded is over, and another one follows it. */
  onPeriodEnd?(): void;
  /**
   * Called when the body of a segment begins; what it returns is given the bytes as they pass, and `null` at the end.
   * The bytes must not be kept or changed.
   */
  tapSegment?(segment: { readonly url: string; readonly manifestUrl: string }): SegmentTap | null;
};

export type SegmentTap = (bytes: Uint8Array | null) => void;

export const SEGMENT_HEAD_BYTES = 1_024;
