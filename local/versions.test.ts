import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './folders.ts';
import { KAFKA_VERSION, REGISTRY_VERSION } from './versions.ts';

test('versions are said in one place', () => {
  const pom = readFileSync(path.join(REPOSITORY, 'local', 'parts.pom.xml'), 'utf8');
  assert.ok(!pom.includes(KAFKA_VERSION) && !pom.includes(REGISTRY_VERSION));
});
