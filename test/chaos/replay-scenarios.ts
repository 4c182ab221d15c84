/** The same frozen input, on the real broker, by other numbers of instances and with its inputs read in another order. */
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import { BatchBuilder, NO_PRODUCER } from '../../runtime/record-batch.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { ChaosRun } from './chaos-run.ts';
import { compare } from './comparison.ts';
import { readByJava, readByUs, removeTopics, untilWritten } from './evidence.ts';
import type { JavaTools } from './java-tools.ts';
import { type Contents, QUIET_LIMITS } from './reference.ts';
import { FIRES_MS_MAX, type Scenario } from './scenario.ts';
import { comparedTopics } from './subject.ts';
import type { Remains } from './verdict.ts';

type Variant = { readonly instances: number; readonly lastTopics: readonly string[] };

/** Each input of sim-scoring and of sim-alerting is once the one that is read last. */
const VARIANTS: readonly Variant[] = [
  { instances: 1, lastTopics: ['stream-defects'] },
  { instances: 1, lastTopics: ['playback-events', 'cohort-windows'] },
  { instances: 3, lastTopics: ['stream-defects'] },
  { instances: 3, lastTopics: ['playback-events', 'cohort-windows'] },
];

export const REPLAY_SCENARIOS: readonly Scenario[] = [
  {
    name: 'same-input',
    what: 'acceptance 4: frozen sources copied with their timestamps, then 1 and 3 instances, either input of a merged pair read first',
    brokers: 'one',
    run: async (run) => {
      await run.add();
      await run.add();
      await run.settle();
      await systemClock.sleep(RECORDED_MS);
    },
    replay: replays(VARIANTS, (run, topics, java) => readByJava(run, java, topics)),
  },
];

/** One process and three, each with another input first: both questions in two runs. */
export const replayBoth = replays([VARIANTS[0]!, VARIANTS[3]!], readByUs);

type Read = (run: ChaosRun, topics: readonly string[], java: JavaTools) => Promise<Contents>;

function replays(variants: readonly Variant[], read: Read): NonNullable<Scenario['replay']> {
  return async (run, java, remains) => {
    for (const variant of variants)
      await replayOne(run, (other, topics) => read(other, topics, java), remains, variant);
  };
}

const RECORDED_MS = 12_000;
const BATCH_RECORDS = 500;

async function replayOne(
  recorded: ChaosRun,
  read: (run: ChaosRun, topics: readonly string[]) => Promise<Contents>,
  remains: Remains,
  { instances, lastTopics }: Variant,
): Promise<void> {
  const text = `${instances} ${instances === 1 ? 'instance' : 'instances'}, ${lastTopics.join(' and ')} read last`;
  const run = await ChaosRun.open({ ...recorded.options, isSilent: true });
  try {
    recorded.trace(`replay: ${text}`);
    const sources = await copySources(run, remains.contents);
    for (let i = 0; i < instances; i++) await run.add([], QUIET_LIMITS, lastTopics);
    const held = run.subject.topologies.filter(({ sources: inputs }) =>
      inputs.some(({ topic }) => lastTopics.includes(topic)),
    );
    for (const { name } of held.filter(({ sources: inputs }) => inputs.length > 1)) {
      const released = run.instances.map((one) => one.until(() => one.released.has(name), FIRES_MS_MAX));
      if (!(await Promise.race([anyOf(released), Promise.all(released).then((all) => all.includes(true))])))
        recorded.notFired(`${text}: ${name} reads one input first`);
    }
    await untilWritten(run, run.instances, remains.contents);
    await run.stopAll();
    const compared = comparedTopics(run.subject);
    const derived = await read(run, compared);
    const { differences, records } = compare(
      { ...remains, name: 'recorded' },
      { ...remains, name: text, contents: new Map([...sources, ...derived]) },
      compared,
    );
    for (const difference of [...differences, ...run.findings]) recorded.find(`${text}: ${difference}`);
    recorded.fired(`${text}: ${records} records ${differences.length === 0 ? 'equal' : 'DIFFERENT'}`);
    await removeTopics(run);
  } finally {
    await run.close();
  }
}

/** @returns the sources as they are in the copy: no markers, so an offset is a place */
export async function copySources(
  run: ChaosRun,
  contents: Contents,
): Promise<Map<string, readonly (readonly CommittedRecord[])[]>> {
  const copied = new Map<string, readonly (readonly CommittedRecord[])[]>();
  for (const topic of run.subject.frozenTopics) {
    const partitions = contents.get(topic)!;
    for (const [partition, records] of partitions.entries()) {
      for (let first = 0; first < records.length; first += BATCH_RECORDS) {
        const builder = new BatchBuilder();
        for (const { key, value, headers, timestampMs } of records.slice(first, first + BATCH_RECORDS))
          builder.append(key, value, headers, timestampMs);
        const bytes = builder.finish(NO_PRODUCER);
        await run.port.produce(null, [{ topic, partition, bytes, baseSequence: -1 }]);
      }
    }
    copied.set(
      topic,
      partitions.map((records) => records.map((record, offset) => ({ ...record, offset }))),
    );
  }
  return copied;
}

/** Resolves to true when one of them does; never to false. */
function anyOf(waiting: readonly Promise<boolean>[]): Promise<boolean> {
  return new Promise((resolve) => {
    for (const one of waiting) void one.then((value) => value && resolve(true));
  });
}
