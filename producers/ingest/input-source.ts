/** Where a probe's decoder reads from: opened anew for each decoder, closed with the probe. */
import { statSync } from 'node:fs';
import type { FetchEvents } from './fetch-events.ts';
import { FetchFailure } from './fetch-failure.ts';
import type { FetchSession } from './fetch-session.ts';
import type { Fetcher } from './fetcher.ts';
import type { FfmpegAbilities } from './ffmpeg-abilities.ts';
import { fileArguments, loopbackArguments, streamArguments } from './input-arguments.ts';
import type { Due } from './manifest-facts.ts';
import { parseAllowRule } from './network-policy.ts';
import { filePathOf, inputKindOf, isLiveKind, type StreamSpec } from './stream-spec.ts';

/** What a decoder is told about its input. */
export type DecoderInput = {
  /** Options and the input itself, for ffmpeg. */
  readonly arguments: readonly string[];
  /** It goes on by itself, read or not. */
  readonly isLive: boolean;
};

export type Opened =
  | { readonly input: DecoderInput }
  /** `isFinal`: trying again cannot help, an operator has to do something. */
  | { readonly failure: string; readonly isFinal: boolean };

export type InputSource = {
  open(): Promise<Opened>;
  /** Why the last thing that was asked for over HTTP could not be had; null when it was had, and for other inputs. */
  readonly failure: string | null;
  /** A playlist or manifest stands behind the input and can be had: silence may then be meant. */
  readonly isVouchedFor: boolean;
  /** Gets something that nobody decodes; what came of it is in the events. */
  ask(due: Due): void;
  /** A message of ffmpeg's with the addresses that a person knows. */
  plain(message: string): string;
  close(): void;
};

export type SourceContext = {
  readonly fetcher: Fetcher;
  readonly abilities: FfmpegAbilities;
};

/** @param events told of everything that is got over HTTP */
export function createInputSource(
  spec: StreamSpec,
  context: SourceContext,
  events: FetchEvents,
): InputSource {
  const kind = inputKindOf(spec.input);
  if (kind === 'web' || kind === 'playlist') return new FetchedSource(spec, context, events);
  const opened: Opened =
    kind === 'file'
      ? { input: { arguments: fileArguments(spec.input), isLive: false } }
      : { input: { arguments: streamArguments(spec), isLive: isLiveKind(kind) } };
  return {
    async open() {
      const failure = kind === 'file' ? whyUnreadable(spec.input) : null;
      return failure === null ? opened : { failure, isFinal: true };
    },
    failure: null,
    isVouchedFor: false,
    ask: () => {},
    plain: (message) => message,
    close: () => {},
  };
}

class FetchedSource implements InputSource {
  readonly #spec: StreamSpec;
  readonly #context: SourceContext;
  readonly #events: FetchEvents;
  readonly #isWeb: boolean;
  #session: FetchSession | null = null;
  #hasManifest = false;
  #wasThere = false;

  constructor(spec: StreamSpec, context: SourceContext, events: FetchEvents) {
    this.#spec = spec;
    this.#context = context;
    this.#events = events;
    this.#isWeb = inputKindOf(spec.input) === 'web';
  }

  get failure(): string | null {
    return this.#session?.lastFailure ?? null;
  }

  get isVouchedFor(): boolean {
    return this.#hasManifest && this.failure === null;
  }

  async open(): Promise<Opened> {
    const { input, allow, renditions } = this.#spec;
    const { fetcher, abilities } = this.#context;
    const unreadable = this.#isWeb ? null : whyUnreadable(input);
    if (unreadable !== null) return { failure: unreadable, isFinal: true };
    this.#session ??= await fetcher.open({
      input: this.#isWeb ? input : filePathOf(input),
      allow: allow.map(parseAllowRule),
      rendition: renditions === 'all' ? 'best' : renditions,
      events: this.#events,
    });
    try {
      const look = await this.#session.look();
      this.#wasThere = true;
      this.#hasManifest = look.kind !== 'media';
      if (look.kind === 'dash' && !abilities.demuxers.has('dash')) {
        return { failure: `ffmpeg ${abilities.build} was built without DASH (libxml2)`, isFinal: true };
      }
      return {
        input: {
          arguments: loopbackArguments(look.kind, look.url, abilities.hlsOptions),
          isLive: this.#isWeb,
        },
      };
    } catch (error) {
      if (!(error instanceof FetchFailure)) throw error;
      const isFinal = !this.#wasThere && (error.outcome === 'forbidden' || !this.#isWeb);
      return { failure: error.message, isFinal };
    }
  }

  ask({ kind, url, manifestUrl, range }: Due): void {
    const session = this.#session;
    if (session === null) return;
    const asked = kind === 'manifest' ? session.poll(url) : session.pollSegment({ url, manifestUrl, range });
    // What an origin answers never throws: the rest is a mistake of this program, and ends it.
    asked.catch((error: unknown) =>
      queueMicrotask(() => {
        throw error;
      }),
    );
  }

  plain(message: string): string {
    return this.#session?.plain(message) ?? message;
  }

  close(): void {
    this.#session?.close();
    this.#session = null;
  }
}

/** Why a file cannot be an input, with what to do; null when it may be one. */
function whyUnreadable(input: string): string | null {
  const stat = statSync(filePathOf(input), { throwIfNoEntry: false });
  if (stat === undefined) return 'there is no such file; give the path of a media file, or an address';
  if (stat.isDirectory()) return 'is a folder; give the path of a media file in it';
  return null;
}
