/** What a manifest announces to those who watch it, each once and as soon as its place is known. */
import type { DashManifest } from './dash-manifest.ts';
import type { HlsMedia } from './hls-playlist.ts';
import type { MarkerFact } from './manifest-facts.ts';

/** Presentation time of a place as the manifest counts; null while nothing ties the two. */
type PtsOf = (place: number) => number | null;

export class Announcements {
  readonly #known = new Set<string>();
  #fresh: MarkerFact[] = [];

  get hasNews(): boolean {
    return this.#fresh.length > 0;
  }

  take(): readonly MarkerFact[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  /** `ptsAt` takes a media sequence number, `ptsOfClock` Unix time in ms. */
  takeHls(media: HlsMedia, ptsAt: PtsOf, ptsOfClock: PtsOf): void {
    for (const { sequence, isDiscontinuity } of media.segments) {
      if (isDiscontinuity) this.#add('discontinuity', `discontinuity ${sequence}`, ptsAt(sequence), null);
    }
    for (const { kind, sequence, programTimeMs, durationMs, id } of media.markers) {
      const name = id === '' ? `${kind} ${sequence}` : `${kind} ${id} ${durationMs}`;
      const byClock = programTimeMs === null ? null : ptsOfClock(programTimeMs);
      this.#add(kind, name, byClock ?? ptsAt(sequence), durationMs);
    }
  }

  /** `ptsAt` takes the manifest's media time in ms. */
  takeDash({ periodStartsMs, markers }: DashManifest, ptsAt: PtsOf): void {
    for (const startMs of periodStartsMs.slice(1)) {
      this.#add('period', `period ${startMs}`, ptsAt(startMs), null);
    }
    for (const { atMs, durationMs, id } of markers) {
      this.#add('scte35', `scte35 ${id} ${atMs}`, ptsAt(atMs), durationMs);
    }
  }

  #add(kind: MarkerFact['kind'], name: string, ptsMs: number | null, durationMs: number | null): void {
    if (ptsMs === null || this.#known.has(name)) return;
    this.#known.add(name);
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.values().next().value!);
    this.#fresh.push({ kind, ptsMs: Math.round(ptsMs), durationMs });
  }
}

const KNOWN_MAX = 1_000;
