/** A slice of `npm run sim`, and what a schedule of faults alone does not show: who reads what first, and how many share. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { FetchedPartition, FetchRequest, LogPort } from '../../runtime/port.ts';
import { differences } from './compare.ts';
import { faultTable, thinCells } from './fault-table.ts';
import { CELLS, nameOf, STEPS } from './faults.ts';
import { planOf } from './plan.ts';
import { type Recorded, replay } from './quiet-run.ts';
import { reportOf } from './report.ts';
import { runSeed } from './seed.ts';
import { simulate } from './simulate.ts';
import { addSeed, keepTotals, keptTotals } from './totals.ts';
import type { Contents } from './world.ts';

const EVENTS = 2_000;

test('seeds of 2,000 events, faults at every step, differ in nothing from runs without', async () => {
  for (let seed = 1; seed <= 16; seed++) {
    const { findings } = await runSeed({ seed, events: EVENTS });
    assert.deepEqual(findings, [], `repeat it with: npm run sim -- --seed ${seed} --events ${EVENTS}`);
  }
});

test('the same frozen input gives the same output with 1 and with 3 instances, at any pace', async () => {
  const recorded = await recordedRun(7);
  const one = await replay(recorded, { commitEveryMs: 5_000 });
  for (const commitEveryMs of [1, 300]) {
    const three = await replay(recorded, { commitEveryMs, instances: 3 });
    assert.deepEqual(differences(one.contents, three.contents, ['1 instance', '3 instances']), []);
  }
});

test('the same frozen input gives the same output whichever input of a merged pair is read first', async () => {
  const recorded = await recordedRun(11);
  const plain = await replay(recorded, { commitEveryMs: 100 });
  for (const late of ['playback-events', 'stream-defects', 'cohort-windows', 'cohort-partials']) {
    const wrap = (port: LogPort): LogPort => withheld(port, late);
    const other = await replay(recorded, { commitEveryMs: 100, wrap });
    assert.deepEqual(differences(plain.contents, other.contents, ['plain', `${late} last`]), []);
    assert.ok(countOf(other.contents, 'qos-alerts') > 50, 'there is something to compare');
  }
});

test('readers that go on without a writer say so in the log, and each topology repeats it from there', async () => {
  let sum = 0;
  for (let seed = 24; seed <= 120; seed += 8) {
    const { findings, ticks } = await runSeed({ seed, events: 800 });
    assert.deepEqual(findings, [], `repeat it with: npm run sim -- --seed ${seed} --events 800`);
    sum += ticks;
  }
  assert.ok(sum > 100, `${sum} ticks on derived topics`);
});

test('the same seed makes the same plan, and a stretch of seeds schedules every fault at every step', () => {
  const armed = new Map<string, number>();
  for (let seed = 1; seed <= 40; seed++) {
    const plan = planOf({ seed, events: 100 });
    assert.deepEqual(planOf({ seed, events: 100 }), plan);
    assert.ok(plan.records >= 100);
    for (const { event } of plan.timeline) {
      if (event.kind === 'arm') armed.set(nameOf(event.fault), (armed.get(nameOf(event.fault)) ?? 0) + 1);
    }
  }
  assert.equal(armed.size, CELLS.length);
});

test('a cell that is hit too rarely is named', () => {
  const fired = new Map(CELLS.map((cell) => [nameOf(cell), 50]));
  assert.deepEqual(thinCells(fired, 10_000), []);
  fired.set('refuse produce', 49);
  assert.deepEqual(thinCells(fired, 10_000), ['refuse produce: 49 of 50']);
  assert.deepEqual(thinCells(fired, 1_000), []);
  const missed = new Map([['delay sync', 3]]);
  assert.match(faultTable(fired, missed), /^produce +50 +50 +50 +50 +49 /m);
  assert.match(faultTable(fired, missed), /^sync .* 50\/3 /m);
});

test('a run that was cut off goes on with what it kept, and only with that', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'everyview-simulation-'));
  try {
    const file = path.join(folder, 'kept.json');
    const of = { commit: 'c', events: 100 };
    const totals = keptTotals(file, of);
    addSeed(totals, await runSeed({ seed: 3, events: 100, twice: false }));
    keepTotals(file, of, totals);
    assert.deepEqual(keptTotals(file, of), totals);
    assert.ok(totals.done.has(3) && totals.events >= 100);
    assert.throws(() => keptTotals(file, { ...of, events: 200 }), /is of a run of commit c with 100 events/);
    const page = reportOf(of, { first: 1, seeds: 1 }, totals);
    const rows = page.split('\n').filter((line) => /^\| [a-z-]+ \|( [\d,]+ \|){11}$/.test(line));
    assert.equal(rows.length, STEPS.length);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** What a run with faults left in its topics. */
async function recordedRun(seed: number): Promise<Recorded> {
  const plan = planOf({ seed, events: EVENTS });
  const { contents, violations } = await simulate(plan);
  assert.deepEqual(violations, []);
  return { contents, partitions: plan.partitions, startMs: plan.startMs };
}

/** A port on which one topic gives nothing for the first seconds, however often it is asked. */
function withheld(port: LogPort, topic: string): LogPort {
  let asked = 0;
  const fetch = async (requests: readonly FetchRequest[], maxWaitMs: number, maxBytes: number) => {
    const isMixed =
      requests.some((one) => one.topic !== topic) && requests.some((one) => one.topic === topic);
    asked += 1;
    // behind it the others are read to their ends
    const wanted = isMixed && asked < 5 ? requests.filter((one) => one.topic !== topic) : requests;
    return port.fetch(wanted, maxWaitMs, maxBytes) as Promise<readonly FetchedPartition[]>;
  };
  return new Proxy(port, {
    get: (target, name) => {
      if (name === 'fetch') return fetch;
      const member = target[name as keyof LogPort];
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

function countOf(contents: Contents, topic: string): number {
  return contents.get(topic)!.flat().length;
}
