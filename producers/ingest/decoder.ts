/** One ffmpeg process: its output as packets, its messages bounded and counted, its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Clock } from '../../runtime/port.ts';
import type { Depth } from '../../schemas/depths.ts';
import { messageOf } from '../../schemas/errors.ts';
import { type ChildLimits, limitedCommand, watchLimits } from './child-limits.ts';
import { decoderArguments, decoderEnvironment, type TrackChoice } from './ffmpeg-command.ts';
import type { DecoderInput } from './input-source.ts';
import { markOf } from './picture-marks.ts';
import {
  CONCEALMENT,
  NO_NOTES,
  PICTURE_DECODER,
  type PictureNotes,
  PictureNoteTaker,
} from './picture-notes.ts';

export type DecoderExit = {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why the program could not be started at all. */
  readonly startError: string | null;
};

export type Decoder = {
  readonly pid: number | undefined;
  /** NUT, see `nut-reader.ts`; at the depth `packets` lines, see `packet-reader.ts`. Not read means that the decoder waits. */
  readonly output: Readable;
  readonly messages: DecoderMessages;
  readonly exited: Promise<DecoderExit>;
  /** The limit that it broke, for which it was ended; in words. Null where it did not. */
  readonly brokenLimit: string | null;
  /** Ends the process, whatever it is doing, and waits until it is gone. */
  stop(): Promise<void>;
};

export type DecoderOptions = {
  readonly ffmpegPath: string;
  readonly input: DecoderInput;
  readonly choice: TrackChoice;
  /** `full` when left out. */
  readonly depth?: Depth;
  /** Gives out captions, too. */
  readonly captions?: boolean;
  readonly limits: ChildLimits;
  readonly clock: Clock;
};

export function startDecoder(options: DecoderOptions): Decoder {
  const { ffmpegPath, input, choice, limits, clock, depth = 'full', captions = false } = options;
  const [command, argumentList] = limitedCommand(
    ffmpegPath,
    decoderArguments(input, choice, depth, captions),
    limits,
  );
  const child = spawn(command, argumentList, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: decoderEnvironment(),
  });
  const messages = new DecoderMessages();
  child.stderr.setEncoding('latin1');
  child.stderr.on('data', (text: string) => messages.push(text));
  child.stderr.on('close', () => messages.end());
  const exited = exitOf(child);
  let brokenLimit: string | null = null;
  const stop = async (): Promise<void> => {
    // It may be blocked on its full pipe, and there is nothing that it would have to finish.
    child.kill('SIGKILL');
    child.stdout.destroy();
    await exited;
  };
  if (child.pid !== undefined) {
    const output = child.stdout as Socket;
    // Where a track stays away, pictures of many seconds are decoded before the next one is written.
    const progress = {
      count: () => output.bytesRead + messages.pictures,
      isHeldUp: () => output.readableLength > 0,
    };
    const gone = new AbortController();
    void exited.then(() => gone.abort());
    void watchLimits(child.pid, limits, progress, clock, gone.signal).then((broken) => {
      brokenLimit = broken;
      // Not `stop`: what is in the pipe is still read.
      if (broken !== null) child.kill('SIGKILL');
    });
  }
  return {
    pid: child.pid,
    output: child.stdout,
    messages,
    exited,
    get brokenLimit() {
      return brokenLimit;
    },
    stop,
  };
}

const LINE_CHARS_MAX = 1000;
const LINES_KEPT = 30;

/** What ffmpeg says while it decodes: kept within bounds, errors counted and placed between pictures. */
export class DecoderMessages {
  #partial = '';
  #recent: string[] = [];
  #declared = { video: false, audio: false };
  #inInput = false;
  #errorCount = 0;
  #inputFailing = false;
  #errorsTaken = 0;
  #marked = 0;
  /** Errors that came before picture n, for each n that was announced and not asked for yet. */
  #errorsAtMark = new Map<number, number>();
  /** The decoder of pictures told of errors, or packets of them were lost, since the picture before. */
  #isDamaged = false;
  /** Numbers of pictures before which it did, and that were not asked for yet. */
  #damagedMarks = new Set<number>();
  /** Of pictures that were not asked for yet and have any, by number. */
  readonly #notesAtMark = new Map<number, PictureNotes>();
  readonly #notes = new PictureNoteTaker();
  #ended = false;
  #wake: (() => void) | null = null;

  /** Warnings and errors, the last ones, oldest first. */
  get recent(): readonly string[] {
    return this.#recent;
  }

  /** Whether the last attempt to get a playlist or a segment failed. */
  get inputFailing(): boolean {
    return this.#inputFailing;
  }

  /** Pictures that were announced so far. */
  get pictures(): number {
    return this.#marked;
  }

  /** Tracks that the input says it has, whether or not they deliver. */
  get declared(): { readonly video: boolean; readonly audio: boolean } {
    return this.#declared;
  }

  /** The line that says best why the decoder failed; '' when it said nothing. */
  get verdict(): string {
    const named = this.#recent.findLast(
      (line) => /\[(error|fatal)\]/.test(line) && !/^\[[^\]]+ @ /.test(line),
    );
    const line = named ?? this.#recent.findLast((text) => /\[(error|fatal)\]/.test(text)) ?? '';
    return line.replace(/^(\[[^\]]*\] )*/, '').trim();
  }

  push(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop()!.slice(0, LINE_CHARS_MAX);
    for (const line of lines) this.#take(line.slice(0, LINE_CHARS_MAX));
    this.#notify();
  }

  end(): void {
    this.#ended = true;
    this.#notify();
  }

  /** Errors that were told since they were taken last. */
  takeErrors(): number {
    return this.#takeUpTo(this.#errorCount);
  }

  /**
   * Waits until the messages have come as far as picture number `picture` (from 0). The decoder announces each picture
   * among its messages before it writes it, so the place of an error does not depend on which pipe is read first.
   * Never rejects, and ends when the messages end.
   */
  async waitForMark(picture: number): Promise<void> {
    while (!this.hasMark(picture)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  hasMark(picture: number): boolean {
    return this.#marked > picture || this.#ended;
  }

  /** Errors that were told before picture number `picture` left the decoder, since they were taken last. */
  takeErrorsBefore(picture: number): number {
    const errors = this.#errorsAtMark.get(picture) ?? this.#errorsTaken;
    this.#errorsAtMark.delete(picture);
    return this.#takeUpTo(errors);
  }

  /** Whether the decoder of pictures told of errors just before picture number `picture` left it. */
  takeDamageBefore(picture: number): boolean {
    return this.#damagedMarks.delete(picture);
  }

  /** What the messages say about picture number `picture`. */
  takeNotes(picture: number): PictureNotes {
    const notes = this.#notesAtMark.get(picture) ?? NO_NOTES;
    this.#notesAtMark.delete(picture);
    return notes;
  }

  #takeUpTo(errors: number): number {
    const fresh = Math.max(0, errors - this.#errorsTaken);
    this.#errorsTaken += fresh;
    return fresh;
  }

  #take(line: string): void {
    const mark = markOf(line);
    if (mark !== null) {
      // Counted here: the decoder's own number starts again when the size of the pictures changes.
      if (this.#errorCount > this.#errorsTaken) this.#errorsAtMark.set(this.#marked, this.#errorCount);
      // Before the first picture, a decoder that joins a stream complains of what it has missed.
      if (this.#isDamaged && this.#marked > 0) this.#damagedMarks.add(this.#marked);
      this.#isDamaged = false;
      const notes = this.#notes.picture(mark);
      if (notes.isKey || notes.damage !== 0) this.#notesAtMark.set(this.#marked, notes);
      this.#marked++;
      return;
    }
    if (this.#notes.message(line)) this.#isDamaged = true;
    if (/^\[info\] (Input|Output) #/.test(line)) this.#inInput = line.startsWith('[info] Input');
    if (this.#inInput && /^\[info\]\s+Stream #0:\d+.*: (Video|Audio): /.test(line)) {
      const isPicture = / \(attached pic\)| \(still image\)/.test(line);
      if (line.includes(': Video: ')) {
        if (!isPicture && !this.#declared.video) this.#notes.stream(line);
        this.#declared.video ||= !isPicture;
      } else this.#declared.audio = true;
    }
    if (INPUT_ATTEMPT.test(line)) this.#inputFailing = false;
    else if (INPUT_FAILURE.test(line)) this.#inputFailing = true;
    else if (CONCEALMENT.test(line) || (/\[(error|fatal|panic)\]/.test(line) && !NO_DECODER.test(line))) {
      this.#errorCount++;
      this.#isDamaged ||= PICTURE_DECODER.test(line);
    }
    if (/\[(warning|error|fatal|panic)\]/.test(line)) {
      this.#recent.push(line);
      if (this.#recent.length > LINES_KEPT) this.#recent.shift();
    }
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

/** What ffmpeg says before it asks for a playlist or a segment. */
const INPUT_ATTEMPT = /^\[(hls|https?) [^\]]*\] \[info\] Opening '/;
/** What ffmpeg says when a playlist or a segment cannot be had. */
const INPUT_FAILURE =
  /Failed to (reload playlist|open segment|open an initialization)|keepalive request failed|HTTP error|Server returned|Connection (refused|reset|timed out)|Input\/output error|Unable to open resource|Stream ends prematurely/;
/** Complaints of parts that do not decode. */
const NO_DECODER = /^\[(hls|https?|tcp|tls|nut|graph_|Parsed_)[^\]]*\]/;
async function exitOf(child: ChildProcess): Promise<DecoderExit> {
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    // As shells say that a program is not there, or cannot be run.
    const startError = code === 126 || code === 127 ? 'no such program, or none that can be run' : null;
    return { code, signal, startError };
  } catch (error) {
    return { code: null, signal: null, startError: messageOf(error) };
  }
}
