/** The account of a run for people. */
import type { LatencyFigures } from '../consumers/summary/latency.ts';
import type {
  ComparedFault,
  ComparisonSummary,
  RunSummary,
  RunTiming,
} from '../consumers/summary/summary.ts';
import { mediaTime, seconds, streamLabel } from '../consumers/tail/record-line.ts';
import { audienceLines } from './audience-text.ts';
import { counted, styled, type Terminal, table } from './terminal.ts';

/** Lines of text; `terminal` decides on colours only. */
export function summaryLines(summary: RunSummary, terminal: Terminal): readonly string[] {
  const heading = (text: string) => styled(terminal, 'bold', text);
  return [
    heading('Watched'),
    ...indent(watchedLines(summary)),
    heading('Found'),
    ...indent(foundLines(summary)),
    heading('Latency (ms)'),
    ...indent(latencyLines(summary)),
    ...(summary.comparison === null
      ? []
      : [
          heading('Compared with the faults that were put in (the pipeline never saw this list)'),
          ...indent(comparisonLines(summary.comparison, terminal)),
        ]),
    ...(summary.audience === null
      ? []
      : [heading('Viewers'), ...indent(audienceLines(summary.audience, terminal))]),
  ];
}

/** How long it took until there was something to see. */
export function firstRecordLine({ timing }: { readonly timing: Omit<RunTiming, 'watchedMs'> }): string {
  const setup = `set-up ${seconds(timing.setupMs)}`;
  if (timing.firstRecordMs === null) return `no record came (${setup})`;
  const decoding = seconds(timing.firstRecordMs - timing.setupMs);
  return `first record after ${seconds(timing.firstRecordMs)} (${setup}, decoding ${decoding})`;
}

function watchedLines(summary: RunSummary): string[] {
  const { totals, streams } = summary;
  const rows = streams.map((stream) => [
    streamLabel(stream),
    `${stream.frames} pictures`,
    `${stream.chunks} chunks`,
    `${seconds(stream.mediaMs)} of media`,
    ...(stream.decodeErrors > 0 ? [`${stream.decodeErrors} decode errors`] : []),
    ...(stream.lastEvent === 'features' ? [] : [`last said: ${stream.lastEvent}`]),
  ]);
  return [
    `${counted(totals.streams, 'stream')}, ${counted(totals.frames, 'picture')} in ${counted(totals.chunks, 'chunk')} over ${seconds(summary.timing.watchedMs)}; ${firstRecordLine(summary)}`,
    ...table(rows),
  ];
}

function foundLines({ defects, alerts }: RunSummary): string[] {
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([word, count]) => `${count} ${word}`)
      .join(', ');
  const carriedOver = defects.carriedOver + alerts.carriedOver;
  return [
    `${counted(defects.total, 'defect')}${defects.total === 0 ? '' : `: ${list(defects.byType)}; ${defects.open} still open`}`,
    `${counted(alerts.total, 'alert')}${alerts.total === 0 ? '' : `: ${list(alerts.byStatus)}`}`,
    ...(carriedOver === 0
      ? []
      : [
          `${counted(defects.carriedOver, 'defect')} and ${counted(alerts.carriedOver, 'alert')} of an earlier run changed too; they are not counted`,
        ]),
  ];
}

function latencyLines({ latency }: RunSummary): string[] {
  const row = (what: string, { count, p50Ms, p99Ms, maxMs }: LatencyFigures) => [
    what,
    ...[p50Ms, p99Ms, maxMs, count].map((figure) => String(figure ?? '-').padStart(6)),
  ];
  return table([
    ['', ...['p50', 'p99', 'max', 'of'].map((name) => name.padStart(6))],
    row('frame decoded -> defect, by the records', latency.decodedToLog.defect),
    row('frame decoded -> alert, by the records', latency.decodedToLog.alert),
    row('frame decoded -> alert firing (rule holds it back), by the records', latency.decodedToLog.firing),
    row('frame decoded -> defect seen by a read_committed subscriber', latency.decodedToSubscriber.defect),
    row('frame decoded -> alert seen by a read_committed subscriber', latency.decodedToSubscriber.alert),
    row('frame decoded -> alert firing, seen by that subscriber', latency.decodedToSubscriber.firing),
  ]);
}

function comparisonLines(comparison: ComparisonSummary, terminal: Terminal): string[] {
  const { faults, falseAlarms, found, missed, notFinished } = comparison;
  const rows = table([
    ['stream', 'fault', 'from', 'to', 'result', 'start error', 'end error', 'alert'],
    ...faults.map(faultRow),
  ]);
  const verdict = `${found} found, ${missed} missed, ${notFinished} not finished, ${counted(falseAlarms.length, 'false alarm')}`;
  return [
    ...rows,
    ...falseAlarms.map(
      ({ programmeId, type, startMs, endMs }) =>
        `false alarm: ${programmeId} ${type} ${mediaTime(startMs)} to ${endMs === null ? 'now' : mediaTime(endMs)}`,
    ),
    styled(terminal, missed + falseAlarms.length === 0 ? 'green' : 'red', verdict),
  ];
}

function faultRow(fault: ComparedFault): string[] {
  return [
    fault.programmeId,
    fault.type,
    mediaTime(fault.startMs),
    mediaTime(fault.endMs),
    fault.outcome === 'not-finished' ? 'not finished' : fault.outcome,
    errorText(fault.startErrorMs),
    fault.defectId !== null && fault.endErrorMs === null ? 'open' : errorText(fault.endErrorMs),
    fault.alertStatus === '' ? '-' : fault.alertStatus,
  ];
}

function errorText(errorMs: number | null): string {
  if (errorMs === null) return '-';
  return `${errorMs > 0 ? '+' : ''}${errorMs} ms`;
}

function indent(lines: readonly string[]): string[] {
  return lines.map((text) => `  ${text}`);
}
