/** One supervised stream: decoders come and go, the records go on. */
import { type Depth, depthPlanFor } from '../../schemas/depths.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { ArrivalTime } from './arrival-time.ts';
import { Chunker } from './chunker.ts';
import { DecodedMedia } from './decoded-media.ts';
import { type Decoder, startDecoder } from './decoder.ts';
import { DepthGovernor } from './depth-governor.ts';
import type { TrackChoice } from './ffmpeg-command.ts';
import { createInputSource, type DecoderInput, type InputSource } from './input-source.ts';
import { type ManifestProbe, manifestProbeFor } from './manifest-probe.ts';
import type { MediaContext, MediaReader } from './media-context.ts';
import { NutError } from './nut-reader.ts';
import { PacketMedia } from './packet-media.ts';
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
/** A decoder that was silent for this long has given out all that it got. */
const SETTLED_MS = 1_000;
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
  /** Of inputs that may come by a manifest. */
  readonly #manifest: ManifestProbe | null;
  readonly #chunker: Chunker;
  readonly #timeline: StreamTimeline;
  readonly #steps: SourceSteps;
  #choice: TrackChoice = 'both';
  #captions: boolean;
  readonly #media: MediaContext;
  readonly #governor: DepthGovernor;
  #depth: Depth;
  #reader: MediaReader;
  #fruitless = 0;
  #paceOriginMs: number | null = null;
  #decoder: Decoder | null = null;
  #lastInputMs: number;
  /** When the present decoder was started. */
  #decoderSinceMs = 0;
  /** Up to here, time without input is in the timeline. */
  #gapToldMs = 0;
  #lost = false;
  #stalled = false;

  constructor(spec: StreamSpec, context: ProbeContext, signal: AbortSignal) {
    this.#spec = spec;
    this.#context = context;
    this.#signal = signal;
    this.#kind = inputKindOf(spec.input);
    const arrival = spec.pace === 'live' ? new ArrivalTime() : null;
    this.#manifest = manifestProbeFor(spec, arrival);
    this.#source = createInputSource(spec, context.sources, this.#manifest?.events ?? {});
    // Of a live playlist, segments may have expired: a leap may be time that has passed.
    this.#captions = spec.captions;
    this.#timeline = new StreamTimeline(this.#kind === 'file');
    this.#steps = new SourceSteps(spec.input, this.#timeline, this.#manifest);
    this.#lastInputMs = context.clock.nowMs();
    const identity = {
      programmeId: spec.programmeId,
      renditionId: spec.renditionId,
      vantage: spec.vantage,
      probeId: context.probeId,
      probeEpochMs: context.probeEpochMs,
      decoder: context.sources.abilities.build,
    };
    const isUnpaced = !isLiveKind(this.#kind) && arrival === null;
    this.#chunker = new Chunker(identity, this.#manifest ?? arrival, isUnpaced);
    this.#governor = new DepthGovernor(depthPlanFor(context.configuration?.() ?? null, spec, spec.depth));
    this.#depth = this.#governor.depth;
    this.#chunker.changeDepth(this.#depth);
    this.#media = {
      chunker: this.#chunker,
      timeline: this.#timeline,
      steps: this.#steps,
      clock: context.clock,
      counts: this.counts,
      taken: [],
      resumeAtMs: 0,
      heard: () => this.#heard(),
      keepPace: (ptsMs) => this.#keepPace(ptsMs),
    };
    this.#reader = readerOf(this.#depth, this.#media);
  }

  /** Another configuration is in force. */
  reconfigure(): void {
    this.#governor.plan = depthPlanFor(this.#context.configuration?.() ?? null, this.#spec, this.#spec.depth);
    // Its reader sees that, and the next decoder begins.
    if (this.#isDepthOver()) void this.#decoder?.stop();
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
        if (step.next === 'reconnect') this.#choice = 'both';
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
    this.#manifest?.beginPass(this.#timeline.passStartMs);
    this.#media.taken = [];
    this.#media.resumeAtMs = 0;
    this.counts.passes++;
  }

  #startDecoder(input: DecoderInput): Decoder {
    const { ffmpegPath, clock } = this.#context;
    const { limits } = this.#spec;
    this.#decoderSinceMs = clock.nowMs();
    this.#decoder = startDecoder({
      ffmpegPath,
      input,
      choice: this.#choice,
      depth: this.#depth,
      captions: this.#captions,
      limits: input.isLive ? { ...limits, stalledMs: null } : limits,
      clock,
    });
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
      // Of a playlist that goes on nothing has ended.
      inputFailed: ended.inputFailed || this.#manifest?.isLive === true,
      kind: this.#kind,
      loop,
      listens: listen || this.#kind === 'udp' || this.#kind === 'rtp',
      isOffline: pace === 'fast' && this.#manifest?.isLive !== true,
      packets: sum(this.#media.taken),
      fruitless: this.#fruitless,
    });
  }

  /** Runs one decoder to its end, and decides what comes next. */
  async #decodeOnce(): Promise<NextStep & { readonly reason: string }> {
    if (this.#isDepthOver()) await this.#changeDepth();
    const opened = await this.#source.open();
    if ('failure' in opened) return await this.#couldNotOpen(opened.failure, opened.isFinal);
    const decoder = this.#startDecoder(opened.input);
    this.#stalled = false;
    if (decoder.pid !== undefined) this.#context.onDecoder?.(decoder.pid);
    const takenBefore = sum(this.#media.taken);
    let broken: NutError | null = null;
    let isPipeClosed = false;
    try {
      if (!this.#signal.aborted) await this.#consume(decoder);
    } catch (error) {
      if (!(error instanceof NutError)) throw error;
      broken = error;
    } finally {
      isPipeClosed = broken !== null || this.#signal.aborted || this.#isDepthOver();
      if (isPipeClosed) await decoder.stop();
    }
    const exit = await decoder.exited;
    this.#decoder = null;
    if (exit.signal === null && !isPipeClosed) this.#chunker.addDecodeErrors(decoder.messages.takeErrors());
    if (this.#signal.aborted) return { next: 'end', reason: '' };
    if (this.#isDepthOver()) return { next: 'restart', delayMs: 0, reason: '' };
    if (exit.startError !== null) {
      return { next: 'give-up', reason: `${this.#context.ffmpegPath} does not run: ${exit.startError}` };
    }
    const packets = sum(this.#media.taken);
    this.#fruitless = packets > takenBefore ? 0 : this.#fruitless + 1;
    if (
      packets === 0 &&
      exit.signal === null &&
      (this.#leaveOutCaptions(decoder) || this.#chooseOtherTracks(decoder))
    ) {
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
      sum(this.#media.taken) > 0
        ? 'ffmpeg gave up in the middle of it'
        : 'ffmpeg finds no picture or sound in it';
    return `${input}: ${found}${reason === '' ? '' : ` (${reason})`}; check it with "ffmpeg -i", or give another input`;
  }

  /** Captions in what ffmpeg finds none in, or as pictures, keep it from starting: go on without. */
  #leaveOutCaptions(decoder: Decoder): boolean {
    if (!this.#captions || !decoder.messages.declared.video) return false;
    this.#captions = false;
    this.#context.note(`${this.#spec.input}: its captions are of a kind that is not read; going on without`);
    return true;
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
    try {
      for await (const records of this.#reader.read(decoder)) {
        if (records.length > 0) await this.#emit(records);
        if (this.#signal.aborted || this.#isDepthOver()) return;
      }
    } catch (error) {
      // Stopping the decoder closes its pipe under the reader.
      if (!this.#signal.aborted && !this.#stalled && !this.#isDepthOver()) throw error;
    }
  }

  async #emit(records: readonly FrameFeatures[]): Promise<void> {
    for (const record of records) this.#governor.take(record);
    await this.#context.emit(records);
  }

  #isDepthOver(): boolean {
    return this.#governor.depth !== this.#depth;
  }

  /** The next decoder looks at the stream in the depth that holds now, and goes on where this one was. */
  async #changeDepth(): Promise<void> {
    const depth = this.#governor.depth;
    const why = this.#governor.isDeepened ? ` (${this.#governor.reason})` : '';
    this.#context.note(`${this.#spec.input}: from ${this.#depth} to ${depth}${why}`);
    await this.#context.emit([...this.#reader.finish(), ...this.#chunker.changeDepth(depth)]);
    this.#depth = depth;
    this.#reader = readerOf(depth, this.#media);
    // A live input goes on somewhere else; what there is of a file is read again.
    if (isLiveKind(this.#kind)) return;
    this.#media.taken = [];
    this.#media.resumeAtMs = this.#chunker.endMs;
    this.#timeline.rewind();
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
      if (silentMs >= WATCH_MS) await this.#emit(this.#chunker.takeComplete());
      await this.#tendManifest(silentMs);
      const failing =
        this.#decoder === null || this.#decoder.messages.inputFailing || !this.#source.isVouchedFor;
      const limitMs = this.#spec.signalLostMs * (failing ? 1 : QUIET_FACTOR);
      // While its playlist answers, what is wrong is told of that, and of its segments.
      if (silentMs >= limitMs && !this.#lost && this.#manifest?.ownState !== 'answers') {
        this.#lost = true;
        const reason = `no input for ${limitMs} ms`;
        this.#context.note(`${this.#spec.input}: ${reason}`);
        await this.#emitEvent('signal-lost', reason);
      }
      // However long nothing had come before it, a decoder is given its time.
      const decoderSilentMs = clock.nowMs() - Math.max(this.#lastInputMs, this.#decoderSinceMs);
      const isOver = this.#manifest?.isBetweenPeriods === true && decoderSilentMs >= SETTLED_MS;
      if (this.#decoder !== null && (isOver || decoderSilentMs >= limitMs + this.#patienceMs())) {
        this.#stalled = true;
        await this.#decoder.stop();
      }
    }
  }

  async #tendManifest(silentMs: number): Promise<void> {
    if (this.#manifest === null) return;
    if (silentMs >= SETTLED_MS) this.#manifest.settle(this.#timeline.endMs);
    const facts = this.#manifest.tend(this.#context.clock.nowMs(), (due) => this.#source.ask(due));
    if (facts !== null) await this.#emit([this.#chunker.addTransport(facts)]);
  }

  /** How long a decoder that says nothing goes on after a loss: one that waits for a sender for ever. */
  #patienceMs(): number {
    if (this.#manifest?.isIdleSince(this.#lastInputMs) === true) return Number.POSITIVE_INFINITY;
    if (!this.#spec.listen && this.#kind !== 'udp' && this.#kind !== 'rtp') return STALLED_MS;
    // Whoever sends again is a new sender, whose clock has nothing to do with that of the one before.
    return sum(this.#media.taken) > 0 ? 0 : Number.POSITIVE_INFINITY;
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
    await emit(this.#reader.finish());
    await this.#tendManifest(SETTLED_MS);
    const event = kind === 'ended' ? 'end' : 'signal-lost';
    await emit(this.#chunker.addEvent(event, reason, this.#timeline.endMs, clock.nowMs()));
    return { kind, reason };
  }
}

function readerOf(depth: Depth, media: MediaContext): MediaReader {
  return depth === 'packets' ? new PacketMedia(media) : new DecodedMedia(media);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + (number ?? 0), 0);
}
