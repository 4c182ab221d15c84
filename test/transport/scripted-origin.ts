/**
 * A live origin that follows a script, on a virtual clock: what it lists and answers at each moment is a function of time. A
 * stand-in for the decoder asks for playlists and segments as ffmpeg does; the watch over the manifest sees it, asks for more
 * by itself, and what it tells goes through stream detection.
 */
import assert from 'node:assert/strict';
import type { FetchOutcome } from '../../producers/ingest/fetch-events.ts';
import { transportColumns } from '../../producers/ingest/manifest-facts.ts';
import { ManifestWatch } from '../../producers/ingest/manifest-watch.ts';
import { TopologyTestDriver } from '../../runtime/topology-test-driver.ts';
import { blankRecord } from '../../schemas/blank-record.ts';
import type { FrameFeatures, StreamDefect } from '../../schemas/records.ts';
import { streamDetection } from '../../topologies/stream-detection.ts';

export const START_MS = 1_700_000_000_000;
export const ORIGIN = 'http://origin/live/';

export type ScriptedAnswer = {
  /** 200 when left out. */
  readonly status?: number;
  readonly outcome?: FetchOutcome;
  readonly body?: string;
};

export type Script = {
  /** `atMs` counts from the start of the test. */
  answer(path: string, atMs: number): ScriptedAnswer;
  /** What the decoder reads, and what names it when that is another one. */
  readonly decoded: string;
  readonly input: string;
  /** Bytes of the pictures of a segment; 500,000 when left out. */
  videoBytes?(path: string): number;
};

export type Told = {
  readonly defects: readonly StreamDefect[];
  readonly records: readonly FrameFeatures[];
};

const TICK_MS = 100;

/** Lets the script play for `forMs`. */
export function play(script: Script, forMs: number): Told {
  const player = new Player(script);
  for (let atMs = 0; atMs <= forMs; atMs += TICK_MS) player.tick(atMs);
  return player.told;
}

/** Defects as text: type, rendition where it is another one, `open@` and `close@` presentation time. */
export function tell({ defects }: Told, only: (type: string) => boolean = () => true): string {
  return defects
    .filter(({ event, type }) => event !== 'anchor' && event !== 'update' && only(type))
    .map(({ event, type, renditionId, startMs, endMs }) => {
      const where = renditionId === 'main' ? '' : `[${renditionId}]`;
      return `${type}${where} ${event}@${event === 'close' ? endMs : startMs}`;
    })
    .join(', ');
}

export function check(script: Script, forMs: number, expected: string): Told {
  const told = play(script, forMs);
  assert.equal(tell(told), expected);
  return told;
}

/** Segments of a playlist, or of the first representation of a DASH timeline. */
function listedIn(body: string): readonly { readonly path: string; readonly ms: number }[] {
  const row = /<S t="(\d+)" d="(\d+)" r="(\d+)"/.exec(body);
  if (row === null) {
    const found = body.matchAll(/#EXTINF:([\d.]+),\s*\n(?:#[^\n]*\n)*([^#\n]+)/g);
    return [...found].map(([, seconds, path]) => ({ path: path!.trim(), ms: Number(seconds) * 1_000 }));
  }
  const [t, ms, repeats] = row.slice(1).map(Number) as [number, number, number];
  const id = /<Representation id="(\w+)"/.exec(body)![1]!;
  return Array.from({ length: repeats + 1 }, (_, at) => ({ path: `${id}-${t + at * ms}.m4s`, ms }));
}

class Player {
  readonly #script: Script;
  readonly #watch: ManifestWatch;
  readonly #driver = new TopologyTestDriver(streamDetection, {});
  readonly #records: FrameFeatures[] = [];
  readonly #got = new Set<string>();
  #listed: readonly string[] = [];
  #waiting: { path: string; ms: number; tries: number; dueMs: number }[] = [];
  #reloadAtMs = 0;
  #seq = 0;
  #ptsMs = 0;
  #hasMaster = false;

  constructor(script: Script) {
    this.#script = script;
    const videoBytes = script.videoBytes ?? (() => 500_000);
    this.#watch = new ManifestWatch(ORIGIN + script.input, 'main', {
      videoBytesOf: (url) => videoBytes(url.slice(ORIGIN.length)),
    });
    this.#watch.beginPass(0);
  }

  get told(): Told {
    return {
      defects: this.#driver.outputs('stream-defects').map(({ value }) => value),
      records: this.#records,
    };
  }

  tick(atMs: number): void {
    this.#decode(atMs);
    for (const { kind, url, manifestUrl, range } of this.#watch.due(START_MS + atMs)) {
      if (kind === 'manifest') this.#manifest(url.slice(ORIGIN.length), atMs);
      else this.#segment(url.slice(ORIGIN.length), manifestUrl.slice(ORIGIN.length), atMs, range);
    }
    const facts = this.#watch.takeFacts(START_MS + atMs);
    if (facts === null) return;
    const columns = transportColumns(facts, facts.edgePtsMs ?? this.#ptsMs);
    this.#pipe({ event: 'transport', ...columns }, atMs);
  }

  /** Reloads the playlist as RFC 8216 asks, and gets what is new in it. */
  #decode(atMs: number): void {
    const { input, decoded } = this.#script;
    if (!this.#hasMaster && input !== decoded) this.#hasMaster = this.#manifest(input, atMs) !== null;
    if (atMs >= this.#reloadAtMs) this.#reload(atMs);
    const next = this.#waiting[0];
    if (next === undefined || next.dueMs > atMs) return;
    const isFirst = next.tries === 0;
    const answer = this.#script.answer(next.path, atMs);
    const isOk = (answer.status ?? 200) < 300 && (answer.outcome ?? 'ok') === 'ok';
    if (isOk) this.#watch.onAsked(ORIGIN + next.path, ORIGIN + decoded);
    this.#segment(next.path, decoded, atMs, null);
    if (!isOk && isFirst) {
      next.tries++;
      next.dueMs = atMs + 300;
      return;
    }
    this.#waiting.shift();
    if (isOk) this.#features(next.ms, atMs);
    else this.#ptsMs += this.#ptsMs === 0 ? 0 : next.ms;
  }

  #reload(atMs: number): void {
    const body = this.#manifest(this.#script.decoded, atMs);
    const lengths = listedIn(body ?? '');
    const target = Number(/TARGETDURATION:(\d+)/.exec(body ?? '')?.[1] ?? 2) * 1_000;
    const listed = lengths.map(({ path }) => path);
    const isNew = listed.at(-1) !== this.#listed.at(-1) && listed.length > 0;
    // A decoder begins three segments before the end.
    const fresh = lengths.slice(this.#listed.length === 0 ? -3 : 0);
    for (const { path, ms } of fresh) {
      if (this.#got.has(path)) continue;
      this.#got.add(path);
      this.#waiting.push({ path, ms, tries: 0, dueMs: atMs });
    }
    if (listed.length > 0) this.#listed = listed;
    this.#reloadAtMs = atMs + (isNew ? target : target / 2);
  }

  #manifest(path: string, atMs: number): string | null {
    const { status = 200, outcome = 'ok', body = '' } = this.#script.answer(path, atMs);
    const isOk = outcome === 'ok' && status < 300;
    this.#watch.onManifest({
      kind: body.includes('<MPD') ? 'dash' : body.includes('STREAM-INF') ? 'hls-master' : 'hls-media',
      url: ORIGIN + path,
      finalUrl: ORIGIN + path,
      status,
      outcome: isOk ? 'ok' : outcome === 'ok' ? 'http-error' : outcome,
      reason: '',
      body: isOk ? body : '',
      atMs: START_MS + atMs,
      durationMs: 0,
    });
    return isOk ? body : null;
  }

  #segment(
    path: string,
    manifest: string,
    atMs: number,
    range: { start: number; length: number } | null,
  ): void {
    const { status = 200, outcome = 'ok', body } = this.#script.answer(path, atMs);
    const isOk = outcome === 'ok' && status < 300;
    const head = new TextEncoder().encode(body ?? 'G');
    this.#watch.onSegment({
      kind: 'segment',
      url: ORIGIN + path,
      manifestUrl: ORIGIN + manifest,
      range,
      status,
      outcome: isOk ? 'ok' : outcome === 'ok' ? 'http-error' : outcome,
      reason: '',
      bytes: isOk ? 100_000 : 0,
      head: body === undefined ? Uint8Array.of(0x47, 0x40, 0, 0x10) : head,
      atMs: START_MS + atMs,
      durationMs: 0,
    });
  }

  /** A moving picture every 200 ms, in a record for each second. */
  #features(durationMs: number, atMs: number): void {
    for (let fromMs = 0; fromMs < durationMs; fromMs += 1_000) {
      const lengthMs = Math.min(1_000, durationMs - fromMs);
      const framePtsMs = Array.from({ length: Math.ceil(lengthMs / 200) }, (_, at) => at * 200);
      const column = (value: number) => framePtsMs.map(() => value);
      this.#pipe(
        {
          event: 'features',
          basePtsMs: this.#ptsMs,
          durationMs: lengthMs,
          decodedAtMs: START_MS + atMs,
          hasVideo: true,
          depth: 'full',
          frameIntervalUs: 200_000,
          framePtsMs,
          lumaMeanCenti: column(11_000),
          lumaSpreadCenti: column(4_000),
          chromaSpreadCenti: column(900),
          darkPermille: column(50),
          diffMeanCenti: column(300),
          anchorMeanCenti: column(0),
          anchorPeakCenti: column(0),
          anchorAgeMs: column(0),
        },
        atMs,
      );
      this.#ptsMs += lengthMs;
    }
  }

  #pipe(fields: Partial<FrameFeatures>, atMs: number): void {
    const identity = {
      programmeId: 'news',
      renditionId: 'main',
      vantage: 'origin',
      probeId: 'p',
      probeEpochMs: START_MS,
    };
    const record = blankRecord('frame-features', { ...identity, seq: this.#seq++, ...fields });
    this.#records.push(record);
    this.#driver.pipe('frame-features', 'news', record, START_MS + atMs);
  }
}
