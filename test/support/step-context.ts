/** What a step sees, for tests that call it themselves. */
import type { StepContext } from '../../runtime/topology.ts';

/** The defaults hold, nothing was sealed, and other reducers keep nothing; unless `fields` says otherwise. */
export function stepContext(fields: Partial<StepContext> = {}): StepContext {
  return {
    configHash: 'default',
    config: null,
    sealedUpToMs: 0,
    sealedUpToMsOf: () => 0,
    sealsOf: () => [],
    read: () => undefined,
    ...fields,
  };
}
