/** What a reader sees: committed data only, always with progress, never a silent jump. */
import assert from 'node:assert/strict';
import { CommittedReader } from '../../runtime/committed-reader.ts';
import type { ProduceResult } from '../../runtime/port.ts';
import { batchesOf } from '../../runtime/record-batch.ts';
import type { Case } from './conformance.ts';
import { batch, partitionsOf } from './lab.ts';
import { laidOut } from './laid-out.ts';

export const READING_CASES: readonly Case[] = [
  {
    name: 'transactions that abort in another order than they began leave nothing behind',
    body: async (lab) => {
      const topic = await lab.topic();
      const [a, b] = [await lab.producer(), await lab.producer()];
      a.begin();
      b.begin();
      await a.send([batch(topic, 0, 'A-aborted-0', 'A-aborted-1')]);
      await b.send([batch(topic, 0, 'B-aborted')]);
      await b.abort();
      await a.abort();
      await lab.transact(a, 'commit', batch(topic, 0, 'A-committed'));
      await lab.transact(b, 'commit', batch(topic, 0, 'B-committed'));
      assert.deepEqual(await lab.values(topic), ['A-committed', 'B-committed']);
    },
  },
  {
    name: 'a data key that looks like an abort marker ends nothing',
    body: async (lab) => {
      const topic = await lab.topic();
      const producer = await lab.producer();
      const lookalike = { key: new Uint8Array(4), value: 'aborted-0' };
      await lab.transact(
        producer,
        'abort',
        batch(topic, 0, lookalike, 'aborted-1'),
        batch(topic, 0, 'aborted-2'),
      );
      await lab.transact(producer, 'commit', batch(topic, 0, { ...lookalike, value: 'committed' }));
      assert.deepEqual(await lab.values(topic), ['committed']);
    },
  },
  {
    name: 'a producer that aborts time and again is read right, from any offset',
    body: async (lab) => {
      const topic = await lab.topic();
      const producer = await lab.producer();
      for (let round = 0; round < 4; round++) {
        await lab.transact(producer, 'abort', batch(topic, 0, `aborted-${round}`));
        await lab.transact(producer, 'commit', batch(topic, 0, `committed-${round}`));
      }
      const all = await lab.records(topic);
      assert.deepEqual(
        all.map(({ value }) => value),
        ['committed-0', 'committed-1', 'committed-2', 'committed-3'],
      );
      const [bounds] = await (await lab.port()).bounds(partitionsOf(topic));
      for (let from = 0; from < bounds!.stableEnd; from++) {
        const tail = all.filter(({ offset }) => offset >= from);
        assert.deepEqual(await lab.records(topic, 0, from), tail, `from ${from}`);
      }
    },
  },
  {
    name: 'what is not decided is not read, nor anything behind it',
    body: async (lab) => {
      const topic = await lab.topic();
      const [open, done] = [await lab.producer(), await lab.producer()];
      await lab.transact(done, 'commit', batch(topic, 0, 'before'));
      open.begin();
      await open.send([batch(topic, 0, 'open')]);
      await lab.transact(done, 'commit', batch(topic, 0, 'behind'));
      assert.deepEqual(await lab.valuesNow(topic), ['before']);
      await open.commit();
      assert.deepEqual(await lab.values(topic), ['before', 'open', 'behind']);
    },
  },
  {
    name: 'a batch that compaction emptied does not stop a reader',
    body: async (lab) => {
      const port = await lab.port();
      // two segments too large to be merged: the batch is the last in one, its marker the first in the next
      const large = 'x'.repeat(600_000);
      const { topic, baseOffset } = await laidOut(async () => {
        const topic = await lab.topic({ 'cleanup.policy': 'compact', ...lab.subject.compactedConfigs });
        const [early, late] = [await lab.producer(), await lab.producer()];
        await lab.transact(late, 'commit', batch(topic, 0, { key: 'a', value: large }));
        early.begin();
        const [{ baseOffset }] = (await early.send([batch(topic, 0, { key: 'k', value: 'old' })])) as [
          ProduceResult,
        ];
        await lab.subject.rollSegment(topic);
        await early.commit();
        const behind = [
          batch(topic, 0, { key: 'k', value: 'new' }),
          batch(topic, 0, { key: 'b', value: large }),
        ];
        await lab.transact(late, 'commit', ...behind);
        await lab.subject.rollSegment(topic);
        await lab.transact(late, 'commit', batch(topic, 0, { key: 'end', value: 'end' }));
        await lab.subject.compact({ topic, partition: 0 });
        return { topic, baseOffset };
      });
      assert.deepEqual(await lab.values(topic), [large, 'new', large, 'end']);
      const [fetched] = await port.fetch([{ topic, partition: 0, offset: baseOffset }], 0, 1 << 20);
      const [first] = batchesOf(fetched!.batches);
      assert.deepEqual(
        [first!.baseOffset, first!.recordCount],
        [baseOffset, 0],
        'the batch is there, and empty',
      );
      const reader = new CommittedReader();
      reader.reset(fetched!, baseOffset);
      while (reader.next());
      assert.ok(reader.position > baseOffset);
    },
  },
  {
    name: 'an offset outside the log is an error that names the bounds, never another offset',
    body: async (lab) => {
      const topic = await lab.topic();
      const port = await lab.port();
      await lab.transact(
        await lab.producer(),
        'commit',
        batch(topic, 0, ...Array.from({ length: 9 }, (_, i) => `${i}`)),
      );
      await lab.subject.deleteBefore({ topic, partition: 0 }, 4);
      for (const offset of [3, 11, 1_000_000]) {
        await assert.rejects(port.fetch([{ topic, partition: 0, offset }], 0, 1000), {
          code: 'offset-out-of-range',
          kind: 'fatal',
          message: /\b4\b.*\b10\b/,
        });
      }
      assert.deepEqual(await lab.values(topic, 0, 4), ['4', '5', '6', '7', '8']);
      const [fetched] = await port.fetch([{ topic, partition: 0, offset: 10 }], 0, 1000);
      assert.equal(fetched!.batches.length, 0, 'the end of the log is a place to wait at');
      assert.deepEqual(fetched!.bounds, { start: 4, stableEnd: 10, highWatermark: 10 });
    },
  },
  {
    name: 'a topic with LogAppendTime stamps every record, another one keeps what its writers say',
    body: async (lab) => {
      const stamped = await lab.topic({ 'message.timestamp.type': 'LogAppendTime' });
      const kept = await lab.topic();
      const producer = await lab.producer();
      const records = [1_000, 5, 2_000].map((timestampMs) => ({ value: 'v', timestampMs }));
      const beforeMs = lab.subject.clock.nowMs();
      producer.begin();
      const results = await producer.send([batch(stamped, 0, ...records), batch(kept, 0, ...records)]);
      await producer.commit();
      const timesOf = async (topic: string) =>
        (await lab.records(topic)).map(({ timestampMs }) => timestampMs);
      assert.deepEqual(await timesOf(kept), [1_000, 5, 2_000]);
      const times = await timesOf(stamped);
      assert.equal(new Set(times).size, 1);
      assert.ok(times[0]! >= beforeMs && times[0]! <= lab.subject.clock.nowMs());
      const timeOf = (topic: string) => results.find((result) => result.topic === topic)!.logAppendTimeMs;
      assert.deepEqual([timeOf(stamped), timeOf(kept)], [times[0], -1]);
    },
  },
  {
    name: 'keys, values, tombstones and headers come back byte for byte',
    body: async (lab) => {
      const topic = await lab.topic();
      const headers = [
        ['name', Buffer.from('ä')],
        ['name', Buffer.from('twice')],
        ['', new Uint8Array(0)],
      ] as const;
      await lab.transact(
        await lab.producer(),
        'commit',
        batch(
          topic,
          0,
          { key: 'k', value: null },
          { key: null, value: '' },
          { key: '', value: 'ö', headers, timestampMs: 7 },
        ),
      );
      assert.deepEqual(await lab.records(topic), [
        { offset: 0, timestampMs: 0, key: 'k', value: null, headers: [] },
        { offset: 1, timestampMs: 0, key: null, value: '', headers: [] },
        {
          offset: 2,
          timestampMs: 7,
          key: '',
          value: 'ö',
          headers: [
            ['name', 'ä'],
            ['name', 'twice'],
            ['', ''],
          ],
        },
      ]);
    },
  },
  {
    name: 'a fetch waits for data, and answers for every partition when its time is up',
    body: async (lab) => {
      const topic = await lab.topic({}, 3);
      const [port, other] = [await lab.port(), await lab.openPort()];
      const { clock } = lab.subject;
      const requests = partitionsOf(topic, 3).map((one) => ({ ...one, offset: 0 }));
      const startedAtMs = clock.nowMs();
      const idle = await port.fetch(requests, 300, 1 << 20);
      assert.ok(clock.nowMs() - startedAtMs >= 290);
      assert.deepEqual(
        [...idle]
          .sort((a, b) => a.partition - b.partition)
          .map(({ partition, batches, bounds }) => [partition, batches.length, bounds.highWatermark]),
        [
          [0, 0, 0],
          [1, 0, 0],
          [2, 0, 0],
        ],
      );
      const polling = port.fetch(requests, 30_000, 1 << 20);
      await lab.transact(await lab.producer(undefined, { port: other }), 'commit', batch(topic, 1, 'news'));
      const answered = await polling;
      assert.ok(clock.nowMs() - startedAtMs < 10_000, 'woken by the data, not by the time');
      assert.ok(answered.find(({ partition }) => partition === 1)!.batches.length > 0);
    },
  },
  {
    name: 'bytes are bounded, and no partition starves',
    body: async (lab) => {
      const topic = await lab.topic({}, 2);
      const port = await lab.port();
      const large = 'x'.repeat(500_000);
      const producer = await lab.producer();
      await lab.transact(
        producer,
        'commit',
        ...[0, 1].flatMap((partition) => [0, 1, 2].map(() => batch(topic, partition, large))),
      );
      const positions = [0, 0];
      const reader = new CommittedReader();
      let records = 0;
      for (let fetches = 0; records < 6; fetches++) {
        assert.ok(fetches < 50, 'every fetch makes progress');
        const requests = positions.map((offset, partition) => ({ topic, partition, offset }));
        for (const fetched of await port.fetch(requests, 1_000, 100_000)) {
          assert.ok(fetched.batches.length <= 1_500_000, 'one batch more than asked for, at most');
          reader.reset(fetched, positions[fetched.partition]!);
          while (reader.next()) records++;
          positions[fetched.partition] = reader.position;
        }
      }
    },
  },
];
