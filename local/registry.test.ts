import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { markRegistryReady, type RegistrySetup, registryServer } from './registry.ts';

test('a database whose making was interrupted is made anew, a whole one is kept', (t) => {
  const root = mkdtempSync(path.join(tmpdir(), 'everyview-registry-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const folder = path.join(root, 'registry');
  const database = path.join(folder, 'registry.mv.db');
  const setup = {
    folder,
    logPath: path.join(root, 'log'),
    java: { path: 'java' },
    jars: { registryJar: 'registry.jar' },
    archive: { flags: [], made: null },
    port: 1,
  } as unknown as RegistrySetup;

  mkdirSync(folder);
  writeFileSync(database, 'half of it');
  registryServer(setup);
  assert.equal(existsSync(database), false);

  writeFileSync(database, 'all of it');
  markRegistryReady(folder);
  registryServer(setup);
  assert.equal(existsSync(database), true);
});
