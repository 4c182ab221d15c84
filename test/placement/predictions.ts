/** Settings to try on the frozen sources, and what a person who knows what is in there says that they change. */
import type { BacktestDiff } from '../../cli/replay/backtest-diff.ts';
import { LONG_FREEZE, SHORT_FREEZE } from './frozen-sources.ts';

/** Of a difference, what a prediction is about; scores by number only. */
export type Outcome = {
  readonly defects: Changes;
  readonly alerts: Changes;
  readonly scoresChanged: boolean;
};

type Changes = {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly moved: readonly string[];
};

export type Prediction = { readonly config: unknown; readonly outcome: Outcome };

const NONE: Changes = { added: [], removed: [], moved: [] };

/** Between the two freezes: the short one is none any more; the long one is known, and its alert fires, 3 s later than it did. */
export const LATER_FREEZE: Prediction = {
  config: { detectors: { 'video-freeze': { minMs: 5_000 } } },
  outcome: {
    defects: { ...NONE, removed: [`video-freeze ${SHORT_FREEZE.programmeId} origin`] },
    alerts: {
      ...NONE,
      removed: [`StreamVideoFreeze ${SHORT_FREEZE.programmeId} origin`],
      moved: [
        `StreamVideoFreeze ${LONG_FREEZE.programmeId} origin: starts 3000 ms later; fires 3000 ms later`,
      ],
    },
    scoresChanged: true,
  },
};

/** No cohort is ever stalled for so long: the alert on the CDN that was out never comes, and nothing else changes. */
export const LAX_REBUFFERING: Prediction = {
  config: { audienceAlerts: { 'rebuffering-high': { firePermille: 1_000, criticalPermille: 1_000 } } },
  outcome: {
    defects: NONE,
    alerts: { ...NONE, removed: ['AudienceRebufferingHigh cdn-b'] },
    scoresChanged: false,
  },
};

export function outcomeOf({ defects, alerts, scores }: BacktestDiff): Outcome {
  const changes = ({ added, removed, moved }: BacktestDiff['alerts']): Changes => ({
    added: added.map(({ title }) => title),
    removed: removed.map(({ title }) => title),
    moved: moved.map(({ live, what }) => `${live.title}: ${what.join('; ')}`),
  });
  const changed = scores.added.length + scores.removed.length + scores.changed.length;
  return { defects: changes(defects), alerts: changes(alerts), scoresChanged: changed > 0 };
}
