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

export type SourceCount = {
  readonly topic: string;
  /** To producers. */
  readonly acknowledged: number;
  /** Committed, ticks and configuration included. */
  readonly records: number;
};

export type SoakVerdict = {
  readonly topics: readonly TopicComparison[];
  readonly sources: readonly SourceCount[];
  /** By topology: what became of each record, those of topics that every task reads counted for each. */
  readonly counts: ReadonlyMap<string, Counts>;
  readonly deadLetters: number;
  readonly openTransactions: number;
};

/** Everybody has stopped; what is left to do is done first. What is wrong goes to the run's findings. */
export async function soakVerdict(run: ChaosRun, java: JavaTools): Promise<SoakVerdict> {
  const { frozenTopics } = run.subject;
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
  // both read the same records, at the same offsets: only what they wrote themselves lies elsewhere
  const { differences, topics } = compare(
    {
      ...known,
      name: 'with faults',
      contents: withoutTicks(recorded, run.subject.derivedTopics),
      cited: recorded,
    },
    { ...known, name: 'without', contents: new Map([...recorded, ...again.contents]), cited: recorded },
    compared,
  );
  for (const difference of differences) run.find(difference);
  const verdict = {
    topics,
    sources: frozenTopics
      .filter((topic) => topic !== 'everyview-config')
      .map((topic) => ({
        topic,
        acknowledged: run.speakers.appendedTo(topic),
        records: countOf(recorded, [topic]),
      })),
    counts: again.counts,
    deadLetters: countOf(recorded, ['dead-letters']),
    openTransactions: open.length,
  };
  for (const fault of unaccounted(verdict)) run.find(fault);
  return verdict;
}

/** Every record is there, and each of them was processed, or left out for a reason. */
function unaccounted({ sources, counts, deadLetters, topics }: SoakVerdict): string[] {
  const faults: string[] = [];
  for (const { topic, acknowledged, records } of sources)
    if (records < acknowledged)
      faults.push(`${acknowledged} records were acknowledged on ${topic}, and the log has ${records}`);
  let letters = 0;
  for (const [topology, { recordsIn, processed, leftOut, deadLettered }] of counts) {
    if (recordsIn !== processed + leftOut)
      faults.push(`${topology}: of ${recordsIn} records ${processed} were processed and ${leftOut} left out`);
    for (const count of deadLettered.values()) letters += count;
  }
  if (letters !== deadLetters) faults.push(`${letters} dead letters were counted, ${deadLetters} written`);
  const detection = counts.get('stream-detection')!;
  const controls = detection.controls + (detection.dropped.get('unknown-control-record') ?? 0);
  const features = sources.find(({ topic }) => topic === 'frame-features')!.records;
  if (features !== detection.recordsIn + controls)
    faults.push(`frame-features has ${features} records, ${detection.recordsIn} and ${controls} were read`);
  for (const { topic, records } of topics)
    if (records === 0 && topic !== 'late-records') faults.push(`nothing came out on ${topic}`);
  return faults;
}

async function againEach(run: ChaosRun, recorded: Contents, { codec }: KnownSchemas): Promise<Reference> {
  const { subject } = run;
  const partitions = run.partitions.get('frame-features')!;
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
