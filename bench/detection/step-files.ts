/** Transport streams whose clock steps, as where an encoder was started again: parts with other timestamps, end to end. */
import { readFileSync, writeFileSync } from 'node:fs';
import { SeededRandom } from '../../runtime/seeded-random.ts';
import { CODECS } from './encode.ts';
import type { MediaFile, MediaOrder, Span } from './media-file.ts';
import { contentPictures, PICTURE_KINDS, SMALL } from './pictures.ts';
import { contentSound, SOUND_KINDS, wavOf } from './sound.ts';
import type { Workshop } from './workshop.ts';

const PARTS_MS = [7_000, 8_000, 7_000, 8_000] as const;

export function stepOrders(seed: string, instances: number): readonly MediaOrder[] {
  return Array.from({ length: Math.ceil(instances / (PARTS_MS.length - 1)) }, (_, round) => {
    const id = `${seed}/pts-discontinuity/${round}`;
    return {
      id,
      kind: 'faults',
      what: 'pts-discontinuity',
      types: ['pts-discontinuity'],
      config: null,
      make: (workshop) => make(workshop, id),
    };
  });
}

async function make(workshop: Workshop, id: string): Promise<MediaFile> {
  const random = new SeededRandom(id);
  const pictures = await contentPictures(workshop, random.pick(PICTURE_KINDS), SMALL, random);
  const totalMs = PARTS_MS.reduce((sum, ms) => sum + ms, 0);
  const wav = await wavOf(
    workshop,
    await contentSound(workshop, random.pick(SOUND_KINDS), totalMs / 1_000, random),
  );
  const codec = random.pick([CODECS[0]!, CODECS[3]!]);
  const parts: string[] = [];
  const truths: Span[] = [];
  let [atMs, stepMs] = [0, 100_000];
  for (const partMs of PARTS_MS) {
    if (atMs > 0) {
      truths.push({ type: 'pts-discontinuity', startMs: atMs, endMs: atMs });
      const byMs = Math.round(700 * 40 ** (random.below(1_000) / 1_000));
      stepMs += random.chance(500) ? byMs : -byMs;
    }
    const args = [
      ...[...pictures.inputs, '-ss', (atMs / 1_000).toFixed(3), '-i', wav],
      ...[
        '-filter_complex',
        `[0:v]${pictures.filters.join(',')},trim=start=${atMs / 1_000},setpts=PTS-STARTPTS[v]`,
      ],
      ...['-map', '[v]', '-map', '1:a', ...codec.args, '-threads', '1', '-g', '50', '-pix_fmt', 'yuv420p'],
      ...[
        '-c:a',
        'mp2',
        '-b:a',
        '192k',
        '-t',
        (partMs / 1_000).toFixed(3),
        '-muxdelay',
        '0',
        '-muxpreload',
        '0',
      ],
      ...[
        '-flags',
        '+bitexact',
        '-fflags',
        '+bitexact',
        '-output_ts_offset',
        ((atMs + stepMs) / 1_000).toFixed(3),
      ],
    ];
    parts.push(
      await workshop.made(
        ['part', args],
        'ts',
        async (file) => void (await workshop.ffmpeg([...args, file])),
      ),
    );
    atMs += partMs;
  }
  const path = await workshop.made(['parts', 2, parts], 'ts', async (file) =>
    writeFileSync(file, continuous(Buffer.concat(parts.map((part) => readFileSync(part))))),
  );
  return { path, durationMs: totalMs, truths };
}

const PACKET_BYTES = 188;

/** With continuity counters that go on: the clock steps, and nothing is lost. */
function continuous(bytes: Buffer): Buffer {
  const next = new Map<number, number>();
  for (let at = 0; at + PACKET_BYTES <= bytes.length; at += PACKET_BYTES) {
    const pid = bytes.readUInt16BE(at + 1) & 0x1fff;
    const hasPayload = (bytes[at + 3]! & 0x10) !== 0;
    const counter = next.get(pid) ?? bytes[at + 3]! & 0x0f;
    // What has no payload repeats the counter before it (ISO/IEC 13818-1, 2.4.3.3).
    bytes[at + 3] = (bytes[at + 3]! & 0xf0) | (hasPayload ? counter : (counter + 15) & 0x0f);
    if (hasPayload) next.set(pid, (counter + 1) & 0x0f);
  }
  return bytes;
}
