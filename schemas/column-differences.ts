/**
 * Feature records on the wire: neighbouring pictures and audio blocks are alike, so that the differences from one to the
 * next take half the bytes of the figures, and compress better. Records in memory always have the figures; the codec
 * changes between the two where a record says `columnsAreDifferences`. Exact for every int, by arithmetic modulo 2^32.
 */
import { schemaText } from './avsc-files.ts';
import type { FrameFeatures } from './records.ts';

/** The same record with differences in its columns, as it is written. */
export function toDifferences(record: FrameFeatures): FrameFeatures {
  const written: Columns = { ...record } as unknown as Columns;
  for (const { name, isPerChannel } of COLUMNS) {
    const figures = written[name];
    if (!Array.isArray(figures) || figures.length < 2) continue;
    const back = isPerChannel ? Math.max(1, record.audioChannels) : 1;
    const differences = new Array<number>(figures.length);
    for (let at = 0; at < figures.length; at++) {
      differences[at] = at < back ? figures[at]! : (figures[at]! - figures[at - back]!) | 0;
    }
    written[name] = differences;
  }
  return written as unknown as FrameFeatures;
}

/** Adds the differences of a record up that was just read, and that nobody else has: its columns are changed in place. */
export function addUpDifferences(record: FrameFeatures): void {
  const columns = record as unknown as Columns;
  for (const { name, isPerChannel } of COLUMNS) {
    const column = columns[name]!;
    const back = isPerChannel ? Math.max(1, record.audioChannels) : 1;
    for (let at = back; at < column.length; at++) column[at] = (column[at]! + column[at - back]!) | 0;
  }
}

type Columns = { [name: string]: number[] };
type Field = { readonly name: string; readonly type: unknown };

/** In these the figures of all channels of a block stand side by side. */
const PER_CHANNEL: ReadonlySet<string> = new Set([
  'audioRmsCentiDbfs',
  'audioPeakCentiDbfs',
  'audioClipPermille',
]);

const COLUMNS = (JSON.parse(schemaText('frame-features')) as { fields: readonly Field[] }).fields
  .filter(({ type }) => (type as { items?: unknown }).items === 'int')
  .map(({ name }) => ({ name, isPerChannel: PER_CHANNEL.has(name) }));
