/** A slice of `npm run chaos`, on the cluster that all tests share; and whether its checks can fail. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import { testCluster } from '../support/local-cluster.ts';
import { compare } from './comparison.ts';
import { resolveJavaParts } from './java-parts.ts';
import { parseRecord } from './java-tools.ts';
import { performOne } from './perform.ts';
import type { Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';
import { Strikes } from './struck-port.ts';
import type { Remains } from './verdict.ts';

const cluster = await testCluster();
after(() => cluster.stop());

test('processes that are killed and suspended leave no trace in what comes out', async () => {
  const parts = await resolveJavaParts();
  const slice = SCENARIOS.find(({ name }) => name === 'slice')!;
  const found: Remains[] = [];
  const replay: Scenario['replay'] = async (run, java, remains) => {
    found.push(remains);
    await slice.replay!(run, java, remains);
  };
  const lines: string[] = [];
  const options = { ...cluster, seed: 1, onTrace: (line: string) => lines.push(line) };
  const verdict = await performOne({ ...slice, replay }, parts, options, null);
  assert.deepEqual(verdict.findings, [], lines.join('\n'));
  assert.equal(verdict.isEqual, true);
  assert.ok(verdict.faults.length >= 5 && verdict.faults.every(({ fired }) => fired));
  assert.ok(verdict.recordsOut > 500 && verdict.late > 0 && verdict.deadLetters > 0, JSON.stringify(verdict));
  const [remains] = found;
  for (const [how, change] of CHANGES) {
    for (const topic of ['stream-defects', 'cohort-partials', 'qos-alerts', 'dead-letters'])
      assert.ok(differs(remains!, topic, change), `${topic} with ${how} is not the same`);
  }
  assert.ok(!differs(remains!, 'qos-alerts', (records) => [...records]), 'an unchanged copy is the same');
});

type Change = (records: readonly CommittedRecord[]) => readonly CommittedRecord[];

/** What a broken run could have done to one record in the middle. */
const CHANGES: readonly (readonly [string, Change])[] = [
  ['a record missing', (records) => records.toSpliced(middleOf(records), 1)],
  ['a record twice', (records) => records.toSpliced(middleOf(records), 0, records[middleOf(records)]!)],
  [
    'a record at another time',
    (records) => withMiddle(records, (one) => ({ ...one, timestampMs: one.timestampMs + 1 })),
  ],
  ['another key', (records) => withMiddle(records, (one) => ({ ...one, key: Buffer.from('other') }))],
  [
    'one header more',
    (records) =>
      withMiddle(records, (one) => ({ ...one, headers: [...one.headers, ['x', new Uint8Array(0)]] })),
  ],
  [
    'one byte changed',
    (records) =>
      withMiddle(records, (one) => {
        const value = Buffer.from(one.value!);
        value[value.length - 1]! ^= 1;
        return { ...one, value };
      }),
  ],
];

/** Changes the first partition of the topic that has enough in it. */
function differs(remains: Remains, topic: string, change: Change): boolean {
  const partitions = remains.contents.get(topic)!;
  const at = partitions.findIndex((records) => records.filter(({ value }) => value !== null).length > 2);
  assert.ok(at >= 0, `there is something on ${topic}`);
  const contents = new Map(remains.contents).set(
    topic,
    partitions.map((records, partition) => (partition === at ? change(records) : records)),
  );
  const sides = [
    { ...remains, name: 'as it is' },
    { ...remains, name: 'changed', contents },
  ] as const;
  return compare(...sides, [topic]).differences.length > 0;
}

/** Of the records with a value. */
function middleOf(records: readonly CommittedRecord[]): number {
  const places = [...records.keys()].filter((i) => records[i]!.value !== null);
  return places[places.length >> 1]!;
}

function withMiddle(
  records: readonly CommittedRecord[],
  change: (record: CommittedRecord) => CommittedRecord,
): readonly CommittedRecord[] {
  return records.with(middleOf(records), change(records[middleOf(records)]!));
}

test('what the console consumer prints is turned back into the very bytes', () => {
  const line = [
    'CreateTime:1700000000001',
    'Partition:3',
    'Offset:12',
    'a:tick\\;b:\\x00,:\\x09\\;c:',
    'k\\x5Cx41',
    'NULL',
  ];
  assert.deepEqual(parseRecord(line.join('\t'), 'NULL'), {
    partition: 3,
    offset: 12,
    timestampMs: 1_700_000_000_001,
    headers: [
      ['a', Buffer.from('tick')],
      ['b', Buffer.from([0, 44, 58, 9])],
      ['c', Buffer.alloc(0)],
    ],
    key: Buffer.from('k\\x41'),
    value: null,
  });
  assert.throws(() => parseRecord('ERROR something happened', 'NULL'), /not a record/);
});

test('a strike meets the request that it was armed for, at its moment, once', async () => {
  const said: string[] = [];
  const strikes = new Strikes(({ moment }) => said.push(`strike ${moment}`));
  const ask = (name: string) => async (): Promise<void> => {
    said.push(name);
  };
  const strike = { deed: 'kill', step: 'produce', topology: 'one', skip: 1 } as const;
  strikes.arm({ ...strike, moment: 'before' });
  await strikes.at('other', 'produce', ask('other'));
  await strikes.at('one', 'fetch', ask('fetch'));
  await strikes.at('one', 'produce', ask('first'));
  await strikes.at('one', 'produce', ask('second'));
  await strikes.at('one', 'produce', ask('third'));
  strikes.arm({ ...strike, moment: 'after', skip: 0 });
  await strikes.at('one', 'produce', ask('fourth'));
  assert.deepEqual(said, [
    ...['other', 'fetch', 'first', 'strike before', 'second', 'third', 'fourth', 'strike after'],
  ]);
});
