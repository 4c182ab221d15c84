import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FrameFeatures } from '../../schemas/records.ts';
import { createBoundedWriter, type FeatureSink } from './bounded-writer.ts';

type Open = { readonly seq: number; readonly resolve: () => void; readonly reject: (cause: Error) => void };

test('at file pace nothing is dropped: push waits until there is room', async () => {
  const { sink, open } = slowSink();
  const writer = createBoundedWriter(sink, 2, 'wait', () => assert.fail('dropped'));
  await writer.push([record(0)]);
  const second = writer.push([record(1)]);
  assert.equal(await settled(second), false);
  open[0]!.resolve();
  await second;
  const drained = writer.drain();
  assert.equal(await settled(drained), false);
  open[1]!.resolve();
  await drained;
  assert.deepEqual(
    open.map((one) => one.seq),
    [0, 1],
  );
});

test('at live pace what does not fit is dropped and counted, and the stream goes on', async () => {
  const { sink, open } = slowSink();
  const drops: string[] = [];
  const writer = createBoundedWriter(sink, 2, 'drop', (reason) => drops.push(reason));
  await writer.push([record(0), record(1), record(2)]);
  assert.deepEqual(drops, ['sink-queue-full']);
  open[0]!.reject(new Error('no broker'));
  open[1]!.resolve();
  await writer.drain();
  assert.deepEqual(drops, ['sink-queue-full', 'sink-failed']);
  await writer.push([record(3)]);
  assert.deepEqual(
    open.map((one) => one.seq),
    [0, 1, 3],
  );
});

test('at file pace a sink that fails ends the stream with its reason', async () => {
  const { sink, open } = slowSink();
  const writer = createBoundedWriter(sink, 1, 'wait', () => assert.fail('dropped'));
  const pushed = writer.push([record(0)]);
  open[0]!.reject(new Error('no broker'));
  await assert.rejects(pushed, /no broker/);
  await assert.rejects(writer.drain(), /no broker/);
});

function slowSink(): { sink: FeatureSink; open: Open[] } {
  const open: Open[] = [];
  const write = (_key: string, written: FrameFeatures) =>
    new Promise<void>((resolve, reject) => open.push({ seq: written.seq, resolve, reject }));
  return { sink: { write }, open };
}

function record(seq: number): FrameFeatures {
  return { programmeId: 'p', seq } as FrameFeatures;
}

/** Whether a promise has settled once everything that can run has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const turn = new Promise((resolve) => setImmediate(() => resolve(pending)));
  return (await Promise.race([promise, turn])) !== pending;
}
