import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBroker } from '../runtime/memory-broker.ts';
import { type FaultPlan, PASS } from '../runtime/memory-faults.ts';
import { localCodec } from '../runtime/value-codec.ts';
import { VirtualClock } from '../runtime/virtual-clock.ts';
import type { ConfigEntry } from '../schemas/records.ts';
import { newTopics } from '../schemas/topics.ts';
import { followConfiguration } from './follow-configuration.ts';

const TOPIC = 'everyview-config';
const codec = localCodec();

/** A log with configurations, and somebody who follows it. */
async function startLab(entries: readonly ConfigEntry[], faults: FaultPlan = { decide: () => PASS }) {
  const clock = new VirtualClock({ startMs: 1_000_000 });
  const broker = new MemoryBroker({ clock });
  broker.createTopics(newTopics(1, 1));
  const put = (entry: ConfigEntry): void => {
    broker.append(TOPIC, 0, Buffer.from(entry.name), codec.encode(TOPIC, entry));
  };
  for (const entry of entries) put(entry);
  const told: unknown[] = [];
  const problems: string[] = [];
  const following = await clock.run(
    followConfiguration({
      ...{ port: broker.openPort({ clientId: 'follower', faults }), codec, clock },
      onConfiguration: (config) => told.push(config),
      onProblem: (message) => problems.push(message),
    }),
  );
  return { clock, broker, put, told, problems, stop: () => clock.run(following.stop()) };
}

function entryOf(body: string, kind = 'configuration'): ConfigEntry {
  const contentHash = `hash of ${body}`;
  const name = `${kind}/${contentHash}`;
  return { name, kind, contentHash, body, bodyVersion: 1, author: '', comment: '', createdAtMs: 0 };
}

test('none is in force in an empty log; then the latest one, each that takes its place told once', async () => {
  const { clock, put, told, problems, stop } = await startLab([]);
  assert.deepEqual(told, [null]);
  put(entryOf('{"a":1}'));
  await clock.advance(1_000);
  put(entryOf('{"a":1}'));
  await clock.advance(1_000);
  put(entryOf('{"a":2}'));
  await clock.advance(1_000);
  put(entryOf('{"a":1}'));
  await clock.advance(1_000);
  assert.deepEqual(told, [null, { a: 1 }, { a: 2 }, { a: 1 }]);
  await stop();
  put(entryOf('{"a":3}'));
  await clock.advance(60_000);
  assert.equal(told.length, 4);
  assert.deepEqual(problems, []);
});

test('of what is there at the start the latest configuration counts, and nothing but configurations', async () => {
  const { told, stop } = await startLab([
    ...[entryOf('{"a":1}'), entryOf('{"a":2}'), entryOf('{"loudness":-23}', 'expectations')],
  ]);
  assert.deepEqual(told, [{ a: 2 }]);
  await stop();
});

test('what cannot be read is said, and what was in force stays so', async () => {
  const { clock, broker, put, told, problems, stop } = await startLab([entryOf('{"a":1}')]);
  broker.append(TOPIC, 0, Buffer.from('x'), Buffer.from('no record'));
  put(entryOf('{"a":'));
  await clock.advance(1_000);
  assert.deepEqual(told, [{ a: 1 }]);
  assert.deepEqual(
    problems.map((text) => text.replace(/:.*/s, '')),
    ['a configuration cannot be read', 'configuration hash of {"a"'],
  );
  put(entryOf('{"a":2}'));
  await clock.advance(1_000);
  assert.deepEqual(told.at(-1), { a: 2 });
  await stop();
});

test('a log that cannot be read is an error at the start, and followed again later on', async () => {
  let isBroken = true;
  const faults: FaultPlan = {
    decide: ({ method }) =>
      isBroken && method === 'fetch' ? { kind: 'refuse', code: 'unauthorized' } : PASS,
  };
  await assert.rejects(startLab([entryOf('{"a":1}')], faults), /unauthorized/);
  isBroken = false;
  const { clock, put, told, problems, stop } = await startLab([entryOf('{"a":1}')], faults);
  isBroken = true;
  await clock.advance(25_000);
  assert.match(problems[0]!, /^the configuration cannot be followed: .*; trying again$/);
  put(entryOf('{"a":2}'));
  isBroken = false;
  await clock.advance(15_000);
  assert.deepEqual(told, [{ a: 1 }, { a: 2 }]);
  await stop();
});
