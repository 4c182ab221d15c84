import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowedAddresses, gathered } from './allowed-addresses.ts';

test('addresses that are allowed come from the command line and from the environment', () => {
  const given = gathered('b:2', gathered('a:1'));
  assert.deepEqual(given, ['a:1', 'b:2']);
  assert.deepEqual(allowedAddresses({}, given), ['a:1', 'b:2']);
  assert.deepEqual(allowedAddresses({ EVERYVIEW_ALLOW: '10.0.0.0/8, [::1]:8080,' }), [
    '10.0.0.0/8',
    '[::1]:8080',
  ]);
});
