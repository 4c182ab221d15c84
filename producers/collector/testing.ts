/** What tests of the collector share. */

import { UNKNOWN_DEVICE } from './device.ts';
import type { ReportContext } from './normalise.ts';

export const RECEIVED_AT_MS = 1_795_259_051_201;

/** A context of tenant `acme` in which keys and programmes can be read off. */
export function testContext(changes: Partial<ReportContext> = {}): ReportContext {
  return {
    tenant: 'acme',
    target: '',
    receivedAtMs: RECEIVED_AT_MS,
    addressHash: 'address',
    forbidden: [],
    device: UNKNOWN_DEVICE,
    sessionKeyOf: (sessionId) => `key-of-${sessionId}`,
    programmeIdOf: (contentId) => (contentId === 'news-live' ? 'news' : ''),
    ...changes,
  };
}
