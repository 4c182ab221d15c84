/**
 * A seeded audience: who comes, what happens in their players, what is reported, and when each report arrives. Pure:
 * the same options give the same beacons, byte for byte. The drivers (`http-driver.ts`, `log-driver.ts`) send them.
 *
 * ```ts
 * for (const beacon of audience({ seed: 1, viewers: 100, programmes, startMs, untilMs, scenario })) …
 * ```
 */
import { MinHeap } from '../../runtime/min-heap.ts';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { arrivals, isThereAtStart } from './arrivals.ts';
import { isInCohort, type PlacedIncident, placeIncidents } from './incidents.ts';
import { LabelKeeper } from './labels.ts';
import {
  DEFAULT_POPULATION,
  drawViewer,
  type Population,
  type Programme,
  type Viewer,
} from './population.ts';
import { Reporter, type ReportForm } from './reporter.ts';
import { NO_INCIDENTS, type Scenario } from './scenario.ts';
import { type PlayerEvent, watch } from './viewing.ts';

/** One report of one player at the moment at which it is sent. */
export type Beacon = {
  /** Unix ms. */
  readonly dueMs: number;
  readonly viewer: Viewer;
  readonly sessionId: string;
  readonly form: ReportForm;
  readonly text: string;
};

export type AudienceOptions = {
  readonly seed: number | string;
  /** Who watch at the same time when the day is at its height. */
  readonly viewers: number;
  readonly programmes: readonly Programme[];
  /** Unix ms; incidents count from here. */
  readonly startMs: number;
  /** Nothing is sent from here on, Unix ms; may be infinite. */
  readonly untilMs: number;
  readonly scenario?: Scenario;
  readonly population?: Population;
};

/** `reports` + `duplicated` = `sent` + `lost` + `afterEnd` + what is still on its way. */
export type AudienceCounts = {
  viewers: number;
  sessions: number;
  /** Made by players. */
  reports: number;
  /** Given out, to be sent; counted when the next one is asked for. */
  sent: number;
  /** Lost on the way out of the player. */
  lost: number;
  /** Sent seconds to a minute and a half after their time. */
  late: number;
  duplicated: number;
  /** Would have been sent after the end. */
  afterEnd: number;
};

export type Audience = Iterable<Beacon> & {
  readonly counts: Readonly<AudienceCounts>;
  /** What went wrong until now, and for how many. */
  readonly keeper: LabelKeeper;
};

export function audience(options: AudienceOptions): Audience {
  const counts: AudienceCounts = {
    viewers: 0,
    sessions: 0,
    reports: 0,
    sent: 0,
    lost: 0,
    late: 0,
    duplicated: 0,
    afterEnd: 0,
  };
  const incidents = placeIncidents((options.scenario ?? NO_INCIDENTS).incidents, options.startMs);
  const keeper = new LabelKeeper(incidents);
  return { counts, keeper, [Symbol.iterator]: () => beacons(options, incidents, keeper, counts) };
}

/** Players' own timelines begin this long before the audience. */
const MEDIA_ORIGIN_BEFORE_MS = 600_000;
const LOST_PERMILLE = 8;
const LATE_PERMILLE = 12;
const DUPLICATED_PERMILLE = 8;
const LATE_MS_MIN = 3_000;
const LATE_MS_MAX = 90_000;

/** What happens next: somebody comes, something happens in a player, or a report is due. */
type Item = { readonly timeMs: number; readonly order: number; readonly happens: Next };
type Next =
  | { readonly kind: 'arrival' }
  | { readonly kind: 'player'; readonly seat: Seat; readonly event: PlayerEvent }
  | { readonly kind: 'beacon'; readonly beacon: Beacon };

/** A viewer who is there. */
type Seat = {
  readonly viewer: Viewer;
  readonly events: Generator<PlayerEvent, void, undefined>;
  readonly delivery: SeededRandom;
  reporter: Reporter;
  sessionId: string;
};

function* beacons(
  options: AudienceOptions,
  incidents: readonly PlacedIncident[],
  keeper: LabelKeeper,
  counts: AudienceCounts,
): Generator<Beacon, void, undefined> {
  const { untilMs, startMs } = options;
  const shape = (options.scenario ?? NO_INCIDENTS).shape;
  const queue = new MinHeap<Item>(
    (a, b) => a.timeMs - b.timeMs < 0 || (a.timeMs === b.timeMs && a.order < b.order),
  );
  let order = 0;
  const push = (timeMs: number, happens: Next): void => queue.push({ timeMs, order: order++, happens });
  const coming = arrivals(
    { viewers: options.viewers, shape, startMs, untilMs },
    new SeededRandom(`audience/${options.seed}/arrivals`),
  );
  const awaitNext = (): void => {
    const next = coming.next();
    if (next.done !== true) push(next.value, { kind: 'arrival' });
  };
  const watchOn = (seat: Seat): void => {
    const next = seat.events.next();
    if (next.done !== true) push(next.value.atMs, { kind: 'player', seat, event: next.value });
  };
  awaitNext();
  for (let item = queue.pop(); item !== undefined; item = queue.pop()) {
    const { timeMs, happens } = item;
    if (happens.kind === 'arrival') {
      watchOn(takeSeat(options, incidents, keeper, counts.viewers, timeMs));
      counts.viewers += 1;
      awaitNext();
    } else if (happens.kind === 'player') {
      for (const beacon of send(happens.seat, happens.event, startMs, counts))
        push(beacon.dueMs, { kind: 'beacon', beacon });
      watchOn(happens.seat);
    } else if (timeMs >= untilMs) counts.afterEnd += 1;
    else {
      yield happens.beacon;
      counts.sent += 1;
    }
  }
}

function takeSeat(
  options: AudienceOptions,
  incidents: readonly PlacedIncident[],
  keeper: LabelKeeper,
  index: number,
  arrivalMs: number,
): Seat {
  const random = new SeededRandom(`audience/${options.seed}/viewer/${index}`);
  const population = options.population ?? DEFAULT_POPULATION;
  const viewer = drawViewer(index, random.fork('viewer'), population, options.programmes);
  const own = incidents.filter(({ cohort }) => isInCohort(viewer, cohort));
  const events = watch({
    viewer,
    // A frozen picture is delivered like any other.
    incidents: own.filter(({ kind }) => kind !== 'encoder-freeze'),
    random: random.fork('viewing'),
    arrivalMs,
    // Of those who are there at some moment, nearly all have stayed: so the audience has its size from the first minute on.
    mayLookIn: !isThereAtStart(arrivalMs, options.startMs),
    untilMs: options.untilMs,
    onStretch: own.length === 0 ? () => {} : (stretch) => keeper.observe(own, stretch),
  });
  const mediaOriginMs = options.startMs - MEDIA_ORIGIN_BEFORE_MS;
  return {
    viewer,
    events,
    delivery: random.fork('reports'),
    reporter: new Reporter(viewer, mediaOriginMs),
    sessionId: '',
  };
}

/** The beacons that an event leads to: none, one, or the same one twice. */
function send(seat: Seat, event: PlayerEvent, startMs: number, counts: AudienceCounts): Beacon[] {
  const { viewer, delivery } = seat;
  if (event.session.id !== seat.sessionId) {
    seat.sessionId = event.session.id;
    seat.reporter = new Reporter(viewer, startMs - MEDIA_ORIGIN_BEFORE_MS);
    counts.sessions += 1;
  }
  const report = seat.reporter.report(event);
  if (report === null) return [];
  counts.reports += 1;
  // One draw each, whatever comes of it, so that one report's fate does not move the next one's.
  const [isLost, isLate, isDoubled] = [
    delivery.chance(LOST_PERMILLE),
    delivery.chance(LATE_PERMILLE),
    delivery.chance(DUPLICATED_PERMILLE),
  ];
  const [lateMs, againMs] = [delivery.between(LATE_MS_MIN, LATE_MS_MAX), delivery.between(1, 4_000)];
  if (isLost) {
    counts.lost += 1;
    return [];
  }
  if (isLate) counts.late += 1;
  const dueMs = event.atMs + (isLate ? lateMs : delivery.below(30));
  const beacon = { dueMs, viewer, sessionId: event.session.id, ...report };
  if (!isDoubled) return [beacon];
  counts.duplicated += 1;
  return [beacon, { ...beacon, dueMs: dueMs + againMs }];
}
