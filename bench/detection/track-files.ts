/** Tracks that stop for a while: their packets are left out of the file, the other track goes on. */
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { CODECS, type Container, pickSoundCodec, recorded } from './encode.ts';
import type { MediaOrder, Span } from './media-file.ts';
import { contentPictures, PICTURE_KINDS, SMALL } from './pictures.ts';
import { contentSound, SOUND_KINDS, wavOf } from './sound.ts';
import type { Workshop } from './workshop.ts';

const SECONDS = 36;
const SLOTS_MS = [
  [4_500, 13_000],
  [15_000, 23_000],
  [25_000, 33_500],
] as const;

export function trackOrders(seed: string, instances: number): readonly MediaOrder[] {
  const rounds = Math.ceil((2 * instances) / SLOTS_MS.length);
  return Array.from({ length: rounds }, (_, round) => {
    const id = `${seed}/missing/${round}`;
    return {
      id,
      kind: 'faults',
      what: 'video-missing, audio-missing',
      types: ['video-missing', 'audio-missing'],
      config: null,
      make: (workshop) => make(workshop, id, round),
    };
  });
}

async function make(workshop: Workshop, id: string, round: number) {
  const random = new SeededRandom(id);
  const pictures = await contentPictures(workshop, random.pick(PICTURE_KINDS), SMALL, random);
  const container = random.pick<Container>(['mkv', 'mp4', 'ts']);
  const codec = CODECS[[0, 1, 3][random.below(3)]!]!;
  const truths: Span[] = SLOTS_MS.map(([fromMs, toMs], slot) => {
    const lengthMs = 2_200 + random.below(random.chance(300) ? 5_500 : 2_000);
    const first = Math.ceil((random.between(fromMs, toMs - lengthMs) * pictures.framesPerSecond) / 1_000);
    const end = first + Math.ceil((lengthMs * pictures.framesPerSecond) / 1_000);
    const at = (picture: number): number => Math.round((picture * 1_000) / pictures.framesPerSecond);
    const type = (slot + round) % 2 === 0 ? 'video-missing' : 'audio-missing';
    return { type, startMs: at(first), endMs: at(end) };
  });
  const whole = await recorded(workshop, {
    ...pictures,
    pictureFilters: pictures.filters,
    codec,
    wav: await wavOf(workshop, await contentSound(workshop, random.pick(SOUND_KINDS), SECONDS, random)),
    soundCodec: pickSoundCodec(container, random),
    container: 'mkv',
    seconds: SECONDS,
    // Both ends at key frames and without pictures that refer across them: what is left decodes whole.
    more: [
      '-flags',
      '+bitexact+cgop',
      '-sc_threshold',
      '1000000000',
      '-force_key_frames',
      truths
        .flatMap(({ startMs, endMs }) => [startMs, endMs])
        .map((ms) => (ms / 1_000).toFixed(3))
        .join(),
    ],
  });
  const dropped = (type: string): string =>
    truths
      .filter((truth) => truth.type === type)
      .map(
        ({ startMs, endMs }) =>
          `between(pts*tb,${((startMs - 10) / 1_000).toFixed(3)},${((endMs - 10) / 1_000).toFixed(3)})`,
      )
      .join('+') || '0';
  const filters = [
    ...['-bsf:v', `noise=drop='${dropped('video-missing')}'`],
    ...['-bsf:a', `noise=drop='${dropped('audio-missing')}'`],
  ];
  // In the container that it was made in: the filter knows the time base of what it reads only.
  const without = await workshop.made(['without', whole, filters], 'mkv', async (file) => {
    await workshop.ffmpeg(['-i', whole, '-map', '0', '-c', 'copy', ...filters, '-fflags', '+bitexact', file]);
  });
  const path = await workshop.made(['in', without], container, async (file) => {
    await workshop.ffmpeg(['-i', without, '-map', '0', '-c', 'copy', '-fflags', '+bitexact', file]);
  });
  // A PID that is absent, and tables that the muxer puts before pictures, are errors of the transport as well.
  return { path, durationMs: SECONDS * 1_000, truths, besides: container === 'ts' ? ['ts-error'] : [] };
}
