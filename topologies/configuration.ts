/** One check of a whole configuration, part by part. Whoever puts one into the log checks it first: reducers take it as it is. */
import { checkIngestPart } from '../schemas/depths.ts';
import { checkAudienceAlerts } from './alerts/audience-rules.ts';
import { checkStreamAlerts } from './alerts/stream-alert-rules.ts';
import { checkOffAir } from './detectors/announced.ts';
import { checkDetectionConfig } from './detectors/settings.ts';
import { MODELS, SCORING_DEFAULTS, type ScoringSettings } from './scoring/settings.ts';
import { SESSION_DEFAULTS, type SessionSettings } from './sessions/session-settings.ts';
import { checkIntegers, isObject } from './settings-check.ts';
import { DETECTOR_DEFAULTS } from './stream-detection.ts';

/** What a configuration may have at its top: who reads it, and its meaning. */
export const CONFIGURATION_PARTS = [
  'detectors',
  'streams',
  'offAir',
  'streamAlerts',
  'audienceAlerts',
  'sessions',
  'scoring',
  'ingest',
] as const;

/**
 * What is wrong with a configuration, one sentence for each fault; empty when nothing is.
 *
 * @example
 * checkConfiguration({ scoring: { sealWaitMs: -1 } }); // ['scoring.sealWaitMs has to be at least 0, and is -1']
 */
export function checkConfiguration(config: unknown): readonly string[] {
  if (config === null) return [];
  if (!isObject(config)) return ['a configuration has to be an object'];
  const faults: string[] = [];
  for (const part of Object.keys(config)) {
    if (!(CONFIGURATION_PARTS as readonly string[]).includes(part))
      faults.push(`${part}: no such part of a configuration; there are ${CONFIGURATION_PARTS.join(', ')}`);
  }
  const { detectors, streams } = config;
  faults.push(
    ...checkDetectionConfig(
      { ...(detectors === undefined ? {} : { detectors }), ...(streams === undefined ? {} : { streams }) },
      DETECTOR_DEFAULTS,
    ),
    ...checkOffAir(config.offAir),
    ...checkStreamAlerts(config.streamAlerts),
    ...checkAudienceAlerts(config.audienceAlerts),
    ...checkSessions(config.sessions),
    ...checkScoring(config.scoring),
    ...checkIngestPart(config.ingest),
  );
  return faults;
}

function checkSessions(sessions: unknown): readonly string[] {
  const faults = [...checkIntegers('sessions', sessions, SESSION_DEFAULTS, SESSION_MIN)];
  if (faults.length > 0) return faults;
  const all: SessionSettings = { ...SESSION_DEFAULTS, ...(sessions as Partial<SessionSettings>) };
  if (all.rolloverMs % all.windowMs !== 0)
    faults.push(
      `sessions.rolloverMs is ${all.rolloverMs}, and has to be a whole number of windows of ${all.windowMs} ms`,
    );
  return faults;
}

const SESSION_MIN = { windowMs: 1_000, heldEventsMax: 1, rolloverMs: 60_000, heartbeatTimeoutMs: 1_000 };

function checkScoring(scoring: unknown): readonly string[] {
  if (scoring === undefined) return [];
  if (!isObject(scoring)) return ['scoring has to be an object'];
  const { model, ...numbers } = scoring;
  const faults = [...checkIntegers<ScoringSettings>('scoring', numbers, SCORING_DEFAULTS, SCORING_MIN)];
  if (model !== undefined && !MODELS.some(({ name }) => name === model)) {
    const names = MODELS.map(({ name }) => name).join(', ');
    faults.push(`scoring.model: no model ${JSON.stringify(model)}; there are ${names}`);
  }
  return faults;
}

const SCORING_MIN = { sealPollMs: 10, defectHorizonMs: 60_000, cohortWaitMs: 1, cohortLeavesMax: 64 };
