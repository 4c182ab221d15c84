/** docs/events.md is true: its examples are read without loss, and it has every key and field that the collector knows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { EVENT_OF_TOKEN, KEYS } from './cmcd-keys.ts';
import { normaliseEventBody } from './normalise-cmcd.ts';
import { JSON_EVENTS, jsonFields, normaliseJson } from './normalise-json.ts';
import { parseTenants } from './settings.ts';
import { testContext } from './testing.ts';

const page = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'events.md'), 'utf8');
const context = testContext();

function examples(language: string): readonly string[] {
  const found = [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(
    (match) => match[1]!,
  );
  assert.ok(found.length > 0, language);
  return found;
}

test('every example is read whole', () => {
  const cmcd = examples('cmcd').map((body) => normaliseEventBody(body, context));
  const json = [...examples('json'), ...examples('ndjson')].map((body) => normaliseJson(body, context));
  for (const { events, dropped } of [...cmcd, ...json]) {
    assert.deepEqual(dropped, []);
    assert.ok(events.length > 0);
    for (const { droppedKeys } of events) assert.deepEqual(droppedKeys, []);
  }
  for (const tenants of examples('tenants'))
    assert.equal(parseTenants(JSON.parse(tenants), 'docs').length, 1);
});

test('every key, event and field is named', () => {
  const words = new Set([...page.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!));
  for (const key of [...KEYS.keys(), ...EVENT_OF_TOKEN.keys()]) assert.ok(words.has(key), `key ${key}`);
  for (const field of jsonFields()) assert.ok(words.has(field), `field ${field}`);
  for (const event of JSON_EVENTS) assert.ok(page.includes(event), `event ${event}`);
  const told = [...page.matchAll(/`(com\.everyview-[a-z-]+)`/g)].map((match) => match[1]!);
  for (const key of told) assert.ok(KEYS.has(key) || key === 'com.everyview-shown-br', `${key} is read`);
});

test("hls.js's keys in the page of the test are those of the document", () => {
  const list = /includeKeys: \[([^\]]+)\]/.exec(page)![1]!;
  const documented = new Set([...list.matchAll(/'([^']+)'/g)].map((match) => match[1]!));
  const player = readFileSync(
    path.join(import.meta.dirname, '..', '..', 'test', 'browser', 'player.js'),
    'utf8',
  );
  const keys = /const KEYS = \[([\s\S]+?)\n\];/.exec(player)![1]!;
  assert.deepEqual(new Set([...keys.matchAll(/'([^']+)'/g)].map((match) => match[1]!)), documented);
});
