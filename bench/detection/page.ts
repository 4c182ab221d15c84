/** The figures of a run as text, for a terminal and for docs/detection.md. */
import type { CopyResult } from './run.ts';
import type { Figures, FileResult, PeerFigures } from './score.ts';

/** What the bench asks of the detectors (definitions and acceptance of the project). */
const GOALS = {
  macroF1Min: 0.97,
  f1Min: 0.9,
  instancesMin: 10,
  negativeHoursMin: 3,
  startErrorMsMax: 300,
  slowStartErrorMsMax: 1_000,
} as const;
/** Types whose cause shows late. */
const SLOW_TYPES: readonly string[] = ['audio-loudness', 'video-blur', 'av-sync-offset'];

export type Report = {
  readonly command: string;
  readonly machine: string;
  readonly ffmpeg: string;
  readonly seed: string;
  readonly files: number;
  readonly faultHours: number;
  readonly negativeHours: number;
  readonly types: readonly (Figures & { readonly type: string })[];
  /** Types that are in the corpus and that nothing judges. */
  readonly unjudged: readonly string[];
  readonly macroF1: number;
  readonly peers: readonly PeerFigures[];
  readonly copies: CopyResult | null;
  readonly negatives: readonly {
    readonly what: string;
    readonly minutes: number;
    readonly falseAlarms: number;
  }[];
  readonly missed: readonly Goal[];
};

/** A goal that was not met, in words. */
export type Goal = string;

export function goalsMissed(
  { types, macroF1, negativeHours, peers, copies }: Omit<Report, 'missed'>,
  isWhole: boolean,
): readonly Goal[] {
  const missed: Goal[] = [];
  const say = (isMet: boolean, goal: Goal): void => {
    if (!isMet) missed.push(goal);
  };
  say(macroF1 >= GOALS.macroF1Min, `macro-F1 ${macroF1.toFixed(3)}, wanted ${GOALS.macroF1Min}`);
  for (const one of types) {
    const { type, f1, instances, startErrorMsMedian, falseInFaults } = one;
    if (instances === 0) {
      say(falseInFaults === 0, `${type}: told ${falseInFaults} times among faults, where there is none`);
      continue;
    }
    say(f1 >= GOALS.f1Min, `${type}: F1 ${f1.toFixed(3)}, wanted ${GOALS.f1Min}`);
    const errorMsMax = SLOW_TYPES.includes(type) ? GOALS.slowStartErrorMsMax : GOALS.startErrorMsMax;
    say(
      (startErrorMsMedian ?? 0) < errorMsMax,
      `${type}: median start error ${startErrorMsMedian} ms, wanted under ${errorMsMax}`,
    );
    if (isWhole)
      say(instances >= GOALS.instancesMin, `${type}: ${instances} instances, wanted ${GOALS.instancesMin}`);
    for (const peer of peers.filter((other) => other.type === type))
      say(f1 >= peer.f1, `${type}: F1 ${f1.toFixed(3)}, ${peer.name} has ${peer.f1.toFixed(3)}`);
  }
  const alarms = types.reduce((sum, { falseInNegatives }) => sum + falseInNegatives, 0);
  say(alarms === 0, `${alarms} false alarms in hard negatives, wanted none`);
  if (isWhole)
    say(
      negativeHours >= GOALS.negativeHoursMin,
      `${negativeHours.toFixed(2)} h of hard negatives, wanted ${GOALS.negativeHoursMin}`,
    );
  for (const one of copies?.different ?? []) say(false, `a copy tells something else: ${one}`);
  return missed;
}

/** Hard negatives by kind of picture. */
export function negativesByKind(files: readonly FileResult[]): Report['negatives'] {
  const kinds = Map.groupBy(
    files
      .filter(({ kind }) => kind === 'negative')
      .flatMap((file) => file.what.split('; ').map((what) => ({ what, file }))),
    ({ what }) => what,
  );
  return [...kinds].map(([what, rows]) => ({
    what,
    minutes: Math.round(rows.reduce((sum, { file }) => sum + file.durationMs, 0) / 60_000),
    falseAlarms: rows.reduce((sum, { file }) => sum + file.found.length, 0),
  }));
}

export function pageOf(report: Report): string {
  const { types, unjudged, macroF1, peers, copies, negatives, missed } = report;
  const lines = [
    `${report.files} files of seed \`${report.seed}\`: ${report.faultHours.toFixed(2)} h with faults, ${report.negativeHours.toFixed(2)} h of hard negatives. ${report.machine}, ffmpeg ${report.ffmpeg}.`,
    '',
    `**Macro-F1 ${macroF1.toFixed(3)}** over ${types.filter(({ instances }) => instances > 0).length} types.${unjudged.length === 0 ? '' : ` In the corpus, but judged by no detector: ${unjudged.join(', ')}.`}`,
    '',
    '| type | instances | precision | recall | F1 | median start error, ms | false alarms among faults / in hard negatives | per hour of all |',
    '|---|---|---|---|---|---|---|---|',
    ...types.map(
      (one) => `| ${one.type} | ${cells(one, `${one.falseInFaults} / ${one.falseInNegatives}`)} |`,
    ),
    '',
    "ffmpeg's filters at their defaults on the files with faults:",
    '',
    '| filter | as | instances | precision | recall | F1 | median start error, ms | false alarms | per hour |',
    '|---|---|---|---|---|---|---|---|---|',
    ...peers.map(
      (one) =>
        `| ${one.name}${one.limit === null ? '' : `, above ${one.limit}`} | ${one.type} | ${cells(one, `${one.falseInFaults}`)} |`,
    ),
    '',
    '| hard negatives: pictures, and sound | minutes | false alarms |',
    '|---|---|---|',
    ...negatives.map(({ what, minutes, falseAlarms }) => `| ${what} | ${minutes} | ${falseAlarms} |`),
    '',
    ...(copies === null
      ? []
      : [
          `${copies.renamed} files under another name told the same to the byte, ${copies.remuxed} in another container the same within 60 ms, in sound and its blocks within 160 ms${copies.different.length === 0 ? '' : `, but for ${copies.different.length}`}.`,
          '',
        ]),
    missed.length === 0 ? 'Every goal was met.' : `Goals that were not met: ${missed.join('; ')}.`,
  ];
  return `${lines.join('\n')}\n`;
}

function cells(
  { instances, precision, recall, f1, startErrorMsMedian, falsePerHour }: Figures,
  falseAlarms: string,
): string {
  return [
    instances,
    precision.toFixed(3),
    recall.toFixed(3),
    f1.toFixed(3),
    startErrorMsMedian === null ? '' : Math.round(startErrorMsMedian),
    falseAlarms,
    falsePerHour.toFixed(2),
  ].join(' | ');
}
