import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { IngestError } from './ingest-error.ts';
import { type AllowRule, parseAllowRule, whyForbidden } from './network-policy.ts';

const judge = (address: string, rules: readonly AllowRule[] = [], host = address, port = 80) =>
  whyForbidden(rules, host, port, { address, family: isIP(address) as 4 | 6 });

test('addresses of the public internet need no leave', () => {
  for (const address of [
    '1.1.1.1',
    '93.184.216.34',
    '172.32.0.1',
    '192.169.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '2a00:1450:4001::200e',
    '64:ff9b::101:101',
    '2002:5db8:d822::1',
  ])
    assert.equal(judge(address), null, address);
});

test('what is not public is refused by its kind', () => {
  const check = (address: string, what: string) =>
    assert.match(judge(address) ?? '', new RegExp(what), address);
  check('127.0.0.1', 'loopback');
  check('127.255.0.9', 'loopback');
  check('::1', 'loopback');
  check('0.0.0.0', 'reserved');
  check('::', 'reserved');
  check('::7f00:1', 'reserved');
  check('10.1.2.3', 'private');
  check('172.31.255.255', 'private');
  check('192.168.1.1', 'private');
  check('fd12:3456::1', 'private');
  check('169.254.1.1', 'link-local');
  check('fe80::1', 'link-local');
  check('169.254.169.254', 'metadata');
  check('100.100.100.200', 'metadata');
  check('168.63.129.16', 'metadata');
  check('100.64.0.1', 'translation');
  check('224.0.0.1', 'multicast');
  check('239.255.255.250', 'multicast');
  check('ff02::1', 'multicast');
  check('255.255.255.255', 'reserved');
  check('::ffff:127.0.0.1', 'IPv4-mapped');
  check('::ffff:1.1.1.1', 'IPv4-mapped');
  check('::ffff:a9fe:a9fe', 'IPv4-mapped');
  // Addresses that carry another one are judged by it.
  check('64:ff9b::7f00:1', 'loopback');
  check('64:ff9b::10.0.0.1', 'private');
  check('2002:7f00:1::', 'loopback');
  check('2002:a9fe:a9fe::1', 'metadata');
});

test('no private address passes, however it is written as IPv6', () => {
  const inside = fc
    .constantFrom([10, 8], [127, 8])
    .chain(([first]) => fc.tuple(fc.constant(first!), fc.nat(255), fc.nat(255), fc.nat(255)));
  fc.assert(
    fc.property(inside, ([a, b, c, d]) => {
      const ipv4 = `${a}.${b}.${c}.${d}`;
      const hex = (high: number, low: number) => ((high << 8) | low).toString(16);
      for (const address of [ipv4, `::ffff:${ipv4}`, `64:ff9b::${ipv4}`, `2002:${hex(a, b)}:${hex(c, d)}::1`])
        assert.notEqual(judge(address), null, address);
    }),
  );
});

test('a host is allowed by name and port, a network by address', () => {
  const host = [parseAllowRule('origin.test:8080')];
  assert.equal(judge('10.0.0.1', host, 'origin.test', 8080), null);
  assert.equal(judge('10.0.0.1', host, 'ORIGIN.test', 8080), null);
  assert.match(
    judge('10.0.0.1', host, 'origin.test', 81) ?? '',
    /origin\.test is 10\.0\.0\.1, which is a private/,
  );
  assert.match(judge('10.0.0.1', host, 'other.test', 8080) ?? '', /allow other\.test:8080/);
  assert.equal(judge('10.0.0.1', [parseAllowRule('origin.test')], 'origin.test', 4), null);
  const network = [parseAllowRule('10.1.0.0/16'), parseAllowRule('[fd00::]/8'), parseAllowRule('fe80::/10')];
  assert.equal(judge('10.1.200.3', network), null);
  assert.notEqual(judge('10.2.0.1', network), null);
  assert.equal(judge('fd99::1', network), null);
  assert.equal(judge('fe80::1', network), null);
  assert.equal(judge('::1', [parseAllowRule('::1')]), null);
  const loopback = [parseAllowRule('[::1]:8080'), parseAllowRule('127.0.0.1:8080')];
  assert.equal(judge('::1', loopback, '::1', 8080), null);
  assert.equal(judge('127.0.0.1', loopback, '127.0.0.1', 8080), null);
  assert.match(judge('::1', loopback, '::1', 8081) ?? '', /allow \[::1\]:8081/);
});

test('what is no host and no network is refused, and the message shows how to write it', () => {
  for (const text of [
    '',
    'http://a/',
    'a:0',
    'a:99999',
    '10.0.0.0/33',
    'a b',
    'user@host:80',
    '1.2.3.4/x',
    '[::1',
  ])
    assert.throws(
      () => parseAllowRule(text),
      (error) => error instanceof IngestError && /host:port/.test(error.message),
      text,
    );
});
