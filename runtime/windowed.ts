/** Reducers over windows: one aggregate for each key and window, whose result leaves when the window is closed. */

import { type StateCodec, shapeOf } from './state.ts';
import { StateReader, StateWriter } from './state-bytes.ts';
import type { Effect, Reducer } from './topology.ts';
import {
  closesAtMs,
  isLate,
  joins,
  sessionOf,
  union,
  type Window,
  type Windows,
  windowsOf,
} from './window.ts';

export type WindowedOptions<In, A, Out> = {
  readonly name: string;
  readonly windows: Windows;
  /** Time that places the value in windows, ms; log time where it has none of its own. */
  readonly timeOf: (value: In, logTimeMs: number) => number;
  readonly aggregate: StateCodec<A>;
  readonly init: () => A;
  /** Folds a value in. Has to give the same for any order of the same values. */
  readonly add: (aggregate: A, value: In) => void;
  /** Folds a later session into an earlier one that it turned out to be part of; needed for session windows. */
  readonly merge?: (into: A, other: A) => void;
  readonly result: (key: string, window: Window, aggregate: A) => Out;
};

type Open<A> = { window: Window; aggregate: A };
type WindowedState<A> = { open: Open<A>[] };

/**
 * A reducer that forwards one result for each key and window, when log time reaches the window's end plus grace;
 * results leave in the order of (window end, key). A value whose windows are all closed is `late`.
 */
export function windowed<In, A, Out>(
  options: WindowedOptions<In, A, Out>,
): Reducer<WindowedState<A>, In, Out> {
  const { windows, name } = options;
  if (windows.kind === 'session' && options.merge === undefined) {
    throw new Error(`${name} has session windows and no merge: two sessions can turn out to be one`);
  }
  return {
    name,
    state: codecOf(options.aggregate),
    init: () => ({ open: [] }),
    step(state, input) {
      if (input.kind === 'timer') return close(options, state, input.key, input.dueMs);
      const atMs = options.timeOf(input.value, input.timeMs);
      const effects: Effect<Out>[] = [];
      for (const open of placesOf(options, state, atMs, input.timeMs, effects)) {
        options.add(open.aggregate, input.value);
        effects.push({
          kind: 'schedule',
          name: timerOf(open.window),
          dueMs: closesAtMs(windows, open.window),
        });
      }
      return effects.length > 0 ? effects : [{ kind: 'late', reason: 'window-closed' }];
    },
  };
}

/** The open windows that a value at `atMs` belongs to, made where they are missing; none when all are closed. */
function placesOf<In, A, Out>(
  options: WindowedOptions<In, A, Out>,
  state: WindowedState<A>,
  atMs: number,
  nowMs: number,
  effects: Effect<Out>[],
): readonly Open<A>[] {
  const { windows } = options;
  if (windows.kind === 'session') return sessionFor(options, state, sessionOf(windows, atMs), nowMs, effects);
  return windowsOf(windows, atMs)
    .filter((window) => !isLate(windows, window, nowMs))
    .map((window) => {
      const found = state.open.find((open) => open.window.startMs === window.startMs);
      return found ?? opened(options, state, window);
    });
}

/** One session out of all that the candidate joins. */
function sessionFor<In, A, Out>(
  options: WindowedOptions<In, A, Out>,
  state: WindowedState<A>,
  candidate: Window,
  nowMs: number,
  effects: Effect<Out>[],
): readonly Open<A>[] {
  const joined = state.open.filter((open) => joins(open.window, candidate));
  const [first, ...others] = joined;
  if (first === undefined) {
    return isLate(options.windows, candidate, nowMs) ? [] : [opened(options, state, candidate)];
  }
  for (const open of joined) effects.push({ kind: 'cancel', name: timerOf(open.window) });
  for (const other of others) {
    options.merge!(first.aggregate, other.aggregate);
    first.window = union(first.window, other.window);
    state.open.splice(state.open.indexOf(other), 1);
  }
  first.window = union(first.window, candidate);
  return [first];
}

function opened<In, A, Out>(
  options: WindowedOptions<In, A, Out>,
  state: WindowedState<A>,
  window: Window,
): Open<A> {
  const open = { window, aggregate: options.init() };
  state.open.push(open);
  state.open.sort((a, b) => a.window.startMs - b.window.startMs);
  return open;
}

function close<In, A, Out>(
  options: WindowedOptions<In, A, Out>,
  state: WindowedState<A>,
  key: string,
  dueMs: number,
): readonly Effect<Out>[] {
  const closing = state.open.filter((open) => closesAtMs(options.windows, open.window) <= dueMs);
  state.open = state.open.filter((open) => !closing.includes(open));
  const effects: Effect<Out>[] = closing
    .sort((a, b) => a.window.endMs - b.window.endMs)
    .map(({ window, aggregate }) => ({ kind: 'forward', value: options.result(key, window, aggregate) }));
  if (state.open.length === 0) effects.push({ kind: 'forget' });
  return effects;
}

function timerOf(window: Window): string {
  return `close@${window.endMs}`;
}

/** Open windows by start; the aggregate's own version goes in front, so that either may change. */
function codecOf<A>(aggregate: StateCodec<A>): StateCodec<WindowedState<A>> {
  return {
    version: aggregate.version,
    shape: shapeOf('windows', aggregate.shape),
    encode(state) {
      const writer = new StateWriter();
      writer.unsigned(state.open.length);
      for (const { window, aggregate: value } of state.open) {
        writer.signed(window.startMs);
        writer.signed(window.endMs);
        writer.bytes(aggregate.encode(value));
      }
      return writer.finish();
    },
    decode(bytes, version) {
      const reader = new StateReader(bytes);
      const open: Open<A>[] = [];
      for (let left = reader.unsigned(); left > 0; left--) {
        const window = { startMs: reader.signed(), endMs: reader.signed() };
        open.push({ window, aggregate: aggregate.decode(reader.bytes(), version) });
      }
      reader.end();
      return { open };
    },
  };
}
