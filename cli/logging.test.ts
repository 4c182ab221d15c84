import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { SetupError } from '../local/setup-error.ts';
import { openLog } from './logging.ts';

test('everything goes to the file, what matters to the user as one line, secrets to neither', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'everyview-log-'));
  const said: string[] = [];
  const log = openLog(folder, (line) => said.push(line));
  log.logger.info({ task: 3 }, 'a task is open');
  log.logger.warn({ err: new Error('no answer\nfrom http://me:secret@host') }, 'the registry is away');
  log.logger.error('broken, token=abc');
  log.close();
  const entries = readFileSync(log.file, 'utf8').trimEnd().split('\n');
  assert.deepEqual(
    entries.map((entry) => JSON.parse(entry).msg),
    ['a task is open', 'the registry is away', 'broken, token=***'],
  );
  assert.equal(JSON.parse(entries[0]!).task, 3);
  assert.ok(!entries.join('').includes('secret'));
  assert.match(
    said[0]!,
    /^\d\d:\d\d:\d\dZ warn the registry is away: no answer from http:\/\/\*\*\*:\*\*\*@host$/,
  );
  assert.match(said[1]!, /Z error broken, token=\*\*\*$/);
  assert.equal(said.length, 2);
  rmSync(folder, { recursive: true });
});

test('a folder that cannot be written is an error that says what to do', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'everyview-log-'));
  const file = path.join(folder, 'file');
  writeFileSync(file, '');
  assert.throws(
    () => openLog(file, () => {}),
    (error: SetupError) => error instanceof SetupError && error.code === 'data-folder',
  );
  rmSync(folder, { recursive: true });
});
