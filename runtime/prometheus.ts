/** Metrics of Prometheus whose values are kept elsewhere, and read whenever they are asked for. */
import { Counter, Gauge, type Registry } from 'prom-client';

export type Sample = { readonly labels: Readonly<Record<string, string | number>>; readonly value: number };

export function registerGauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  samples: () => readonly Sample[],
): void {
  new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of samples()) this.set(labels, value);
    },
  });
}

/** The values are totals already; prom-client only knows how to add. */
export function registerCounter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  samples: () => readonly Sample[],
): void {
  new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of samples()) this.inc(labels, value);
    },
  });
}
