/** What was found in one input: as NDJSON for machines, as a timeline for people. */
import { mediaTime, seconds } from '../../consumers/tail/record-line.ts';
import { type Style, styled, type Terminal, table } from '../terminal.ts';
import type { AnalysedDefect, Analysis } from './analysis.ts';

/** One object for each defect in order of start, then the summary (definitions, section 2). */
export function* analysisObjects({ streamId, defects, durationMs, notWatched }: Analysis): Generator<object> {
  for (const { confidencePermille, ...defect } of defects)
    yield { ...defect, confidence: confidencePermille / 1_000 };
  yield { type: 'summary', streamId, durationMs, notWatched };
}

const BAR_COLUMNS_MIN = 20;
const STYLE: Readonly<Record<string, Style>> = { low: 'dim', medium: 'yellow', high: 'red', critical: 'red' };

export function analysisLines(analysis: Analysis, terminal: Terminal): string[] {
  const { streamId, durationMs, defects, notWatched, chunks } = analysis;
  const pictures = chunks.reduce((sum, { framePtsMs }) => sum + framePtsMs.length, 0);
  return [
    styled(terminal, 'bold', `${streamId}: ${mediaTime(durationMs)}, ${pictures} pictures`),
    ...timelineLines(analysis, terminal),
    ...(defects.length === 0 ? ['  no defect'] : table(defects.map(rowOf)).map((text) => `  ${text}`)),
    styled(terminal, 'dim', `  not judged: ${notWatched.join(', ')}`),
  ];
}

function rowOf({ type, startMs, endMs, open, severity, reason }: AnalysedDefect): string[] {
  const end = open ? 'the end' : mediaTime(endMs);
  return [mediaTime(startMs), `to ${end}`, seconds(endMs - startMs), severity, type, reason];
}

/** A row for each type that was found; a cell is filled where any of its time is under a defect. */
function timelineLines({ defects, durationMs }: Analysis, terminal: Terminal): string[] {
  if (defects.length === 0 || durationMs === 0) return [];
  const types = [...new Set(defects.map(({ type }) => type))].sort();
  const label = Math.max(...types.map((type) => type.length));
  const columns = Math.max(BAR_COLUMNS_MIN, Math.min(terminal.columns, 120) - label - 4);
  const scale = `${'0:00'.padEnd(columns - 7)}${mediaTime(durationMs).slice(0, 5).padStart(7)}`;
  return [
    styled(terminal, 'dim', `  ${' '.repeat(label)} ${scale}`),
    ...types.map((type) => {
      const cells = new Array<string>(columns).fill(styled(terminal, 'dim', '·'));
      for (const defect of defects.filter((one) => one.type === type)) {
        const from = Math.min(columns - 1, Math.floor((defect.startMs * columns) / durationMs));
        const to = Math.max(from + 1, Math.ceil((defect.endMs * columns) / durationMs));
        for (let at = from; at < Math.min(columns, to); at++)
          cells[at] = styled(terminal, STYLE[defect.severity] ?? 'red', '█');
      }
      return `  ${type.padEnd(label)} ${cells.join('')}`;
    }),
  ];
}
