import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './folders.ts';
import { SINGLE_NODE_PROPERTIES } from './kafka.ts';
import { KAFKA_IMAGE, KAFKA_VERSION, REGISTRY_IMAGE, REGISTRY_VERSION } from './versions.ts';

const compose = readFileSync(path.join(REPOSITORY, 'docker-compose.yml'), 'utf8');

test('docker-compose.yml runs the pinned versions', () => {
  const images = [...compose.matchAll(/^ +image: (\S+)$/gm)].map((match) => match[1]);
  assert.deepEqual(images, [KAFKA_IMAGE, REGISTRY_IMAGE]);
});

test('docker-compose.yml gives its broker the settings of the local one', () => {
  for (const [name, value] of Object.entries(SINGLE_NODE_PROPERTIES)) {
    const variable = `KAFKA_${name.toUpperCase().replaceAll('.', '_')}`;
    const given = new RegExp(`^ +${variable}: ["']?([^"'\\n]+)["']?$`, 'm').exec(compose)?.[1];
    assert.equal(given, value, variable);
  }
});

test('docker-compose.yml publishes ports on the loopback interface only', () => {
  const published = [...compose.matchAll(/^ +- ["']([^"']*:\d+)["']$/gm)].map((match) => match[1]!);
  assert.equal(published.length, 2);
  for (const port of published) assert.match(port, /^127\.0\.0\.1:/);
});

test('versions are said in one place', () => {
  const pom = readFileSync(path.join(REPOSITORY, 'local', 'parts.pom.xml'), 'utf8');
  assert.ok(!pom.includes(KAFKA_VERSION) && !pom.includes(REGISTRY_VERSION));
});
