import type { FetchOutcome } from './fetch-events.ts';

/** What was asked for could not be had, or must not be. The message says why in one line. */
export class FetchFailure extends Error {
  readonly outcome: Exclude<FetchOutcome, 'ok'>;
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;

  constructor(outcome: Exclude<FetchOutcome, 'ok'>, message: string, status = 0) {
    super(message);
    this.name = 'FetchFailure';
    this.outcome = outcome;
    this.status = status;
  }
}
