/**
 * Settings of scoring and of cohorts: documented defaults, and what the configuration in force changes under `sessions`
 * (the fold, `sessions/session-settings.ts`) and `scoring`.
 *
 * @example
 * { "sessions": { "graceMs": 3000 }, "scoring": { "sealWaitMs": 5000 } }
 */
import { SESSION_DEFAULTS, type SessionSettings } from '../sessions/session-settings.ts';
import { iqx1 } from './iqx-1.ts';
import type { ScoringModel } from './model.ts';

/** Every scoring model by name; the first is the one that scores where the configuration names none. */
export const MODELS: readonly ScoringModel[] = [iqx1];

export type ScoringSettings = {
  /** Longest wait of a closed window for the seal of its programme, ms; after that it is scored with what is known. */
  readonly sealWaitMs: number;
  /** How often a window that waits looks, ms. */
  readonly sealPollMs: number;
  /** Programme time behind the newest seal for which defects are kept, ms. */
  readonly defectHorizonMs: number;
  /** A cohort's window leaves this long after it was told, so that scores which waited for a seal are in it, ms. */
  readonly cohortWaitMs: number;
  /**
   * Longest wait for the shares of all scoring tasks in a cohort's window, ms of log time; after that it leaves without the
   * rest. Log time itself waits for a task that is gone, for as long as the runtime waits for its seal.
   */
  readonly cohortMergeWaitMs: number;
  /** Leaf tuples of one task in one window; those that come later are counted under `other`. */
  readonly cohortLeavesMax: number;
};

export const SCORING_DEFAULTS: ScoringSettings = {
  sealWaitMs: 10_000,
  sealPollMs: 500,
  defectHorizonMs: 600_000,
  cohortWaitMs: 2_000,
  cohortMergeWaitMs: 2_500,
  cohortLeavesMax: 4_096,
};

/** What the configuration may say. */
export type ScoringConfig = {
  readonly sessions?: Partial<SessionSettings>;
  readonly scoring?: Partial<ScoringSettings> & { readonly model?: string };
};

export type AllSettings = {
  readonly sessions: SessionSettings;
  readonly scoring: ScoringSettings;
  readonly model: ScoringModel;
};

/** The settings in force: made once for each configuration, because they are asked for with every event. */
export function settingsOf(config: unknown): AllSettings {
  if (config === null || config === undefined) return DEFAULTS;
  const known = BY_CONFIG.get(config);
  if (known !== undefined) return known;
  const { sessions, scoring } = config as ScoringConfig;
  const { model, ...changes } = scoring ?? {};
  const made: AllSettings = {
    sessions: { ...SESSION_DEFAULTS, ...sessions },
    scoring: { ...SCORING_DEFAULTS, ...changes },
    model: MODELS.find(({ name }) => name === model) ?? MODELS[0]!,
  };
  BY_CONFIG.set(config, made);
  return made;
}

const DEFAULTS: AllSettings = { sessions: SESSION_DEFAULTS, scoring: SCORING_DEFAULTS, model: MODELS[0]! };
const BY_CONFIG = new WeakMap<object, AllSettings>();
