/** What holds for any session, however its reports arrive. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PlaybackEvent } from '../../schemas/records.ts';
import {
  type Arrival,
  CLIENT_START_MS,
  finalsOf,
  LOG_START_MS,
  playbackEvent,
  run,
  says,
} from './drawn-session.ts';
import type { SessionResult } from './figures.ts';
import { SESSION_DEFAULTS } from './session-settings.ts';

const { graceMs, windowMs } = SESSION_DEFAULTS;

/** One thing that a player says, so many ms after the one before. */
type Step = { readonly gapMs: number; readonly letter: string; readonly more: Partial<PlaybackEvent> };

const LETTERS = [...'dsprkwaefqIFCL[]tttpppxB!muhv1234'];

const step: fc.Arbitrary<Step> = fc.record({
  gapMs: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 4_000 }) },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 150 }) },
    { weight: 1, arbitrary: fc.integer({ min: 10_000, max: 130_000 }) },
  ),
  letter: fc.constantFrom(...LETTERS),
  more: fc.record(
    {
      mediaTimeMs: fc.integer({ min: 0, max: 100_000 }),
      liveLatencyMs: fc.integer({ min: 0, max: 60_000 }),
      stallCount: fc.integer({ min: 0, max: 5 }),
      stallMs: fc.integer({ min: 0, max: 9_000 }),
      droppedFrames: fc.integer({ min: 0, max: 500 }),
      bufferMs: fc.integer({ min: 0, max: 20_000 }),
      playerName: fc.constantFrom('hls.js', 'dash.js', 'shaka'),
      cdn: fc.constantFrom('cdn-a', 'cdn-b'),
      target: fc.constantFrom('a', 'b'),
    },
    { requiredKeys: [], noNullPrototype: true },
  ),
});

/** A session that is told without delay; some of it is lost. */
const session: fc.Arbitrary<readonly Arrival[]> = fc
  .array(fc.tuple(step, fc.integer({ min: 0, max: 9 })), { minLength: 1, maxLength: 40 })
  .map((steps) => {
    let afterMs = 0;
    const arrivals: Arrival[] = [];
    for (const [sn, [{ gapMs, letter, more }, luck]] of steps.entries()) {
      afterMs += sn === 0 ? 0 : gapMs;
      const event = playbackEvent({ sn, clientTimeMs: CLIENT_START_MS + afterMs, ...says(letter), ...more });
      if (luck > 0 || sn === 0) arrivals.push({ logMs: LOG_START_MS + 3_210 + afterMs, event });
    }
    return arrivals;
  });

/** The same log times, with events in another order: each comes up to grace later, or earlier. */
function shuffled(arrivals: readonly Arrival[], delaysMs: readonly number[]): readonly Arrival[] {
  const order = arrivals
    .map(({ event, logMs }, index) => ({ event, dueMs: logMs + delaysMs[index % delaysMs.length]!, index }))
    .sort((a, b) => a.dueMs - b.dueMs || a.index - b.index);
  return arrivals.map(({ logMs }, place) => ({ logMs, event: order[place]!.event }));
}

/** Some come again, so many ms later. */
function repeated(arrivals: readonly Arrival[], againMs: readonly number[]): readonly Arrival[] {
  const again = arrivals.flatMap(({ logMs, event }, index) => {
    const afterMs = againMs[index % againMs.length]!;
    return afterMs < 0 ? [] : [{ logMs: logMs + afterMs, event }];
  });
  return [...arrivals, ...again].sort((a, b) => a.logMs - b.logMs);
}

const delays = fc.array(fc.integer({ min: 0, max: graceMs }), { minLength: 1, maxLength: 40 });
const agains = fc.array(fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 60_000 })), {
  minLength: 1,
  maxLength: 40,
});

/** Repeats are counted; nothing else may differ. */
function withoutRepeats(results: readonly SessionResult[]) {
  return results.map(({ figures, soFar, ...rest }) => ({
    ...rest,
    figures: { ...figures, duplicateCount: 0 },
    soFar: { ...soFar, duplicateCount: 0 },
  }));
}

test('the order of arrival within grace changes nothing', () => {
  fc.assert(
    fc.property(session, delays, (arrivals, delaysMs) => {
      assert.deepEqual(run(shuffled(arrivals, delaysMs)).results, run(arrivals).results);
    }),
  );
});

test('duplicates change nothing but their own count, whenever they come', () => {
  fc.assert(
    fc.property(session, delays, agains, (arrivals, delaysMs, againMs) => {
      const told = run(repeated(shuffled(arrivals, delaysMs), againMs)).results;
      assert.deepEqual(withoutRepeats(told), withoutRepeats(run(arrivals).results));
    }),
  );
});

const OUTCOMES = ['play', 'vsf-technical', 'vsf-business', 'ebvs', 'unknown', 'pending'];

test('at every moment attempts = plays + start failures + exits + unknown + pending', () => {
  fc.assert(
    fc.property(fc.array(session, { minLength: 1, maxLength: 8 }), (sessions) => {
      const tally = new Map<string, number>(OUTCOMES.map((outcome) => [outcome, 0]));
      let attempts = 0;
      const told = sessions
        .flatMap((arrivals, index) =>
          run(arrivals).results.map((result, place) => ({ result, place, index })),
        )
        .sort(
          (a, b) =>
            a.result.figures.windowEndMs - b.result.figures.windowEndMs ||
            a.index - b.index ||
            a.place - b.place,
        );
      const last = new Map<number, string>();
      for (const { result, index } of told.sort((a, b) => a.place - b.place)) {
        const { before, figures } = result;
        if (!before.attempted) attempts += 1;
        else assert.equal(before.outcome, last.get(index));
        if (before.attempted) tally.set(before.outcome, tally.get(before.outcome)! - 1);
        tally.set(figures.outcome, tally.get(figures.outcome)! + 1);
        last.set(index, figures.outcome);
        assert.equal(
          attempts,
          [...tally.values()].reduce((sum, count) => sum + count, 0),
        );
        assert.ok([...tally.values()].every((count) => count >= 0));
        assert.equal(tally.size, OUTCOMES.length);
      }
    }),
    { numRuns: 50 },
  );
});

test('no window holds more than its length, nothing is negative, and null is never 0', () => {
  fc.assert(
    fc.property(session, (arrivals) => {
      for (const { figures, sums, spans, told } of run(arrivals).results) {
        for (const [name, value] of Object.entries({ ...figures, ...sums, ...told })) {
          if (typeof value === 'number')
            assert.ok(Number.isSafeInteger(value) && value >= 0, `${name} ${value}`);
        }
        for (const share of Object.values(told)) assert.ok(share <= 1_000);
        if (figures.outcome !== 'play') assert.equal(figures.joinTimeMs, null);
        if (!figures.contentStarted) assert.equal(figures.contentStartupMs, null);
        if (figures.kind === 'final') continue;
        const { playingMs, stallMs, pausedMs, seekWaitMs, adPlayingMs, adStallMs } = figures;
        const { startupWaitMs } = sums;
        // what is told of stalls while no state is told lies in time that is unknown
        const unknownMs = figures.playerState === 'unknown' ? sums.unknownMs - stallMs : sums.unknownMs;
        const wholeMs =
          playingMs + stallMs + pausedMs + seekWaitMs + adPlayingMs + adStallMs + startupWaitMs + unknownMs;
        assert.ok(wholeMs <= windowMs, `${wholeMs} ms in a window`);
        assert.equal(sums.sessionMs + pausedMs + unknownMs <= windowMs, true);
        let endMs = figures.windowStartMs;
        for (const span of spans) {
          assert.ok(span.startMs >= endMs && span.endMs > span.startMs && span.endMs <= figures.windowEndMs);
          endMs = span.endMs;
        }
      }
    }),
  );
});

test('whatever comes, however late and with whatever clock: every result is whole, and every event accounted for', () => {
  const trouble = fc.array(
    fc.record({
      delayMs: fc.oneof(
        fc.constant(0),
        fc.integer({ min: 0, max: 8_000 }),
        fc.integer({ min: 0, max: 900_000 }),
      ),
      jumpMs: fc.oneof(fc.constant(0), fc.integer({ min: -1e9, max: 1e9 })),
      hasClock: fc.boolean(),
      hasNumber: fc.boolean(),
    }),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(session, trouble, (arrivals, troubles) => {
      const troubled = arrivals
        .map(({ logMs, event }, index) => {
          const { delayMs, jumpMs, hasClock, hasNumber } = troubles[index % troubles.length]!;
          return {
            logMs: logMs + delayMs,
            event: {
              ...event,
              clientTimeMs: hasClock ? event.clientTimeMs! + jumpMs : null,
              sn: hasNumber ? event.sn : null,
            },
          };
        })
        .sort((a, b) => a.logMs - b.logMs);
      const { results, offered } = run(troubled);
      assert.equal(offered.length, troubled.length);
      let endMs = 0;
      for (const { figures, sums } of results) {
        for (const [name, value] of Object.entries({ ...figures, ...sums })) {
          if (typeof value === 'number')
            assert.ok(Number.isSafeInteger(value) && value >= 0, `${name} ${value}`);
        }
        assert.ok(OUTCOMES.includes(figures.outcome));
        if (figures.kind === 'final') continue;
        // windows are told once, in order
        assert.ok(figures.windowStartMs >= endMs);
        endMs = figures.windowEndMs;
        assert.ok(figures.playingMs + figures.stallMs + figures.pausedMs <= windowMs);
      }
    }),
  );
});

test('windows of a session that is told in time and ends add up to its final', () => {
  const lively = fc
    .array(fc.tuple(fc.integer({ min: 100, max: 9_000 }), fc.constantFrom(...'pprkpattp')), {
      minLength: 1,
      maxLength: 30,
    })
    .map((steps) => {
      const said: [string, number][] = [['s', 0]];
      for (const [gapMs, letter] of steps) said.push([letter, said.at(-1)![1] + gapMs]);
      said.push(['q', said.at(-1)![1] + 1_000]);
      return said.map(([letter, afterMs], sn) => ({
        logMs: LOG_START_MS + afterMs,
        event: playbackEvent({ sn, clientTimeMs: CLIENT_START_MS + afterMs, ...says(letter) }),
      }));
    });
  fc.assert(
    fc.property(lively, (arrivals) => {
      const { results } = run(arrivals);
      const [final] = finalsOf(results);
      const sum = (
        name: 'playingMs' | 'stallCount' | 'pausedMs' | 'seekWaitMs' | 'eventCount' | 'exposedMs',
      ) =>
        results
          .filter(({ figures }) => figures.kind === 'window')
          .reduce((total, { figures }) => total + figures[name], 0);
      for (const name of [
        'playingMs',
        'stallCount',
        'pausedMs',
        'seekWaitMs',
        'eventCount',
        'exposedMs',
      ] as const)
        assert.equal(sum(name), final!.figures[name], name);
    }),
  );
});
