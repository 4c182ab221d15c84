/** One supervised stream: decoders come and go, the records go on. */
import type { FrameFeatures } from '../../schemas/records.ts';
import { ArrivalTime } from './arrival-time.ts';
import { type AudioState, analyseSamples, createAudioState, finishSamples } from './audio-analysis.ts';
import { Chunker } from './chunker.ts';
import { type Decoder, startDecoder } from './decoder.ts';
import type { TrackChoice } from './ffmpeg-command.ts';
import { analysePicture, createPictureState } from './frame-analysis.ts';
import { createInputSource, type DecoderInput, type InputSource } from './input-source.ts';
import { NutError, type NutPacket, NutReader, type NutTrack } from './nut-reader.ts';
import { toSamples } from './pcm-samples.ts';
import { createLookState, lookAt } from './picture-look.ts';
import { NO_NOTES, type PictureNotes } from './picture-notes.ts';
import type { ProbeContext, ProbeCounts, ProbeOutcome } from './probe-context.ts';
import { type NextStep, nextStep, type PassFacts } from './retry-policy.ts';
import { SourceSteps } from './source-steps.ts';
import { type InputKind, inputKindOf, isLiveKind, type StreamSpec } from './stream-spec.ts';
import { StreamTimeline } from './stream-timeline.ts';

/** A live input that says nothing, not even that it fails, for this many times its limit counts as lost. */
const QUIET_FACTOR = 4;
/** After a loss, a decoder that still runs gets this long before it is replaced. */
const STALLED_MS = 15_000;
const WATCH_MS = 250;
/** A live-paced file is read this much ahead at most. */
const PACE_SLACK_MS = 20;

/** Watches one stream until it ends, fails for good, or `signal` aborts. */
export class Probe {
  readonly counts: ProbeCounts = { pictures: 0, audioBlocks: 0, passes: 0, restarts: 0 };
  readonly #spec: StreamSpec;
  readonly #context: ProbeContext;
  readonly #signal: AbortSignal;
  readonly #kind: InputKind;
  readonly #source: InputSource;
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
  /** Up to here, time without input is in the timeline. */
  #gapToldMs = 0;
  #lost = false;
  #stalled = false;

  constructor(spec: StreamSpec, context: ProbeContext, signal: AbortSignal) {
    this.#spec = spec;
    this.#context = context;
    this.#signal = signal;
    this.#kind = inputKindOf(spec.input);
    this.#source = createInputSource(spec, context.sources, {});
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
      decoder: context.sources.abilities.build,
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
    const watching = isLiveKind(this.#kind) ? this.#watchForSilence(watch.signal) : Promise.resolve();
    try {
      return await this.#decodeUntilDone();
    } finally {
      this.#signal.removeEventListener('abort', stop);
      watch.abort();
      await this.#decoder?.stop();
      this.#source.close();
      await watching;
      await this.#steps.rewind();
    }
  }

  async #decodeUntilDone(): Promise<ProbeOutcome> {
    for (;;) {
      if (this.#signal.aborted) return await this.#finish('stopped', '');
      const step = await this.#decodeOnce();
      if (this.#signal.aborted) return await this.#finish('stopped', '');
      if (step.next === 'end') return await this.#finish('ended', '');
      if (step.next === 'give-up') return await this.#finish('failed', step.reason);
      if (step.next === 'loop') await this.#beginPass(0);
      if (step.next === 'restart' || step.next === 'reconnect') {
        await this.#context.clock.sleep(step.delayMs, this.#signal);
        if (isLiveKind(this.#kind)) await this.#beginPass(this.#gapMs());
      }
    }
  }

  /** Time without input that the timeline does not have yet. */
  #gapMs(): number {
    const nowMs = this.#context.clock.nowMs();
    const gapMs = nowMs - Math.max(this.#lastInputMs, this.#gapToldMs);
    this.#gapToldMs = nowMs;
    return gapMs;
  }

  async #beginPass(gapMs: number): Promise<void> {
    await this.#steps.rewind();
    this.#timeline.beginPass(gapMs);
    this.#taken = [];
    this.counts.passes++;
  }

  #startDecoder(input: DecoderInput): Decoder {
    const { ffmpegPath, clock } = this.#context;
    const { memoryMb, busyMs, stalledMs } = this.#spec.limits;
    const limits = { memoryMb, busyMs, stalledMs: input.isLive ? null : stalledMs };
    this.#decoder = startDecoder({ ffmpegPath, input, choice: this.#choice, limits, clock });
    return this.#decoder;
  }

  async #couldNotOpen(reason: string, isFinal: boolean): Promise<NextStep & { readonly reason: string }> {
    if (this.#signal.aborted) return { next: 'end', reason: '' };
    this.#fruitless++;
    const failed = { exitCode: 1, exitSignal: null, inputFailed: true, brokeLimit: false };
    const step: NextStep = isFinal ? { next: 'give-up' } : this.#nextStep(failed);
    await this.#tell(step, '', reason);
    return { ...step, reason: `${this.#spec.input}: ${reason}` };
  }

  #nextStep(ended: Pick<PassFacts, 'exitCode' | 'exitSignal' | 'inputFailed' | 'brokeLimit'>): NextStep {
    const { loop, listen, pace } = this.#spec;
    return nextStep({
      ...ended,
      kind: this.#kind,
      loop,
      listens: listen || this.#kind === 'udp' || this.#kind === 'rtp',
      isOffline: pace === 'fast',
      packets: sum(this.#taken),
      fruitless: this.#fruitless,
    });
  }

  /** Runs one decoder to its end, and decides what comes next. */
  async #decodeOnce(): Promise<NextStep & { readonly reason: string }> {
    const opened = await this.#source.open();
    if ('failure' in opened) return await this.#couldNotOpen(opened.failure, opened.isFinal);
    const decoder = this.#startDecoder(opened.input);
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
    const { brokenLimit } = decoder;
    const step = this.#nextStep({
      exitCode: broken === null ? exit.code : 1,
      exitSignal: broken === null && !this.#stalled ? exit.signal : null,
      inputFailed: this.#stalled || decoder.messages.inputFailing || this.#source.failure !== null,
      brokeLimit: brokenLimit !== null,
    });
    const reason =
      broken?.message ?? brokenLimit ?? this.#source.failure ?? this.#source.plain(decoder.messages.verdict);
    if (brokenLimit !== null) await this.#emitEvent('probe-lost', brokenLimit);
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
    if (isLiveKind(this.#kind) || this.#spec.pace !== 'live') return;
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
      const failing =
        this.#decoder === null || this.#decoder.messages.inputFailing || !this.#source.isVouchedFor;
      const limitMs = this.#spec.signalLostMs * (failing ? 1 : QUIET_FACTOR);
      if (silentMs >= limitMs && !this.#lost) {
        this.#lost = true;
        const reason = `no input for ${limitMs} ms`;
        this.#context.note(`${this.#spec.input}: ${reason}`);
        await this.#emitEvent('signal-lost', reason);
      }
      if (silentMs >= limitMs + STALLED_MS && this.#decoder !== null && this.#mayHang()) {
        this.#stalled = true;
        await this.#decoder.stop();
      }
    }
  }

  /** Whether a decoder that says nothing may be one that will never say anything; others wait for a sender. */
  #mayHang(): boolean {
    if (this.#kind === 'udp' || this.#kind === 'rtp') return false;
    return !this.#spec.listen || sum(this.#taken) > 0;
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

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + (number ?? 0), 0);
}
