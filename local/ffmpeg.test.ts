import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { askFfmpeg, parseOffered, resolveFfmpeg } from './ffmpeg.ts';
import type { SetupError } from './setup-error.ts';

function program(t: TestContext, text: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'everyview-ffmpeg-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'ffmpeg');
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
  return file;
}

const options = { allowInstall: false, onProgress: () => {} };

test('lists as ffmpeg prints them', () => {
  const check = (line: string, ...names: string[]) =>
    assert.deepEqual([...parseOffered([line])], names, line);
  check(' V....D libx264              libx264 H.264 / AVC', 'libx264');
  check(' D  mov,mp4,m4a,3gp,3g2,mj2 QuickTime / MOV', 'mov', 'mp4', 'm4a', '3gp', '3g2', 'mj2');
  check(' .S. astats            A->A       Show time domain statistics', 'astats');
  check(' .. ebur128           A->N       EBU R128 scanner.', 'ebur128');
  check('  https', 'https');
  check('Supported file protocols:');
});

test('an FFMPEG_BIN that cannot be used is an error, not a reason to take another one', async (t) => {
  const check = async (file: string, why: RegExp): Promise<void> => {
    await assert.rejects(
      resolveFfmpeg({ ...options, env: { ...process.env, FFMPEG_BIN: file } }),
      (error: SetupError) => {
        assert.equal(error.code, 'ffmpeg-broken');
        assert.match(error.message, why);
        return true;
      },
    );
  };
  await check('/no/such/ffmpeg', /no such program/);
  await check(program(t, 'echo "libfoo.so.1: cannot open shared object file" >&2; exit 127'), /cannot be/);
  await check(program(t, 'echo hello'), /does not answer -version/);
  const bare = program(t, '[ "$2" = -version ] && echo "ffmpeg version 7.1-tiny Copyright"; exit 0');
  await check(bare, /lacks encoder libx264, encoder aac/);
});

test('an ffmpeg that is installed is found and says what it can do', async () => {
  const ffmpeg = await resolveFfmpeg({ ...options, allowInstall: true });
  const abilities = await askFfmpeg(ffmpeg.path);
  assert.ok(typeof abilities !== 'string');
  assert.deepEqual(abilities.missing, []);
  assert.equal(abilities.version, ffmpeg.version);
});
