import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerProperties, escapeProperty } from './kafka.ts';

test('the broker listens on the loopback interface only', () => {
  const properties = brokerProperties('/data/log', { kafka: 1092, controller: 1093 });
  assert.equal(properties.listeners, 'PLAINTEXT://127.0.0.1:1092,CONTROLLER://127.0.0.1:1093');
  assert.equal(properties['advertised.listeners'], 'PLAINTEXT://127.0.0.1:1092');
  assert.equal(properties['controller.quorum.voters'], '1@127.0.0.1:1093');
  assert.equal(properties['auto.create.topics.enable'], 'false');
});

test('a path with letters beyond ASCII survives a properties file', () => {
  assert.equal(escapeProperty('/home/josé/a b'), '/home/jos\\u00e9/a b');
  assert.equal(escapeProperty('C:\\data'), 'C:\\\\data');
  assert.equal(escapeProperty('/x/😀'), '/x/\\ud83d\\ude00');
});
