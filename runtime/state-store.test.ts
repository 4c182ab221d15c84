import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StateStore } from './state-store.ts';
import { structCodec } from './struct-codec.ts';
import type { AnyReducer } from './topology.ts';

const keeping = {
  name: 'keeping',
  state: structCodec({ version: 1, fields: { text: 'string' } }),
  init: () => ({ text: '' }),
  step: () => [],
} as unknown as AnyReducer;

function newStore(): StateStore<null> {
  const store = new StateStore<null>('texts', 'keeping-texts');
  store.addReducer(keeping, null);
  return store;
}

/** The changelog's entry of a key that keeps this text. */
function entryOf(key: string, text: string): Uint8Array {
  const store = newStore();
  const entry = store.add(key);
  store.addSlot(entry, 0).state = { text };
  store.markDirty(entry);
  let bytes = new Uint8Array(0);
  store.takeDirty((_key, buffer, length) => {
    bytes = buffer!.slice(0, length);
  });
  return bytes;
}

/** What the undecoded states of these keys keep in memory. */
function bytesKept(store: StateStore<null>, keys: readonly string[]): number {
  const slabs = new Set(keys.map((key) => store.find(key)!.slots[0]!.savedIn!.buffer));
  return [...slabs].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

test('what a changelog says of a key over and over takes no memory once it is restored', () => {
  const store = newStore();
  const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
  const restore = (key: string, text: string): void =>
    void store.restore(key, entryOf(key, text), store.find(key));
  // each key falls silent at another time, as sessions do that end
  for (const [at, key] of keys.entries())
    for (let again = 0; again < 60; again++)
      restore(keys[at + (again % (20 - at))]!, `${key} ${again} ${'.'.repeat(200)}`);
  const before = bytesKept(store, keys);
  store.endRestore();
  const after = bytesKept(store, keys);
  assert.ok(before > 100_000, `${before} bytes before`);
  assert.ok(after <= 10_000, `${after} bytes after`);
  for (const [at, key] of keys.entries()) {
    const slot = store.find(key)!.slots[0]!;
    assert.match((store.stateOf(slot) as { text: string }).text, new RegExp(`^key-${at} \\d+ \\.{200}$`));
  }
});

test('what is still needed stays where it is when little was replaced', () => {
  const store = newStore();
  const keys = Array.from({ length: 500 }, (_, i) => `key-${i}`);
  for (const key of keys) store.restore(key, entryOf(key, `of ${key}`), undefined);
  const slabs = keys.map((key) => store.find(key)!.slots[0]!.savedIn);
  store.endRestore();
  assert.deepEqual(
    keys.map((key) => store.find(key)!.slots[0]!.savedIn === slabs[keys.indexOf(key)]),
    keys.map(() => true),
  );
  const [slot] = store.find('key-7')!.slots;
  assert.deepEqual(store.stateOf(slot!), { text: 'of key-7' });
});
