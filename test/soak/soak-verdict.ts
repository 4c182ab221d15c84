/** The end of a soak: what came out, held against each topology run once more over its recorded inputs. */
import { isTick } from '../../runtime/control-records.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { addCounts, type Counts, newCounts } from '../../runtime/task-counts.ts';
import { taskCountOf } from '../../runtime/worker.ts';
import type { ChaosRun } from '../chaos/chaos-run.ts';
import { compare, type TopicComparison } from '../chaos/comparison.ts';
import {
  countOf,
  everyTopic,
  openTransactions,
  readByJava,
  undecided,
  untilDecided,
} from '../chaos/evidence.ts';
import type { Instance } from '../chaos/instances.ts';
import type { JavaTools } from '../chaos/java-tools.ts';
import { partitionsOf } from '../chaos/log-reader.ts';
import { type Contents, QUIET_LIMITS, type Reference, referenceOf } from '../chaos/reference.ts';
import { type KnownSchemas, knownSchemas } from '../chaos/schemas.ts';
import { comparedTopics, SIDELINE_TOPICS } from '../chaos/subject.ts';

export type SoakVerdict = {
  readonly topics: readonly TopicComparison[];
  /** Committed on the source topic, ticks and configuration included. */
  readonly recordsIn: number;
  readonly acknowledged: number;
  /** Of the first topology: what became of each record of the source topic. */
  readonly counts: Counts;
  readonly deadLetters: number;
  readonly openTransactions: number;
};

/** Everybody has stopped; what is left to do is done first. What is wrong goes to the run's findings. */
export async function soakVerdict(run: ChaosRun, java: JavaTools): Promise<SoakVerdict> {
  const { frozenTopics, topologies } = run.subject;
  const finisher = await run.add([], QUIET_LIMITS);
  await untilDecided(run, frozenTopics);
  await untilIdle(run, finisher);
  await run.stop(finisher);
  const open = [...(await undecided(run, everyTopic(run))), ...(await openTransactions(run, java))];
  for (const one of open) run.find(`left open: ${one}`);
  const compared = comparedTopics(run.subject);
  const recorded = await readByJava(run, java, [...frozenTopics, ...compared]);
  const known = await knownSchemas(run.schemas.registry, recorded);
  const again = await againEach(run, recorded, known);
  const { differences, topics } = compare(
    { ...known, name: 'with faults', contents: withoutTicks(recorded, run.subject.derivedTopics) },
    { ...known, name: 'without', contents: new Map([...recorded, ...again.contents]) },
    compared,
  );
  for (const difference of differences) run.find(difference);
  const verdict = {
    topics,
    recordsIn: countOf(recorded, [SOURCE]),
    acknowledged: run.speakers.appendedTo(SOURCE),
    counts: again.counts.get(topologies[0]!.name)!,
    deadLetters: countOf(recorded, ['dead-letters']),
    openTransactions: open.length,
  };
  for (const fault of unaccounted(verdict)) run.find(fault);
  return verdict;
}

const SOURCE = 'frame-features';

/** Every record is there, and each of them was processed, left out for a reason, or a control record. */
function unaccounted({ recordsIn, acknowledged, counts, deadLetters, topics }: SoakVerdict): string[] {
  const { processed, leftOut } = counts;
  const controls = counts.controls + (counts.dropped.get('unknown-control-record') ?? 0);
  const letters = [...counts.deadLettered.values()].reduce((sum, count) => sum + count, 0);
  const faults: string[] = [];
  if (recordsIn < acknowledged)
    faults.push(`${acknowledged} records were acknowledged, and the log has ${recordsIn}`);
  if (counts.recordsIn !== processed + leftOut)
    faults.push(`of ${counts.recordsIn} records ${processed} were processed and ${leftOut} left out`);
  if (recordsIn !== counts.recordsIn + controls)
    faults.push(
      `the log has ${recordsIn} records, ${counts.recordsIn} and ${controls} controls were counted`,
    );
  if (letters !== deadLetters) faults.push(`${letters} dead letters were counted, ${deadLetters} written`);
  for (const { topic, records } of topics)
    if (records === 0 && topic !== 'late-records') faults.push(`nothing came out on ${topic}`);
  return faults;
}

async function againEach(run: ChaosRun, recorded: Contents, { codec }: KnownSchemas): Promise<Reference> {
  const { subject } = run;
  const partitions = run.partitions.get(SOURCE)!;
  const contents = new Map<string, Contents extends ReadonlyMap<string, infer P> ? P : never>();
  const counts = new Map<string, Counts>();
  for (const topology of subject.topologies) {
    const read = new Set<string>(['everyview-config', ...topology.sources.map(({ topic }) => topic)]);
    const inputs = new Map([...recorded].filter(([topic]) => read.has(topic)));
    const one = await referenceOf({ topologies: [topology], subject, inputs, partitions, codec });
    for (const { topic } of topology.sinks) contents.set(topic, one.contents.get(topic)!);
    for (const topic of SIDELINE_TOPICS) {
      const before = contents.get(topic);
      const more = one.contents.get(topic)!;
      contents.set(topic, before?.map((records, partition) => [...records, ...more[partition]!]) ?? more);
    }
    const sum = newCounts();
    addCounts(sum, one.counts.get(topology.name)!);
    counts.set(topology.name, sum);
  }
  return { contents, counts };
}

/** A reader that waited for a seal in vain says so in the log: its own input, not what the writer has to say again. */
function withoutTicks(contents: Contents, topics: readonly string[]): Contents {
  return new Map(
    [...contents].map(([topic, partitions]) => [
      topic,
      topics.includes(topic)
        ? partitions.map((records) => records.filter(({ headers }) => !isTick(headers)))
        : partitions,
    ]),
  );
}

/** Until it has every task, has read all there is, and writes nothing more. */
async function untilIdle(run: ChaosRun, finisher: Instance): Promise<void> {
  const taskCount = run.subject.topologies.reduce((sum, one) => sum + taskCountOf(one, run.partitions), 0);
  if (!(await finisher.until(() => finisher.openTasks.size === taskCount, OPEN_MS_MAX)))
    throw new Error(`the last process did not get all tasks\n${finisher.describe()}`);
  const places = partitionsOf(
    comparedTopics(run.subject).map((topic) => [topic, run.partitions.get(topic)!]),
  );
  const deadlineMs = systemClock.nowMs() + IDLE_MS_MAX;
  for (let before = '', quietTurns = 0; quietTurns < QUIET_TURNS; ) {
    const { tasks } = await finisher.report();
    const ends = (await run.port.bounds(places)).map(({ highWatermark }) => highWatermark).join();
    const isQuiet = ends === before && tasks.every(({ behind }) => behind === 0);
    quietTurns = isQuiet ? quietTurns + 1 : 0;
    before = ends;
    if (systemClock.nowMs() > deadlineMs) throw new Error(`not at the end: ${JSON.stringify(tasks)}`);
    await systemClock.sleep(TURN_MS);
  }
}

const OPEN_MS_MAX = 120_000;
const IDLE_MS_MAX = 120_000;
const QUIET_TURNS = 3;
const TURN_MS = 1_000;
