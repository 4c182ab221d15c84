/** What was measured, as people read it: a Markdown table. */

/** One round: the topology, and the bare consumers just before it. */
export type Round = {
  readonly perSecond: number;
  readonly cpuSecondsPerMillion: number;
  readonly peakRssMb: number;
  readonly consumePerSecond: number;
  readonly consumeCpu: number;
};

export type Measured = Round & {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  /** Rate in one process that the evidence reached. */
  readonly evidencePerSecond: number;
  readonly records: number;
  /** Mean size of an input record in the log. */
  readonly bytes: number;
  readonly processes: number;
  /** Of all rounds, slowest and middle. */
  readonly slowest: number;
  readonly median: number;
};

export type About = {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGb: number;
  readonly node: string;
  readonly kafka: string;
  readonly rounds: number;
  readonly partitions: number;
};

/** The round with the highest rate, whole: its figures belong together. */
export function bestOf(
  rounds: readonly Round[],
): Round & { readonly slowest: number; readonly median: number } {
  const byRate = [...rounds].sort((a, b) => a.perSecond - b.perSecond);
  const median = byRate[Math.floor(byRate.length / 2)]!.perSecond;
  return { ...byRate.at(-1)!, slowest: byRate[0]!.perSecond, median };
}

export function renderTable(about: About, measured: readonly Measured[]): string {
  const lines = [
    `${about.cores} cores shared with the broker (${about.processor}, ${about.memoryGb} GB), Node ${about.node}, ` +
      `Kafka ${about.kafka}, ${about.partitions} partitions. Best of ${about.rounds} rounds.`,
    '',
    '| workload | processes | k records/s | slowest / median / best | CPU-s per million | peak MB | bare consume k/s | ratio | half of the evidence |',
    '|---|---|---|---|---|---|---|---|---|',
    ...measured.map(rowOf),
    '',
  ];
  return lines.join('\n');
}

function rowOf(one: Measured): string {
  const { perSecond, consumePerSecond, evidencePerSecond, processes } = one;
  const goal = evidencePerSecond / 2;
  const verdict = `${thousands(goal)}: ${perSecond >= goal ? 'reached' : `${percent(perSecond / goal)} of it`}`;
  const cells = [
    `${one.name}, ${one.title} (${Math.round(one.bytes)} B)`,
    processes,
    thousands(perSecond),
    `${thousands(one.slowest)} / ${thousands(one.median)} / ${thousands(perSecond)}`,
    one.cpuSecondsPerMillion.toFixed(2),
    Math.round(one.peakRssMb),
    thousands(consumePerSecond),
    percent(perSecond / consumePerSecond),
    processes === 1 ? verdict : '',
  ];
  return `| ${cells.join(' | ')} |`;
}

function thousands(perSecond: number): string {
  return (perSecond / 1_000).toFixed(0);
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(0)} %`;
}
