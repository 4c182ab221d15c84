import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { chromiumFlags, resolveChromium } from './chromium.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'everyview-chromium-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function program(name: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, '#!/bin/sh\n');
  chmodSync(file, 0o755);
  return file;
}

const resolve = (env: NodeJS.ProcessEnv) =>
  resolveChromium({ allowInstall: false, onProgress: () => undefined, env });

test('the one that is named, else one on PATH, else a line that says what to install', async () => {
  await assert.rejects(resolve({ PATH: folder }), {
    code: 'chromium-missing',
    fix: /apt-get install chromium/,
  });
  const chrome = program('google-chrome');
  assert.equal(await resolve({ PATH: folder }), chrome);
  const chromium = program('chromium');
  assert.equal(await resolve({ PATH: folder, CHROMIUM_BIN: '' }), chromium);
  assert.equal(await resolve({ PATH: folder, CHROMIUM_BIN: chrome }), chrome);
  await assert.rejects(resolve({ PATH: folder, CHROMIUM_BIN: path.join(folder, 'none') }), {
    code: 'chromium-missing',
  });
});

test('the sandbox is given up for root alone', () => {
  assert.ok(chromiumFlags(true).includes('--no-sandbox'));
  assert.ok(!chromiumFlags(false).includes('--no-sandbox'));
});
