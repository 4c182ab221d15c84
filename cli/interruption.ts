/** Ctrl-C: the first one asks for an end in order, the second one ends at once. */

export type Interruption = {
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP, or when nobody reads the output any more. */
  readonly signal: AbortSignal;
};

/** The part of `process` that this needs. */
export type SignalSource = {
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: (signal: NodeJS.Signals) => void): unknown;
};

/** `endNow` must not return. */
export function interruptionOf(source: SignalSource, endNow: () => void): Interruption {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    source.on(name, () => {
      if (controller.signal.aborted) endNow();
      controller.abort(name);
    });
  }
  return { signal: controller.signal };
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
