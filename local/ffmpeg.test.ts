import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
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

test('an ffmpeg that answered is believed while its file is the same; what cannot be used is asked each time', async (t) => {
  const ffmpeg = await resolveFfmpeg({ ...options, allowInstall: true });
  const folder = mkdtempSync(path.join(tmpdir(), 'everyview-ffmpeg-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const asked = path.join(folder, 'asked');
  // A fresh clone has no data folder.
  const dataDir = path.join(folder, 'data');
  const file = program(t, `echo "$2" >> '${asked}'; exec '${ffmpeg.path}' "$@"`);
  const env = { ...process.env, FFMPEG_BIN: file, EVERYVIEW_DATA_DIR: dataDir };
  const questions = (): number =>
    existsSync(asked) ? readFileSync(asked, 'utf8').split('\n').length - 1 : 0;
  const first = await resolveFfmpeg({ ...options, env });
  const all = questions();
  assert.ok(all > 1);
  assert.deepEqual(await resolveFfmpeg({ ...options, env }), first);
  assert.equal(questions(), all, 'nothing was asked again');
  appendFileSync(file, '# another one\n');
  assert.deepEqual(await resolveFfmpeg({ ...options, env }), first);
  assert.equal(questions(), 2 * all);
  writeFileSync(path.join(dataDir, 'ffmpeg.json'), '{"half');
  assert.deepEqual(await resolveFfmpeg({ ...options, env }), first);
  assert.equal(questions(), 3 * all, 'answers that cannot be read are none');
  writeFileSync(file, '#!/bin/sh\nexit 1\n');
  for (let time = 0; time < 2; time++)
    await assert.rejects(resolveFfmpeg({ ...options, env }), { code: 'ffmpeg-broken' });
});
