/** Decoded pictures and sound: measured one by one, and gathered into records. */
import type { FrameFeatures } from '../../schemas/records.ts';
import { type AudioState, analyseSamples, createAudioState, finishSamples } from './audio-analysis.ts';
import { hasCaptions } from './caption-units.ts';
import type { Decoder } from './decoder.ts';
import { analysePicture, createPictureState } from './frame-analysis.ts';
import { isDue, type MediaContext, type MediaReader } from './media-context.ts';
import { type NutPacket, NutReader, type NutTrack } from './nut-reader.ts';
import { toSamples } from './pcm-samples.ts';
import { createLookState, lookAt } from './picture-look.ts';
import { NO_NOTES, type PictureNotes, PictureTimes } from './picture-notes.ts';

export class DecodedMedia implements MediaReader {
  readonly #media: MediaContext;
  readonly #pictures = createPictureState();
  readonly #looks = createLookState();
  readonly #times = new PictureTimes();
  /** The latest picture: ticks of the decoder's output, and ms of the timeline. */
  #latest = { pts: -1, ptsMs: 0 };
  #audio: AudioState | null = null;
  /** Captions that came before anything else did. */
  #early: { readonly pts: number; readonly track: NutTrack }[] = [];

  constructor(media: MediaContext) {
    this.#media = media;
  }

  async *read(decoder: Decoder): AsyncGenerator<readonly FrameFeatures[]> {
    const reader = new NutReader();
    const seen: number[] = [];
    let isFirst = true;
    const media = this.#media;
    for await (const bytes of decoder.output) {
      await media.heard();
      reader.push(bytes as Uint8Array);
      for (let packet = reader.next(); packet !== null; packet = reader.next()) {
        const track = reader.tracks[packet.track]!;
        const number = seen[packet.track] ?? 0;
        seen[packet.track] = number + 1;
        if (isFirst) this.#setTracks(reader.tracks, decoder);
        isFirst = false;
        const isPicture = track === picturesOf(reader.tracks);
        if (isPicture && !decoder.messages.hasMark(number)) await decoder.messages.waitForMark(number);
        const told = isPicture ? toldBefore(decoder.messages, number) : NOTHING_TOLD;
        if (number < (media.taken[packet.track] ?? 0)) continue;
        if (isCaptionTrack(track, reader.tracks)) {
          this.#takeCaptions(packet, track);
          media.taken[packet.track] = number + 1;
          continue;
        }
        if (track.kind === 'video' && !isPicture) this.#look(packet, track);
        const records = await this.#take(packet, track, isPicture, told);
        media.taken[packet.track] = number + 1;
        if (records.length > 0) yield records;
      }
    }
  }

  finish(): readonly FrameFeatures[] {
    if (this.#audio === null) return [];
    return this.#media.chunker.addAudioBlocks(finishSamples(this.#audio), this.#media.clock.nowMs());
  }

  #setTracks(tracks: readonly NutTrack[], decoder: Decoder): void {
    const video = picturesOf(tracks);
    const audio = tracks.find((track) => track.kind === 'audio');
    const { declared } = decoder.messages;
    this.#media.chunker.setTracks({
      hasVideo: video !== undefined || declared.video,
      hasAudio: audio !== undefined || declared.audio,
      frameIntervalUs: video?.frameIntervalUs ?? 0,
      deliversVideo: video !== undefined,
      deliversAudio: audio !== undefined,
    });
    this.#media.chunker.watchCaptions(tracks.some((track) => isCaptionTrack(track, tracks)));
    if (audio === undefined) return;
    const { sampleRateHz, channels } = audio;
    if (this.#audio?.sampleRateHz !== sampleRateHz || this.#audio.channels !== channels) {
      this.#audio = createAudioState(sampleRateHz, channels);
    }
  }

  async #take(
    packet: NutPacket,
    track: NutTrack,
    isPicture: boolean,
    told: Told,
  ): Promise<readonly FrameFeatures[]> {
    const { clock, timeline, chunker, counts } = this.#media;
    if (isPicture) {
      const ptsMs = timeline.toMs(packet.pts, track.timeBase, track.frameIntervalUs);
      if (!(await isDue(this.#media, ptsMs))) return NOTHING;
      counts.pictures++;
      const features = analysePicture(this.#pictures, packet.payload, ptsMs);
      const notes = this.#times.settle(ptsMs, told.notes);
      const records = chunker.addPicture(ptsMs, features, clock.nowMs(), told.isDamaged, notes);
      this.#latest = { pts: packet.pts, ptsMs };
      if (this.#early.length > 0) this.#placeCaptions();
      chunker.addDecodeErrors(told.errors);
      return records;
    }
    if (track.kind !== 'audio' || this.#audio === null) return NOTHING;
    const samples = toSamples(packet.payload);
    const durationUs = (samples.length / track.channels / track.sampleRateHz) * 1e6;
    const start = timeline.toSample(packet.pts, track.timeBase, track.sampleRateHz, durationUs);
    if (!(await isDue(this.#media, (start / track.sampleRateHz) * 1000))) return NOTHING;
    const blocks = analyseSamples(this.#audio, samples, start);
    counts.audioBlocks += blocks.length;
    return chunker.addAudioBlocks(blocks, clock.nowMs());
  }

  /** Until something is on the timeline, what there is of captions waits. */
  #takeCaptions({ pts, payload }: NutPacket, track: NutTrack): void {
    if (track.kind === 'other' ? payload.length > 0 : hasCaptions(payload)) this.#early.push({ pts, track });
    this.#placeCaptions();
  }

  #placeCaptions(): void {
    const { timeline, chunker } = this.#media;
    this.#early = this.#early.filter(({ pts, track }) => {
      const ptsMs = timeline.placeMs(pts, track.timeBase);
      if (ptsMs !== null) chunker.addCaptions(ptsMs);
      return ptsMs === null;
    });
  }

  /** Lines of the latest picture at native size; they come right behind its small one. */
  #look({ pts, payload }: NutPacket, { widthPx, heightPx }: NutTrack): void {
    if (pts !== this.#latest.pts) return;
    // Where the size of the pictures changed, the container goes on to tell the first one.
    const lines = payload.length === widthPx * heightPx ? payload : payload.subarray(0, 0);
    const look = lookAt(this.#looks, this.#pictures.previous, lines, widthPx);
    this.#media.chunker.addLook(this.#latest.ptsMs, look);
  }
}

const NOTHING: readonly FrameFeatures[] = [];

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

/** What is no picture and no sound: the user data of pictures is behind both tracks of pictures, subtitles are text. */
function isCaptionTrack(track: NutTrack, tracks: readonly NutTrack[]): boolean {
  if (track.kind === 'other') return true;
  return track.kind === 'video' && track === tracks.filter(({ kind }) => kind === 'video')[2];
}

/** The track of small pictures; lines at native size are in a second one. */
function picturesOf(tracks: readonly NutTrack[]): NutTrack | undefined {
  return tracks.find((track) => track.kind === 'video');
}
