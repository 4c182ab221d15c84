/** One supervised stream: decoders come and go, the records go on. */
import { statSync } from 'node:fs';
import type { Clock } from '../../runtime/port.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { ArrivalTime } from './arrival-time.ts';
import { type AudioState, analyseSamples, createAudioState, finishSamples } from './audio-analysis.ts';
import { Chunker } from './chunker.ts';
import { type Decoder, startDecoder } from './decoder.ts';
import type { TrackChoice } from './ffmpeg-command.ts';
import { analysePicture, createPictureState } from './frame-analysis.ts';
import { NutError, type NutPacket, NutReader, type NutTrack } from './nut-reader.ts';
import { createLookState, lookAt } from './picture-look.ts';
import { NO_NOTES, type PictureNotes } from './picture-notes.ts';
import { type NextStep, nextStep } from './retry-policy.ts';
import { SourceSteps } from './source-steps.ts';
import { filePathOf, type InputKind, inputKindOf, type StreamSpec } from './stream-spec.ts';
import { StreamTimeline } from './stream-timeline.ts';

export type ProbeOutcome = {
  readonly kind: 'ended' | 'stopped' | 'failed';
  /** For `failed`: what is wrong and what to do. */
  readonly reason: string;
};

export type ProbeCounts = { pictures: number; audioBlocks: number; passes: number; restarts: number };

export type ProbeContext = {
  readonly ffmpegPath: string;
  readonly decoderBuild: string;
  readonly probeId: string;
  readonly probeEpochMs: number;
  readonly clock: Clock;
  /** Takes records in order; resolves when more may come. */
  readonly emit: (records: readonly FrameFeatures[]) => Promise<void>;
  /** For people: one line about what happened to the stream. */
  readonly note: (message: string) => void;
  readonly onDecoder?: (pid: number) => void;
};

/** A live input that says nothing, not even that it fails, for this many times its limit counts as lost. */
const QUIET_FACTOR = 4;
/** After a loss, a decoder that still runs gets this long before it is replaced. */
const STALLED_MS = 15_000;
const WATCH_MS = 250;
/** A live-paced file is read this much ahead at most: fewer timers, and less than a picture's time. */
const PACE_SLACK_MS = 20;

/** Watches one stream until it ends, fails for good, or `signal` aborts. */
export class Probe {
  readonly counts: ProbeCounts = { pictures: 0, audioBlocks: 0, passes: 0, restarts: 0 };
  readonly #spec: StreamSpec;
  readonly #context: ProbeContext;
  readonly #signal: AbortSignal;
  readonly #kind: InputKind;
  readonly #chunker: Chunker;
  readonly #timeline: StreamTimeline;
  readonly #steps: SourceSteps;
  readonly #pictures = createPictureState();
  readonly #looks = createLookState();
  /** The latest picture: ticks of the decoder's output, and ms of the timeline. */
  #latest = { pts: -1, ptsMs: 0 };
  #audio: AudioState | null = null;
  #choice: TrackChoice = 'both';
  /** Packets taken in this pass, by track of the container. */
  #taken: number[] = [];
  #fruitless = 0;
  #paceOriginMs: number | null = null;
  #decoder: Decoder | null = null;
  #lastInputMs: number;
  #lost = false;
  #stalled = false;

  constructor(spec: StreamSpec, context: ProbeContext, signal: AbortSignal) {
    this.#spec = spec;
    this.#context = context;
    this.#signal = signal;
    this.#kind = inputKindOf(spec.input);
    // Of a live playlist, segments may have expired: a leap may be time that has passed.
    this.#timeline = new StreamTimeline(this.#kind === 'file');
    this.#steps = new SourceSteps(spec.input, this.#timeline);
    this.#lastInputMs = context.clock.nowMs();
    const identity = {
      programmeId: spec.programmeId,
      renditionId: spec.renditionId,
      vantage: spec.vantage,
      probeId: context.probeId,
      probeEpochMs: context.probeEpochMs,
      decoder: context.decoderBuild,
    };
    this.#chunker = new Chunker(identity, spec.pace === 'live' ? new ArrivalTime() : null);
  }

  async run(): Promise<ProbeOutcome> {
    const watch = new AbortController();
    const stop = (): void => {
      watch.abort();
      void this.#decoder?.stop();
    };
    this.#signal.addEventListener('abort', stop, { once: true });
    const watching = this.#kind === 'hls' ? this.#watchForSilence(watch.signal) : Promise.resolve();
    try {
      return await this.#decodeUntilDone();
    } finally {
      this.#signal.removeEventListener('abort', stop);
      watch.abort();
      await this.#decoder?.stop();
      await watching;
      await this.#steps.rewind();
    }
  }

  async #decodeUntilDone(): Promise<ProbeOutcome> {
    for (;;) {
      if (this.#signal.aborted) return await this.#finish('stopped', '');
      const unreadable = this.#kind === 'file' ? whyUnreadable(this.#spec.input) : null;
      if (unreadable !== null) return await this.#finish('failed', unreadable);
      const step = await this.#decodeOnce();
      if (this.#signal.aborted) return await this.#finish('stopped', '');
      if (step.next === 'end') return await this.#finish('ended', '');
      if (step.next === 'give-up') return await this.#finish('failed', step.reason);
      if (step.next === 'loop') await this.#beginPass(0);
      if (step.next === 'restart' || step.next === 'reconnect') {
        await this.#context.clock.sleep(step.delayMs, this.#signal);
        if (this.#kind === 'hls') await this.#beginPass(this.#context.clock.nowMs() - this.#lastInputMs);
      }
    }
  }

  async #beginPass(gapMs: number): Promise<void> {
    await this.#steps.rewind();
    this.#timeline.beginPass(gapMs);
    this.#taken = [];
    this.counts.passes++;
  }

  /** Runs one decoder to its end, and decides what comes next. */
  async #decodeOnce(): Promise<NextStep & { readonly reason: string }> {
    const decoder = startDecoder(this.#context.ffmpegPath, this.#spec.input, this.#choice);
    this.#decoder = decoder;
    this.#stalled = false;
    if (decoder.pid !== undefined) this.#context.onDecoder?.(decoder.pid);
    const takenBefore = sum(this.#taken);
    let broken: NutError | null = null;
    try {
      if (!this.#signal.aborted) await this.#consume(decoder);
    } catch (error) {
      if (!(error instanceof NutError)) throw error;
      broken = error;
    } finally {
      if (broken !== null || this.#signal.aborted) await decoder.stop();
    }
    const exit = await decoder.exited;
    this.#decoder = null;
    if (exit.signal === null) this.#chunker.addDecodeErrors(decoder.messages.takeErrors());
    if (this.#signal.aborted) return { next: 'end', reason: '' };
    if (exit.startError !== null) {
      return { next: 'give-up', reason: `${this.#context.ffmpegPath} does not run: ${exit.startError}` };
    }
    const packets = sum(this.#taken);
    this.#fruitless = packets > takenBefore ? 0 : this.#fruitless + 1;
    if (packets === 0 && exit.signal === null && this.#chooseOtherTracks(decoder)) {
      return { next: 'restart', delayMs: 0, reason: '' };
    }
    const died = broken === null && !this.#stalled;
    const step = nextStep({
      kind: this.#kind,
      loop: this.#spec.loop,
      exitCode: broken === null ? exit.code : 1,
      exitSignal: died ? exit.signal : null,
      packets,
      inputFailed: this.#stalled || decoder.messages.inputFailing,
      fruitless: this.#fruitless,
    });
    const reason = broken?.message ?? decoder.messages.verdict;
    return { ...step, reason: await this.#tell(step, exit.signal ?? `code ${exit.code}`, reason) };
  }

  /** Says what happened, as data and for people; the reason in full. */
  async #tell(step: NextStep, exit: string, reason: string): Promise<string> {
    const { input } = this.#spec;
    if (step.next === 'restart') {
      this.counts.restarts++;
      const message = `the decoder ended with ${exit}; another starts in ${step.delayMs} ms`;
      this.#context.note(`${input}: ${message}`);
      await this.#emitEvent('probe-lost', message);
      return message;
    }
    if (step.next === 'reconnect') {
      this.counts.restarts++;
      this.#context.note(`${input}: no input (${reason || 'it ended'}); trying again in ${step.delayMs} ms`);
    }
    if (step.next !== 'give-up') return reason;
    const found =
      sum(this.#taken) > 0 ? 'ffmpeg gave up in the middle of it' : 'ffmpeg finds no picture or sound in it';
    return `${input}: ${found}${reason === '' ? '' : ` (${reason})`}; check it with "ffmpeg -i", or give another input`;
  }

  /** A declared track that delivers nothing keeps the decoder from starting: go on with the other one alone. */
  #chooseOtherTracks(decoder: Decoder): boolean {
    const { video, audio } = decoder.messages.declared;
    if (!(video && audio) || this.#choice === 'audio') return false;
    this.#choice = this.#choice === 'both' ? 'video' : 'audio';
    this.#context.note(
      `${this.#spec.input}: one of its tracks delivers nothing; decoding ${this.#choice} alone`,
    );
    return true;
  }

  async #consume(decoder: Decoder): Promise<void> {
    const reader = new NutReader();
    const seen: number[] = [];
    try {
      for await (const bytes of decoder.output) {
        await this.#heard();
        reader.push(bytes as Uint8Array);
        for (let packet = reader.next(); packet !== null; packet = reader.next()) {
          const track = reader.tracks[packet.track]!;
          const number = seen[packet.track] ?? 0;
          seen[packet.track] = number + 1;
          if (sum(seen) === 1) this.#setTracks(reader.tracks, decoder);
          const isPicture = track === picturesOf(reader.tracks);
          if (isPicture && !decoder.messages.hasMark(number)) await decoder.messages.waitForMark(number);
          const told = isPicture ? toldBefore(decoder.messages, number) : NOTHING_TOLD;
          if (number < (this.#taken[packet.track] ?? 0)) continue;
          if (track.kind === 'video' && !isPicture) this.#look(packet, track);
          const records = await this.#take(packet, track, isPicture, told);
          this.#taken[packet.track] = number + 1;
          if (records.length > 0) await this.#context.emit(records);
          if (this.#signal.aborted) return;
        }
      }
    } catch (error) {
      // Stopping the decoder closes its pipe under the reader.
      if (!this.#signal.aborted && !this.#stalled) throw error;
    }
  }

  #setTracks(tracks: readonly NutTrack[], decoder: Decoder): void {
    const video = picturesOf(tracks);
    const audio = tracks.find((track) => track.kind === 'audio');
    const { declared } = decoder.messages;
    this.#chunker.setTracks({
      hasVideo: video !== undefined || declared.video,
      hasAudio: audio !== undefined || declared.audio,
      frameIntervalUs: video?.frameIntervalUs ?? 0,
      deliversVideo: video !== undefined,
      deliversAudio: audio !== undefined,
    });
    if (audio === undefined) return;
    const { sampleRateHz, channels } = audio;
    if (this.#audio?.sampleRateHz !== sampleRateHz || this.#audio.channels !== channels) {
      this.#audio = createAudioState(sampleRateHz, channels);
    }
  }

  async #take(packet: NutPacket, track: NutTrack, isPicture: boolean, told: Told): Promise<FrameFeatures[]> {
    const { clock } = this.#context;
    if (isPicture) {
      const ptsMs = this.#timeline.toMs(packet.pts, track.timeBase, track.frameIntervalUs);
      this.#chunker.addSteps(await this.#steps.upTo(ptsMs));
      await this.#keepPace(ptsMs);
      this.counts.pictures++;
      const records = this.#chunker.addPicture(
        ptsMs,
        analysePicture(this.#pictures, packet.payload, ptsMs),
        clock.nowMs(),
        told.isDamaged,
        told.notes,
      );
      this.#latest = { pts: packet.pts, ptsMs };
      this.#chunker.addDecodeErrors(told.errors);
      return records;
    }
    if (track.kind !== 'audio' || this.#audio === null) return [];
    const samples = toSamples(packet.payload);
    const durationUs = (samples.length / track.channels / track.sampleRateHz) * 1e6;
    const start = this.#timeline.toSample(packet.pts, track.timeBase, track.sampleRateHz, durationUs);
    const startMs = (start / track.sampleRateHz) * 1000;
    this.#chunker.addSteps(await this.#steps.upTo(startMs));
    await this.#keepPace(startMs);
    const blocks = analyseSamples(this.#audio, samples, start);
    this.counts.audioBlocks += blocks.length;
    return this.#chunker.addAudioBlocks(blocks, clock.nowMs());
  }

  /** Lines of the latest picture at native size; they come right behind its small one. */
  #look({ pts, payload }: NutPacket, { widthPx, heightPx }: NutTrack): void {
    if (pts !== this.#latest.pts) return;
    // Where the size of the pictures changed, the container goes on to tell the first one.
    const lines = payload.length === widthPx * heightPx ? payload : payload.subarray(0, 0);
    this.#chunker.addLook(this.#latest.ptsMs, lookAt(this.#looks, this.#pictures.previous, lines, widthPx));
  }

  /** A file that stands in for a live stream is not read before its time, through all its repetitions. */
  async #keepPace(ptsMs: number): Promise<void> {
    if (this.#kind !== 'file' || this.#spec.pace !== 'live') return;
    const { clock } = this.#context;
    this.#paceOriginMs ??= clock.nowMs() - ptsMs;
    const aheadMs = this.#paceOriginMs + ptsMs - clock.nowMs();
    if (aheadMs > PACE_SLACK_MS) await clock.sleep(aheadMs, this.#signal);
  }

  async #heard(): Promise<void> {
    this.#lastInputMs = this.#context.clock.nowMs();
    if (!this.#lost) return;
    this.#lost = false;
    this.#context.note(`${this.#spec.input}: input is back`);
    await this.#emitEvent('signal-restored', 'input is back');
  }

  /** Live inputs: says `signal-lost` after the limit, and replaces a decoder that hangs. */
  async #watchForSilence(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    for (;;) {
      await clock.sleep(WATCH_MS, signal);
      if (signal.aborted) return;
      const silentMs = clock.nowMs() - this.#lastInputMs;
      // A live input comes segment by segment: what is complete need not wait for the next one.
      if (silentMs >= WATCH_MS) await this.#context.emit(this.#chunker.takeComplete());
      const failing = this.#decoder === null || this.#decoder.messages.inputFailing;
      const limitMs = this.#spec.signalLostMs * (failing ? 1 : QUIET_FACTOR);
      if (silentMs >= limitMs && !this.#lost) {
        this.#lost = true;
        const reason = `no input for ${limitMs} ms`;
        this.#context.note(`${this.#spec.input}: ${reason}`);
        await this.#emitEvent('signal-lost', reason);
      }
      if (silentMs >= limitMs + STALLED_MS && this.#decoder !== null) {
        this.#stalled = true;
        await this.#decoder.stop();
      }
    }
  }

  async #emitEvent(
    event: 'signal-lost' | 'signal-restored' | 'probe-lost' | 'end',
    reason: string,
  ): Promise<void> {
    const { clock, emit } = this.#context;
    await emit(this.#chunker.addEvent(event, reason, this.#chunker.endMs, clock.nowMs()));
  }

  async #finish(kind: ProbeOutcome['kind'], reason: string): Promise<ProbeOutcome> {
    const { clock, emit } = this.#context;
    if (kind === 'stopped') {
      // Said in the log: else the silence that follows would be a lost signal, and page somebody.
      await emit(this.#chunker.addEvent('end', 'the probe was stopped', this.#chunker.endMs, clock.nowMs()));
      return { kind, reason };
    }
    if (this.#audio !== null)
      await emit(this.#chunker.addAudioBlocks(finishSamples(this.#audio), clock.nowMs()));
    const event = kind === 'ended' ? 'end' : 'signal-lost';
    await emit(this.#chunker.addEvent(event, reason, this.#timeline.endMs, clock.nowMs()));
    return { kind, reason };
  }
}

/** What the decoder's messages say about a picture. */
type Told = { readonly errors: number; readonly isDamaged: boolean; readonly notes: PictureNotes };
const NOTHING_TOLD: Told = { errors: 0, isDamaged: false, notes: NO_NOTES };

function toldBefore(messages: Decoder['messages'], picture: number): Told {
  return {
    errors: messages.takeErrorsBefore(picture),
    isDamaged: messages.takeDamageBefore(picture),
    notes: messages.takeNotes(picture),
  };
}

/** The track of small pictures; lines at native size are in a second one. */
function picturesOf(tracks: readonly NutTrack[]): NutTrack | undefined {
  return tracks.find((track) => track.kind === 'video');
}

/** Why a file cannot be an input, with what to do; null when it may be one. */
function whyUnreadable(input: string): string | null {
  const stat = statSync(filePathOf(input), { throwIfNoEntry: false });
  if (stat === undefined)
    return `${input}: there is no such file; give the path of a media file or an HLS address`;
  if (stat.isDirectory()) return `${input}: is a folder; give the path of a media file in it`;
  return null;
}

/** The bytes as 16-bit samples, little-endian as the decoder writes them and as every machine that Node runs on is. */
function toSamples(bytes: Uint8Array): Int16Array {
  const whole = bytes.length - (bytes.length % 2);
  if (bytes.byteOffset % 2 === 0) return new Int16Array(bytes.buffer, bytes.byteOffset, whole / 2);
  return new Int16Array(new Uint8Array(bytes).buffer, 0, whole / 2);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + (number ?? 0), 0);
}
