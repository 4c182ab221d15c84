/** What many seeds together came to; kept in a file, so that a long run can go on where it was cut off. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type CellCounts, countOne } from './faults.ts';
import type { SeedResult } from './seed.ts';

export type Totals = {
  /** Seeds that are done, failed ones included. */
  readonly done: Set<number>;
  readonly failed: number[];
  events: number;
  derived: number;
  ticks: number;
  recoveryMsMax: number;
  readonly fired: CellCounts;
  readonly notFired: CellCounts;
};

/** What a kept run was of: it goes on only with the same. */
export type RunName = { readonly commit: string; readonly events: number };

export function newTotals(): Totals {
  return {
    done: new Set(),
    failed: [],
    events: 0,
    derived: 0,
    ticks: 0,
    recoveryMsMax: 0,
    fired: new Map(),
    notFired: new Map(),
  };
}

export function addSeed(totals: Totals, result: SeedResult): void {
  totals.done.add(result.seed);
  if (result.findings.length > 0) totals.failed.push(result.seed);
  totals.events += result.events;
  totals.derived += result.derived;
  totals.ticks += result.ticks;
  totals.recoveryMsMax = Math.max(totals.recoveryMsMax, result.recoveryMs);
  for (const [name, count] of result.fired) countOne(totals.fired, name, count);
  for (const [name, count] of result.notFired) countOne(totals.notFired, name, count);
}

export function keepTotals(file: string, of: RunName, totals: Totals): void {
  const { done, fired, notFired, ...rest } = totals;
  const kept = { of, ...rest, done: [...done], fired: [...fired], notFired: [...notFired] };
  // in one step: a run that is killed meanwhile leaves the older one
  writeFileSync(`${file}.new`, JSON.stringify(kept));
  renameSync(`${file}.new`, file);
}

/** Throws when the file is of another commit or size; a new run where there is no file. */
export function keptTotals(file: string, of: RunName): Totals {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return newTotals();
    throw error;
  }
  const { of: found, ...kept } = JSON.parse(text);
  if (found.commit !== of.commit || found.events !== of.events) {
    throw new Error(
      `${file} is of a run of commit ${found.commit} with ${found.events} events, and this one is of ${of.commit} ` +
        `with ${of.events}: delete it, or go on with that`,
    );
  }
  const { done, fired, notFired, ...rest } = kept;
  return { ...rest, done: new Set(done), fired: new Map(fired), notFired: new Map(notFired) };
}
