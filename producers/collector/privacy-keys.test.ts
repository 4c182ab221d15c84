import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { privacyKeys, secretFromFile, secretFromText } from './privacy-keys.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'everyview-keys-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const secret = Buffer.alloc(32, 7);

test('the same under one secret, another under another; sessions and addresses have keys of their own', () => {
  const keys = privacyKeys(secret);
  assert.match(keys.sessionKeyOf('acme', 's1'), /^[0-9a-f]{24}$/);
  assert.match(keys.addressHashOf('198.51.100.23'), /^[0-9a-f]{16}$/);
  assert.equal(keys.sessionKeyOf('acme', 's1'), privacyKeys(secret).sessionKeyOf('acme', 's1'));
  assert.notEqual(
    keys.sessionKeyOf('acme', 's1'),
    privacyKeys(Buffer.alloc(32, 8)).sessionKeyOf('acme', 's1'),
  );
  assert.notEqual(keys.sessionKeyOf('acme', '1x'), keys.sessionKeyOf('acme1', 'x'));
  assert.ok(!keys.sessionKeyOf('', '198.51.100.23').startsWith(keys.addressHashOf('198.51.100.23')));
});

test('an address has one hash however it is written', () => {
  const keys = privacyKeys(secret);
  assert.equal(keys.addressHashOf('::ffff:198.51.100.23'), keys.addressHashOf('198.51.100.23'));
  assert.equal(keys.addressHashOf('FE80::1%eth0'), keys.addressHashOf('fe80::1'));
});

test('the secret is made once, for its owner alone', () => {
  const file = path.join(folder, 'new', 'secret');
  const made = secretFromFile(file);
  assert.equal(made.length, 32);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(secretFromFile(file), made);
  assert.deepEqual(readdirSync(path.dirname(file)), ['secret']);
  chmodSync(file, 0o644);
  assert.throws(() => secretFromFile(file), {
    name: 'SecretError',
    message: new RegExp(`chmod 600 ${file}`),
  });
  assert.ok(existsSync(file));
});

test('a bad secret is refused without being told', () => {
  assert.throws(
    () => secretFromText('hunter2', 'EVERYVIEW_COLLECTOR_SECRET'),
    (error: Error) => {
      return /64 hexadecimal digits/.test(error.message) && !error.message.includes('hunter2');
    },
  );
  assert.throws(() => privacyKeys(Buffer.alloc(8)), /at least 32/);
});
