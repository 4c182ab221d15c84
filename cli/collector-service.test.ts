import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { localTenants, tenantsOfFile } from './collector-service.ts';
import { UsageError } from './failure.ts';
import { runCli } from './program.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'everyview-tenants-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function written(content: string): string {
  const file = path.join(folder, 'tenants.json');
  writeFileSync(file, content);
  return file;
}

test('a machine without tenants gets one, with a token that stays and that only its owner can read', () => {
  const made = localTenants(folder);
  assert.equal(statSync(made.file).mode & 0o777, 0o600);
  assert.deepEqual(made.tenants[0]?.tenant, 'local');
  assert.match(made.tenants[0]?.tokens[0] ?? '', /^[0-9a-f]{32}$/);
  assert.deepEqual(localTenants(folder), made);
});

test('a tenants file is checked; errors name the place and tell no token', () => {
  const token = 'token-0123456789abcdef';
  const good = tenantsOfFile(written(JSON.stringify({ tenants: [{ tenant: 'acme', tokens: [token] }] })));
  assert.deepEqual([good[0]?.tenant, good[0]?.stopped], ['acme', false]);
  for (const [content, message] of [
    ['', /is not JSON/],
    ['{"tenants":[]}', /at tenants/],
    [JSON.stringify({ tenants: [{ tenant: 'acme', tokens: ['short-secret'] }] }), /tokens\.0.*16 to 128/],
    [JSON.stringify({ tenants: [{ tenant: 'acme', tokens: [token], limit: 3 }] }), /limit/],
    [
      JSON.stringify({ tenants: [1, 2].map((id) => ({ tenant: `t${id}`, tokens: [token] })) }),
      /token stands twice/,
    ],
  ] as const) {
    assert.throws(
      () => tenantsOfFile(written(content)),
      (error: Error) =>
        error instanceof UsageError &&
        message.test(error.message) &&
        !/short-secret|0123456789/.test(error.message),
      content,
    );
  }
  assert.throws(() => tenantsOfFile(path.join(folder, 'none.json')), UsageError);
});

test('addresses that are none are refused with what to write', async () => {
  for (const [flags, message] of [
    ['--listen 4580', /write for example 127\.0\.0\.1:4580/],
    ['--listen 127.0.0.1:99999', /It is no address/],
    ['--trust-proxy 10.0.0.0/99', /write for example 10\.0\.0\.0\/8/],
    ['--trust-proxy 10.0.0.0/8 proxy.example', /It is no network/],
  ] as const) {
    let err = '';
    const terminal = (write: (text: string) => void) => ({
      isTty: false,
      hasColour: false,
      columns: 100,
      write,
    });
    const exitCode = await runCli(['collect', ...flags.split(' ')], {
      out: terminal(() => undefined),
      err: terminal((text) => {
        err += text;
      }),
      env: { PATH: process.env.PATH, EVERYVIEW_DATA_DIR: folder },
      interruption: { signal: new AbortController().signal },
    });
    assert.equal(exitCode, 2, flags);
    assert.match(err, message);
  }
});
