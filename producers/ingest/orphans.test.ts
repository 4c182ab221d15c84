import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FFMPEG, isAlive, until } from './testing.ts';

const CLIP = fileURLToPath(new URL('../../test/media/big-buck-bunny-trailer-360p.mp4', import.meta.url));

/** A process that watches a file at live pace, so that its decoder waits on a full pipe, and tells the decoder's pid. */
const WATCHER = `
import { Probe } from './probe.ts';
import { parseStreamSpec } from './parse-stream-spec.ts';
import { createFetcher } from './fetcher.ts';
import { ffmpegAbilities } from './ffmpeg-abilities.ts';
import { systemClock } from '../../runtime/system-clock.ts';
const ffmpegPath = process.argv[1];
const sources = { fetcher: createFetcher({ clock: systemClock }), abilities: await ffmpegAbilities(ffmpegPath) };
const context = {
  ffmpegPath, sources, probeId: 'x', probeEpochMs: 0, clock: systemClock,
  note: () => {}, onDecoder: (pid) => console.log(pid), emit: async () => {},
};
const spec = parseStreamSpec({ programmeId: 'x', input: process.argv[2], loop: true });
await new Probe(spec, context, new AbortController().signal).run();
`;

test('no decoder outlives a probe that is killed', async () => {
  const watcher = spawn(process.execPath, ['--input-type=module', '-e', WATCHER, '--', FFMPEG, CLIP], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(watcher.stdout), 'line')) as [string];
  const decoder = Number(line);
  assert.ok(isAlive(decoder));
  watcher.kill('SIGKILL');
  await once(watcher, 'exit');
  await until('the decoder to end', () => !isAlive(decoder));
});
