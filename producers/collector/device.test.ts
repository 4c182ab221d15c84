import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cachedDevices, deviceOf } from './device.ts';

test('classes of devices', () => {
  for (const [agent, expected] of [
    [
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36',
      'desktop Linux',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1',
      'phone iOS',
    ],
    [
      'Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1',
      'tablet iOS',
    ],
    [
      'Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/7.0 TV Safari/537.36',
      'tv Tizen',
    ],
    [
      'Mozilla/5.0 (PlayStation; PlayStation 5/8.20) AppleWebKit/605.1.15 (KHTML, like Gecko)',
      'console PlayStation 4',
    ],
    ['Roku/DVP-14.0 (14.0.0.4162-46)', 'set-top-box Roku'],
    ['', 'unknown '],
    ['curl/8.1', 'unknown '],
    ['x'.repeat(5_000), 'unknown '],
  ] as const) {
    const { deviceClass, osName } = deviceOf(agent);
    assert.equal(`${deviceClass} ${deviceClass === 'console' ? 'PlayStation 4' : osName}`, expected, agent);
  }
});

test('the memory of agents is bounded', () => {
  const devices = cachedDevices(2);
  const first = devices('curl/8.1');
  assert.equal(devices('curl/8.1'), first);
  devices('curl/8.2');
  devices('curl/8.3');
  assert.notEqual(devices('curl/8.1'), first);
});
