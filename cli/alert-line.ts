/** An alert as it is shown while the pipeline runs. */
import { mediaTime, streamLabel } from '../consumers/tail/record-line.ts';
import type { QosAlert } from '../schemas/records.ts';
import { type Style, styled, type Terminal } from './terminal.ts';

const STYLE_OF_STATUS: Readonly<Record<string, Style>> = {
  pending: 'yellow',
  firing: 'red',
  resolved: 'green',
  stale: 'dim',
};

/**
 * `18:30:02Z FIRING    warning   demo-freeze at 00:12.480  demo-freeze shows a frozen picture (StreamVideoFreeze)`, in
 * UTC. What an earlier run left behind is said to be that.
 */
export function alertLine(alert: QosAlert, isOfEarlierRun: boolean, terminal: Terminal): string {
  const time = `${new Date(alert.updatedAtMs).toISOString().slice(11, 19)}Z`;
  const status = alert.status.toUpperCase().padEnd(8);
  const where = alert.mediaStartMs === null ? '' : ` at ${mediaTime(alert.mediaStartMs)}`;
  const text = `${status}  ${alert.severity.padEnd(8)}  ${streamLabel(alert)}${where}  ${alert.summary} (${alert.alertName})`;
  if (isOfEarlierRun) return styled(terminal, 'dim', `${time} ${text}, of an earlier run`);
  return `${styled(terminal, 'dim', time)} ${styled(terminal, STYLE_OF_STATUS[alert.status] ?? 'bold', text)}`;
}
