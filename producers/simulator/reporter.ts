/** What one player reports of what happens in it, in its own dialect. */
import { cmcdEvent, cmcdQuery } from './cmcd-report.ts';
import { jsonReport } from './json-report.ts';
import type { Viewer } from './population.ts';
import type { PlayerEvent } from './viewing.ts';

/** How a report travels: a JSON event, a line of a CMCD event body, or the CMCD parameter of a media request. */
export type ReportForm = 'json' | 'cmcd-event' | 'cmcd-query';

export type Report = { readonly form: ReportForm; readonly text: string };

/** The reports of one session, in order: every one has its number, whether it arrives or not. */
export class Reporter {
  readonly #viewer: Viewer;
  readonly #mediaOriginMs: number;
  #sn = 0;
  #stallsTold = 0;

  constructor(viewer: Viewer, mediaOriginMs: number) {
    this.#viewer = viewer;
    this.#mediaOriginMs = mediaOriginMs;
  }

  /** Null for what this player does not tell. */
  report(event: PlayerEvent): Report | null {
    const { dialect, tellsLeave } = this.#viewer.player;
    const clock = { sn: this.#sn, mediaOriginMs: this.#mediaOriginMs };
    const isLeaving = event.name === 'leave' || (event.name === 'state' && event.state === 'quit');
    if (isLeaving && !tellsLeave) return null;
    const [form, text] =
      dialect === 'json'
        ? (['json', jsonReport(this.#viewer, event, clock)] as const)
        : dialect === 'cmcd-v2'
          ? (['cmcd-event', cmcdEvent(this.#viewer, event, clock)] as const)
          : (['cmcd-query', this.#query(event)] as const);
    if (text === null) return null;
    this.#sn += 1;
    return { form, text };
  }

  #query(event: PlayerEvent): string | null {
    const text = cmcdQuery(this.#viewer, event, event.stallCount > this.#stallsTold);
    if (text !== null) this.#stallsTold = event.stallCount;
    return text;
  }
}
