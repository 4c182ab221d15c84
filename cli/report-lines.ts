/** Lines of files into player events: CMCD v2 event lines, URLs or values of CMCD v1, JSON events, in any mixture. */
import type { DropReason, ReportContext } from '../producers/collector/normalise.ts';
import { normaliseEventBody, normaliseQuery } from '../producers/collector/normalise-cmcd.ts';
import { normaliseJson } from '../producers/collector/normalise-json.ts';
import type { PlaybackEvent } from '../schemas/records.ts';

/** Collects the events of lines. A line that is there twice, letter for letter, is one report. */
export class ReportLines {
  readonly events: PlaybackEvent[] = [];
  /** Lines that could not be read, by reason. */
  readonly dropped = new Map<DropReason, number>();
  readonly #seen = new Set<string>();

  take(line: string): void {
    const report = line.replace(/^\uFEFF/, '').trim();
    if (report === '' || this.#seen.has(report)) return;
    this.#seen.add(report);
    const { events, dropped } = normalise(report);
    this.events.push(...events);
    for (const { reason } of dropped) this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1);
  }
}

const CONTEXT: ReportContext = {
  tenant: 'file',
  target: '',
  receivedAtMs: 0,
  addressHash: '',
  forbidden: [],
  device: { deviceClass: 'unknown', osName: '' },
  sessionKeyOf: (sessionId) => sessionId,
  programmeIdOf: () => '',
};

function normalise(report: string) {
  if (report.startsWith('{') || report.startsWith('[')) return normaliseJson(report, CONTEXT);
  const query = /[?&]CMCD=|^CMCD=/.test(report) ? queryOf(report) : null;
  if (query !== null) return normaliseQuery(query, CONTEXT);
  const isEvent = /(?:^|,)\s*e=/.test(report) || /(?:^|,)\s*v=2\b/.test(report);
  return isEvent ? normaliseEventBody(report, CONTEXT) : normaliseQuery(report, CONTEXT);
}

/** Value of the parameter `CMCD`, decoded once. */
function queryOf(url: string): string {
  const query = url.slice(url.indexOf('?') + 1).replace(/#.*$/, '');
  return new URLSearchParams(query).getAll('CMCD').join(',');
}
