/**
 * Two points of one programme: the reference, and the same encoded again with the sound moved against the pictures for a
 * while. Elsewhere it is moved by no more than is allowed.
 */
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { pickCodec, pickSoundCodec, recorded } from './encode.ts';
import type { MediaFile, MediaOrder, Span } from './media-file.ts';
import { contentPictures, SMALL } from './pictures.ts';
import { contentSound, type Sound, sampleAt, wavOf } from './sound.ts';
import type { Workshop } from './workshop.ts';

const SECONDS = 46;
const SLOTS_MS = [
  [6_000, 21_000],
  [27_000, 42_000],
] as const;
/** Nobody is to be told of a lead up to 20 ms or a lag up to 40 ms. */
const [LAG_ALLOWED_MS, LEAD_ALLOWED_MS] = [40, 20];

export function syncOrders(seed: string, instances: number): readonly MediaOrder[] {
  return Array.from({ length: Math.ceil(instances / SLOTS_MS.length) }, (_, round) => {
    const id = `${seed}/av-sync-offset/${round}`;
    return {
      id,
      kind: 'faults',
      what: 'av-sync-offset',
      types: ['av-sync-offset'],
      config: null,
      make: (workshop) => make(workshop, id),
    };
  });
}

async function make(workshop: Workshop, id: string): Promise<MediaFile> {
  const random = new SeededRandom(id);
  const pictures = await contentPictures(
    workshop,
    random.pick(['film', 'city', 'pan', 'pattern']),
    SMALL,
    random,
  );
  const sound = await contentSound(workshop, random.pick(['film', 'speech']), SECONDS, random);
  const usualMs = random.between(-LAG_ALLOWED_MS, LEAD_ALLOWED_MS + 1);
  const truths: Span[] = [];
  const shifts = SLOTS_MS.map(([fromMs, toMs]) => {
    const lengthMs = 8_000 + random.below(6_000);
    const startMs = random.between(fromMs, toMs - lengthMs);
    const shift = { startMs, endMs: startMs + lengthMs, leadMs: leadOf(random) };
    truths.push({ type: 'av-sync-offset', startMs: shift.startMs, endMs: shift.endMs });
    return shift;
  });
  const leadAt = (ms: number): number =>
    shifts.find(({ startMs, endMs }) => ms >= startMs && ms < endMs)?.leadMs ?? usualMs;
  const common = { ...pictures, pictureFilters: pictures.filters, seconds: SECONDS };
  const reference = await recorded(workshop, {
    ...common,
    codec: pickCodec(random),
    wav: await wavOf(workshop, sound),
    soundCodec: pickSoundCodec('mkv', random),
    container: 'mkv',
  });
  const path = await recorded(workshop, {
    ...common,
    codec: pickCodec(random),
    wav: await wavOf(workshop, moved(sound, leadAt)),
    soundCodec: pickSoundCodec('ts', random),
    container: 'ts',
  });
  return { path, reference, durationMs: SECONDS * 1_000, truths };
}

/** Beyond what is told of, from just so to what nobody overlooks; above 0 sound comes before its pictures. */
function leadOf(random: SeededRandom): number {
  const byMs = Math.round(60 * 6 ** (random.below(1_000) / 1_000));
  return random.chance(500) ? byMs : -(byMs + 20);
}

function moved({ left, right }: Sound, leadAt: (ms: number) => number): Sound {
  const move = (channel: Float32Array): Float32Array => {
    const out = new Float32Array(channel.length);
    const step = sampleAt(10);
    for (let at = 0; at < channel.length; at += step) {
      const from = at + sampleAt(leadAt((at * 10) / step));
      for (let i = 0; i < step && at + i < channel.length; i++) out[at + i] = channel[from + i] ?? 0;
    }
    return out;
  };
  return { left: move(left), right: move(right) };
}
