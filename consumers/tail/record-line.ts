/** One record as one line that a person reads. Units are converted here, at the edge; the full record is the JSON form. */
import type { ControlRecord } from '../../runtime/control-records.ts';
import type {
  CatalogueEntry,
  ConfigEntry,
  DeadLetter,
  FrameFeatures,
  LateRecord,
  QosAlert,
  StreamDefect,
  StreamHealth,
} from '../../schemas/records.ts';
import type { RecordOf, TopicName } from '../../schemas/topics.ts';

/**
 * The gist of a value, without time and place. Topics with a form of their own lead with what changed and for whom;
 * the others list their fields that are not empty.
 */
export function gistOf<T extends TopicName>(topic: T, value: RecordOf[T]): string {
  const form = FORMS[topic] as ((value: RecordOf[T]) => string) | undefined;
  return form === undefined ? fieldList(value) : form(value);
}

export function controlGist(control: ControlRecord | 'unknown'): string {
  if (control === 'unknown') return 'control record of an unknown kind';
  switch (control.kind) {
    case 'tick':
      return 'tick';
    case 'seal':
      return `seal up to ${isoTime(control.sealedUpToMs)}`;
    case 'config-effective':
      return `configuration ${control.configHash} takes effect`;
  }
}

/** Unix milliseconds as ISO 8601 in UTC; what cannot be a date is shown as the number that it is. */
export function isoTime(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? `${timeMs} ms` : date.toISOString();
}

/** A position on a stream's own timeline: `mm:ss.mmm`, or `h:mm:ss.mmm` from one hour on. */
export function mediaTime(positionMs: number): string {
  const sign = positionMs < 0 ? '-' : '';
  const ms = Math.abs(positionMs);
  const pad = (value: number, width: number) => String(value).padStart(width, '0');
  const hours = Math.floor(ms / 3_600_000);
  const minutes = pad(Math.floor(ms / 60_000) % 60, 2);
  const seconds = `${pad(Math.floor(ms / 1000) % 60, 2)}.${pad(ms % 1000, 3)}`;
  return `${sign}${hours > 0 ? `${hours}:` : ''}${minutes}:${seconds}`;
}

/** `1.5 s` */
export function seconds(durationMs: number): string {
  return `${Math.round(durationMs / 10) / 100} s`;
}

/** Programme, rendition and vantage, without what goes without saying. */
export function streamLabel(scope: { programmeId: string; renditionId: string; vantage: string }): string {
  const rendition = scope.renditionId === '' || scope.renditionId === 'main' ? '' : `/${scope.renditionId}`;
  const vantage = scope.vantage === '' || scope.vantage === 'origin' ? '' : ` @${scope.vantage}`;
  return `${scope.programmeId}${rendition}${vantage}`;
}

const FORMS: { readonly [T in TopicName]?: (value: RecordOf[T]) => string } = {
  'frame-features': featuresGist,
  'stream-defects': defectGist,
  'stream-health': healthGist,
  'qos-alerts': alertGist,
  'qos-alerts-current': alertGist,
  'late-records': lateGist,
  'dead-letters': deadLetterGist,
  'everyview-config': configGist,
  catalogue: catalogueGist,
};

function transportGist({
  manifestKind,
  newestSegment,
  variantIds,
  variantFailedReloads,
  segmentStatus,
}: FrameFeatures) {
  const failing = variantIds.filter((_id, at) => variantFailedReloads[at]! > 0);
  const facts = [
    `${manifestKind} up to ${newestSegment}`,
    `${variantIds.length} variants`,
    ...(failing.length === 0 ? [] : [`no ${failing.join(', ')}`]),
    ...(segmentStatus.length === 0 ? [] : [`segments ${segmentStatus.join(' ')}`]),
  ];
  return `transport: ${facts.join(', ')}`;
}

function featuresGist(chunk: FrameFeatures): string {
  const head = `${streamLabel(chunk)} #${chunk.seq}`;
  if (chunk.event === 'transport') return `${head} ${transportGist(chunk)}`;
  if (chunk.event !== 'features') return `${head} ${chunk.event}: ${chunk.eventReason}`;
  const stillMs = chunk.anchorAgeMs.reduce((most, ageMs) => Math.max(most, ageMs), 0);
  const facts = [
    `${mediaTime(chunk.basePtsMs)} + ${seconds(chunk.durationMs)}`,
    chunk.hasVideo ? `${chunk.framePtsMs.length} pictures` : 'no video',
    ...(chunk.lumaMeanCenti.length > 0 ? [`luma ${centi(mean(chunk.lumaMeanCenti))}`] : []),
    ...(stillMs > 0 ? [`still ${seconds(stillMs)}`] : []),
    chunk.audioRmsCentiDbfs.length > 0 ? `audio ${centi(mean(chunk.audioRmsCentiDbfs))} dBFS` : 'no audio',
    ...(chunk.decodeErrors > 0 ? [`${chunk.decodeErrors} decode errors`] : []),
  ];
  return `${head} ${facts.join(', ')}`;
}

function defectGist(defect: StreamDefect): string {
  if (defect.event === 'anchor') return `anchor ${streamLabel(defect)}: ${defect.reason}`;
  const span =
    defect.endMs === null
      ? `from ${mediaTime(defect.startMs)}, ${seconds(defect.durationMs)} so far`
      : `${mediaTime(defect.startMs)} to ${mediaTime(defect.endMs)}, ${seconds(defect.durationMs)}`;
  return `${defect.event} ${defect.type} (${defect.severity}) ${streamLabel(defect)} ${span}: ${defect.reason} [${defect.defectId} r${defect.revision}]`;
}

function healthGist(health: StreamHealth): string {
  const status = health.statusReason === '' ? health.status : `${health.status} (${health.statusReason})`;
  const facts = [
    `${health.frames} pictures`,
    `coverage ${health.coveragePermille / 10} %`,
    ...(health.defectTypes.length > 0 ? [health.defectTypes.join(' + ')] : []),
  ];
  return `${streamLabel(health)} ${status}: ${facts.join(', ')}`;
}

function alertGist(alert: QosAlert): string {
  const affected = alert.affectedSessions === null ? '' : `, ${alert.affectedSessions} sessions`;
  return `${alert.status} ${alert.severity} ${alert.alertName} ${streamLabel(alert)}${affected}: ${alert.summary} (${alert.reason}) [${alert.alertId} v${alert.version}]`;
}

function lateGist(late: LateRecord): string {
  const by = late.lateByMs === null ? '' : ` by ${seconds(late.lateByMs)}`;
  return `late${by} for ${late.topology}/${late.node} (${late.reason}): ${late.sourceTopic}-${late.sourcePartition}@${late.sourceOffset}, ${bytes(late.recordValue)}`;
}

function deadLetterGist(letter: DeadLetter): string {
  const source =
    letter.sourceTopic === ''
      ? 'never in a topic'
      : `${letter.sourceTopic}-${letter.sourcePartition ?? '?'}@${letter.sourceOffset ?? '?'}`;
  return `${letter.code} in ${letter.topology}${letter.node === '' ? '' : `/${letter.node}`}: ${letter.reason} (${source}, ${bytes(letter.recordValue)})`;
}

function configGist(entry: ConfigEntry): string {
  const comment = entry.comment === '' ? '' : `: ${entry.comment}`;
  return `${entry.kind} ${entry.contentHash.slice(0, 12)} by ${entry.author}${comment} (${entry.body.length} characters)`;
}

function catalogueGist(entry: CatalogueEntry): string {
  const retired = entry.retired ? `, retired: ${entry.retiredReason}` : '';
  return `${entry.name} is ${entry.programmeId} (${entry.streamType}) "${entry.title}", ${entry.renditionIds.length} renditions, seen from ${entry.vantagePoints.join(', ')}${retired}`;
}

function fieldList(value: object): string {
  return Object.entries(value)
    .filter(([, field]) => field !== null && field !== '' && !(Array.isArray(field) && field.length === 0))
    .map(([name, field]) => `${name}=${fieldText(field)}`)
    .join(' ');
}

function fieldText(field: unknown): string {
  if (field instanceof Uint8Array) return bytes(field);
  if (Array.isArray(field)) return field.length > 4 ? `[${field.length} values]` : JSON.stringify(field);
  return typeof field === 'string' && /[\s"=]/.test(field) ? JSON.stringify(field) : String(field);
}

function bytes(value: Uint8Array | null): string {
  return value === null ? 'no value' : `${value.length} bytes`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function centi(value: number): string {
  return (value / 100).toFixed(1);
}
