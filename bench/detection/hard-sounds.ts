/** Sound that only looks like a defect. */
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import {
  contentSound,
  levelDbfs,
  noise,
  RATE_HZ,
  SOUND_KINDS,
  type Sound,
  sampleAt,
  scaled,
} from './sound.ts';
import type { Workshop } from './workshop.ts';

export type HardSound = {
  readonly name: string;
  make(workshop: Workshop, random: SeededRandom, seconds: number): Promise<Sound>;
};

export const HARD_SOUNDS: readonly HardSound[] = [
  { name: 'pauses in speech', make: speechWithPauses },
  {
    name: 'brickwalled music',
    make: async (workshop, random, seconds) =>
      limited(
        await contentSound(workshop, random.pick(['film', 'chords', 'crowd']), seconds, random),
        8 + random.below(5),
      ),
  },
  {
    name: 'quiet music',
    make: async (workshop, random, seconds) => {
      const sound = await contentSound(workshop, random.pick(['chords', 'crowd']), seconds, random);
      return scaled(sound, -44 - random.below(9) - levelDbfs(sound.left, 0, seconds * 1_000));
    },
  },
  { name: 'wide stereo', make: wide },
  {
    name: 'one side quieter',
    make: async (workshop, random, seconds) => {
      const { left, right } = await contentSound(workshop, random.pick(SOUND_KINDS), seconds, random);
      const gain = 10 ** (-(10 + random.below(26)) / 20);
      return { left, right: right.map((value) => value * gain) };
    },
  },
  { name: 'sound that wanders', make: wandering },
  { name: 'fades', make: fading },
  {
    name: 'film music',
    make: (workshop, random, seconds) => contentSound(workshop, 'film', seconds, random),
  },
];

/** A pause of 0.4 to 1.8 s in every few seconds, digitally silent or with the noise of a room. */
async function speechWithPauses(workshop: Workshop, random: SeededRandom, seconds: number): Promise<Sound> {
  const sound = await contentSound(workshop, 'speech', seconds, random);
  const room = random.chance(500) ? 0 : 10 ** (-(62 + random.below(12)) / 20);
  let atMs = 1_500;
  while (atMs < seconds * 1_000 - 3_000) {
    // What was silent next to it makes a pause longer: it has to be heard on both sides.
    const heard = [atMs - 200, atMs - 100].every((ms) => levelDbfs(sound.left, ms, ms + 100) > -40);
    const lengthMs = 400 + random.below(1_300);
    const after = [0, 100].every(
      (ms) => levelDbfs(sound.left, atMs + lengthMs + ms, atMs + lengthMs + ms + 100) > -40,
    );
    if (heard && after) {
      for (let i = sampleAt(atMs); i < sampleAt(atMs + lengthMs); i++) {
        sound.left[i] = room * noise(random);
        sound.right[i] = room * noise(random);
      }
      atMs += lengthMs + 1_000 + random.below(2_500);
    } else atMs += 130;
  }
  return sound;
}

/** Loud by a limiter that looks ahead: its gain follows the peaks, nothing is cut off. */
function limited({ left, right }: Sound, gainDb: number): Sound {
  const gain = 10 ** (gainDb / 20);
  const ceiling = 0.97;
  const ahead = Math.round(RATE_HZ * 0.005);
  const release = 1 - Math.exp(-1 / (RATE_HZ * 0.08));
  const out = { left: new Float32Array(left.length), right: new Float32Array(left.length) };
  let held = 1;
  let wanted = 1;
  for (let i = 0; i < left.length; i++) {
    const peak = gain * Math.max(Math.abs(left[i]!), Math.abs(right[i]!));
    const asked = peak > ceiling ? ceiling / peak : 1;
    wanted = asked < wanted ? asked : wanted + (1 - wanted) * release;
    held += (wanted - held) * (wanted < held ? 0.03 : 1);
    const from = i - ahead;
    if (from < 0) continue;
    out.left[from] = limit(left[from]! * gain * held, ceiling);
    out.right[from] = limit(right[from]! * gain * held, ceiling);
  }
  return out;
}

/** What the gain was late for is bent, not cut. */
function limit(value: number, ceiling: number): number {
  const knee = 0.85 * ceiling;
  const size = Math.abs(value);
  if (size <= knee) return value;
  return Math.sign(value) * (knee + (ceiling - knee) * Math.tanh((size - knee) / (ceiling - knee)));
}

/** Correlation of -0.2 to -0.4 at any time: a mix that is mostly difference. */
async function wide(workshop: Workshop, random: SeededRandom, seconds: number): Promise<Sound> {
  // Both of one power, that swells alike: otherwise the mix is much wider for a while than over all.
  const middle = await contentSound(workshop, 'crowd', seconds, random.fork('middle'));
  const side = await contentSound(workshop, 'crowd', seconds, random.fork('side'));
  // (m - w s) and (m + w s) correlate by (1 - w w) / (1 + w w).
  const correlation = -(200 + random.below(200)) / 1_000;
  const weight = Math.sqrt((1 - correlation) / (1 + correlation));
  const left = middle.left.map((value, i) => 0.6 * (value + weight * side.left[i]!));
  const right = middle.left.map((value, i) => 0.6 * (value - weight * side.left[i]!));
  return { left, right };
}

/** From one side to the other and back in some seconds. */
async function wandering(workshop: Workshop, random: SeededRandom, seconds: number): Promise<Sound> {
  const { left } = await contentSound(workshop, random.pick(SOUND_KINDS), seconds, random);
  const periodS = 2 + random.below(6);
  const place = (i: number): number => 0.5 + 0.47 * Math.sin((2 * Math.PI * i) / (RATE_HZ * periodS));
  return {
    left: left.map((value, i) => value * place(i)),
    right: left.map((value, i) => value * (1 - place(i))),
  };
}

/** Down to nothing and up again, for less than a second at the bottom. */
async function fading(workshop: Workshop, random: SeededRandom, seconds: number): Promise<Sound> {
  const { left, right } = await contentSound(
    workshop,
    random.pick(['film', 'chords', 'crowd']),
    seconds,
    random,
  );
  const periodS = 7 + random.below(6);
  const gain = (i: number): number =>
    Math.min(1, 1.6 * Math.abs(Math.sin((Math.PI * i) / (RATE_HZ * periodS))));
  return { left: left.map((value, i) => value * gain(i)), right: right.map((value, i) => value * gain(i)) };
}
