/**
 * Which defects of the stream were in front of this viewer? (definitions, section 4.) What was rendered, mapped to
 * programme time, against the programme's table of defects.
 *
 * - A video defect counts while the picture could be seen, an audio defect while the sound could be heard.
 * - A rendition's defect is charged to those who rendered it; where the player does not name its rendition it is possible.
 *   `main` and the empty name stand for the whole programme.
 * - A CDN vantage's defect is charged to those on that CDN, the origin's to everybody.
 * - Where the place (the viewer's and the stream's together) is less certain than the defect is long, it is possible. Where the place is unknown, it is possible when
 *   a defect of the programme ran at that log time. What is possible costs nothing.
 */
import { compareKeys } from '../../runtime/key-order.ts';
import type { RenderedSpan } from '../sessions/figures.ts';
import {
  type Axis,
  type DefectTable,
  type Place,
  sealedOn,
  streamOf,
  type TableDefect,
  type TableStream,
  UNHEARD_MS,
} from './defect-table.ts';
import { type DefectExposure, nothingKnown, type TypeExposure } from './exposure.ts';
import { isPerceived } from './impairments.ts';
import { clip, type Interval, lengthOf, subtract, union } from './intervals.ts';

/**
 * What a viewer was exposed to in the spans of one window. `sealedMs` is how far the programme's partition is sealed, log
 * time; nothing beyond it is used. For one table, a later seal never changes what was charged up to an earlier one.
 */
export function joinDefects(
  table: Readonly<DefectTable> | undefined,
  spans: readonly RenderedSpan[],
  sealedMs: number,
  horizonMs: number,
): DefectExposure {
  const rendered = spans.filter(isRendered);
  const renderedMs = rendered.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
  if (table === undefined || table.streams.size === 0) return nothingKnown(renderedMs);
  const charged = new Map<string, { wall: Interval[]; defectIds: Set<string> }>();
  const possible: Interval[] = [];
  let coveredMs = 0;
  let beyondHorizon = false;
  for (const span of rendered) {
    const known = knownFor(table, span, sealedMs, horizonMs);
    coveredMs += lengthOf(known.covered);
    beyondHorizon ||= known.beyondHorizon;
    for (const defect of table.defects) {
      const hit = hitOf(table, defect, span, known.place, sealedMs);
      if (hit === null) continue;
      if (!hit.isCertain) {
        possible.push(hit.wall);
        continue;
      }
      const ofType = charged.get(defect.type) ?? { wall: [], defectIds: new Set() };
      charged.set(defect.type, ofType);
      ofType.wall.push(hit.wall);
      ofType.defectIds.add(defect.defectId);
    }
  }
  return {
    byType: [...charged].map(typeExposure).sort((a, b) => compareKeys(a.type, b.type)),
    possibleMs: lengthOf(union(possible)),
    renderedMs,
    coveredMs,
    beyondHorizon,
    vantage: vantageOf(table, spans),
  };
}

/**
 * Log time up to which the programme's partition has to be sealed before the spans can be judged for good; null when
 * nothing is waited for: no stream of the programme is known, or what was rendered is video on demand.
 */
export function neededSealMs(
  table: Readonly<DefectTable> | undefined,
  spans: readonly RenderedSpan[],
): number | null {
  if (table === undefined) return null;
  let neededMs: number | null = null;
  for (const span of spans) {
    if (!isRendered(span) || span.timeSource === 'vod') continue;
    const place = placeOf(span);
    for (const stream of table.streams.values()) {
      if (!isInSight(stream.vantage, span)) continue;
      const axis = place === null ? null : stream.program;
      // where the place is unknown, log time is what defects are held against
      const needed =
        axis === null || place === null
          ? span.endMs
          : sealFor(axis, place.to + span.uncertaintyMs + stream.uncertaintyMs);
      if (needed !== null) neededMs = Math.max(neededMs ?? 0, needed);
    }
  }
  return neededMs;
}

/** A stream that sees nothing: what happens meanwhile is not known. */
const BLIND: ReadonlySet<string> = new Set(['probe-lost', 'signal-lost']);

type Known = {
  /** Wall time of the span with the stream's defects known. */
  readonly covered: readonly Interval[];
  readonly beyondHorizon: boolean;
  /** What was rendered, on the axis; null when the place is unknown. */
  readonly place: Interval | null;
};

function knownFor(table: DefectTable, span: RenderedSpan, sealedMs: number, horizonMs: number): Known {
  const place = placeOf(span);
  if (place === null) return { covered: [], beyondHorizon: false, place };
  const covered: Interval[] = [];
  let beyondHorizon = false;
  for (const stream of table.streams.values()) {
    const axis = axisOf(stream, span);
    if (axis === null || !isInSight(stream.vantage, span)) continue;
    const to = sealedOn(axis, sealedMs);
    const isLive = span.timeSource !== 'vod';
    const reachMs = isLive ? Math.max(axis.sinceMs, to - horizonMs) : axis.sinceMs - FIRST_CHUNK_MS;
    if (isLive && place.from < to - horizonMs) beyondHorizon = true;
    const heardTo = Math.min(to, stream.heardMs + UNHEARD_MS + axis.lessLogMs);
    const seen = clip(place, { from: reachMs, to: isLive ? heardTo : to });
    covered.push(...subtract(union([seen]), blindOf(table, stream, span)));
  }
  return {
    covered: union(covered).map((one) => wallOf(span, place, one)),
    beyondHorizon,
    place,
  };
}

/** The first anchor stands at the end of the first chunk, which is no longer than this. */
const FIRST_CHUNK_MS = 1_000;

function blindOf(table: DefectTable, stream: TableStream, span: RenderedSpan): readonly Interval[] {
  const blind: Interval[] = [];
  for (const defect of table.defects) {
    if (!BLIND.has(defect.type)) continue;
    if (defect.vantage !== stream.vantage || defect.renditionId !== stream.renditionId) continue;
    const place = span.timeSource === 'vod' ? defect.presentation : defect.program;
    if (place !== null) blind.push({ from: place.fromMs, to: place.toMs ?? Number.POSITIVE_INFINITY });
  }
  return union(blind);
}

type Hit = { readonly isCertain: boolean; readonly wall: Interval };

function hitOf(
  table: DefectTable,
  defect: TableDefect,
  span: RenderedSpan,
  place: Interval | null,
  sealedMs: number,
): Hit | null {
  if (BLIND.has(defect.type) || !isPerceived(defect.type)) return null;
  if (!isPerceivable(defect.type, span) || !isInSight(defect.vantage, span)) return null;
  const isTheirs = rendersIt(defect.renditionId, span);
  if (isTheirs === 'no') return null;
  if (place === null) {
    const wall = clip(settled(defect.log, sealedMs), { from: span.startMs, to: span.endMs });
    return wall.to > wall.from ? { isCertain: false, wall } : null;
  }
  const stream = table.streams.get(streamOf(defect));
  const axis = stream === undefined ? null : axisOf(stream, span);
  const onAxis = span.timeSource === 'vod' ? defect.presentation : defect.program;
  if (onAxis === null || axis === null) return null;
  const interval = settled(onAxis, sealedOn(axis, sealedMs));
  const uncertaintyMs = span.uncertaintyMs + (span.timeSource === 'vod' ? 0 : defect.uncertaintyMs);
  // its length as far as it was settled when the viewer left it: the same whenever it is asked for
  const lengthMs = Math.min(interval.to, place.to + uncertaintyMs) - onAxis.startMs;
  const isCertain = isTheirs === 'yes' && uncertaintyMs <= lengthMs;
  const slackMs = isCertain ? 0 : uncertaintyMs;
  const overlap = clip({ from: interval.from - slackMs, to: interval.to + slackMs }, place);
  if (overlap.to <= overlap.from) return null;
  return { isCertain, wall: wallOf(span, place, overlap) };
}

/** What of a defect is settled for good: nothing beyond the seal. */
function settled({ fromMs, toMs }: Place, sealedMs: number): Interval {
  return { from: fromMs, to: Math.min(toMs ?? sealedMs, sealedMs) };
}

/** What was rendered on the axis of the span's time source. */
function placeOf(span: RenderedSpan): Interval | null {
  const { programTimeStartMs: startMs, ratePermille } = span;
  if (startMs === null || span.timeSource === 'unknown' || ratePermille === 0) return null;
  const movedMs = Math.trunc(((span.endMs - span.startMs) * ratePermille) / 1_000);
  return movedMs >= 0 ? { from: startMs, to: startMs + movedMs } : { from: startMs + movedMs, to: startMs };
}

/** Part of what was rendered, as wall time of the span. */
function wallOf(span: RenderedSpan, place: Interval, part: Interval): Interval {
  const { startMs, endMs, ratePermille } = span;
  if (ratePermille === 1_000) {
    return { from: startMs + part.from - place.from, to: startMs + part.to - place.from };
  }
  const speed = Math.abs(ratePermille);
  const [near, far] =
    ratePermille > 0
      ? [part.from - place.from, part.to - place.from]
      : [place.to - part.to, place.to - part.from];
  const from = startMs + Math.floor((near * 1_000) / speed);
  return { from, to: Math.min(endMs, startMs + Math.ceil((far * 1_000) / speed)) };
}

function sealFor(axis: Readonly<Axis>, toMs: number): number | null {
  return axis.coveredMs >= toMs ? null : toMs - axis.lessLogMs;
}

function axisOf(stream: TableStream, span: RenderedSpan): Readonly<Axis> | null {
  return span.timeSource === 'vod' ? stream.presentation : stream.program;
}

function isRendered({ startMs, endMs, isVisible, isAudible }: RenderedSpan): boolean {
  return endMs > startMs && (isVisible || isAudible);
}

function isPerceivable(type: string, { isVisible, isAudible }: RenderedSpan): boolean {
  if (type.startsWith('audio-')) return isAudible;
  return type === 'av-sync-offset' ? isVisible && isAudible : isVisible;
}

function isInSight(vantage: string, { cdn }: RenderedSpan): boolean {
  return vantage === 'origin' || vantage === `cdn:${cdn}`;
}

function rendersIt(renditionId: string, span: RenderedSpan): 'yes' | 'no' | 'maybe' {
  if (renditionId === '' || renditionId === WHOLE || renditionId === span.renditionId) return 'yes';
  return span.renditionId === '' ? 'maybe' : 'no';
}

/** Name of the only rendition that is watched, where the probe was told none. */
const WHOLE = 'main';

function vantageOf(table: DefectTable, spans: readonly RenderedSpan[]): string {
  const cdn = spans.at(-1)?.cdn ?? '';
  const atCdn = [...table.streams.values()].some(({ vantage }) => vantage === `cdn:${cdn}`);
  return atCdn ? `cdn:${cdn}` : 'origin';
}

function typeExposure([type, { wall, defectIds }]: readonly [
  string,
  { readonly wall: readonly Interval[]; readonly defectIds: ReadonlySet<string> },
]): TypeExposure {
  return { type, ms: lengthOf(union(wall)), defectIds: [...defectIds].sort(compareKeys) };
}
