/** `docs/soak.md`, from the last run that was long enough, and what is printed of any run. */
import { cpus, totalmem } from 'node:os';
import { KAFKA_VERSION } from '../../local/versions.ts';
import { heapTrendOf, JUDGED_FROM_MINUTE, JUDGED_MINUTES_MIN, RISE_BASIS_POINTS_MAX } from './heap-trend.ts';
import { mebibytes, type SoakResult } from './soak-run.ts';

/** One sentence each; empty when the soak holds. */
export function faultsOf(result: SoakResult): readonly string[] {
  const trend = heapTrendOf(result.samples, result.minutes);
  const isGrown = trend !== null && !trend.isHeld;
  return [...result.findings, ...(isGrown ? [`the heap does not hold: ${heapText(result)}`] : [])];
}

function heapText({ samples, minutes }: SoakResult): string {
  const trend = heapTrendOf(samples, minutes);
  if (trend === null)
    return `heap: not judged, that takes a run of ${JUDGED_MINUTES_MIN} minutes; this one had ${minutes}`;
  const { fromMinute, toMinute, fromBytes, toBytes, riseBasisPoints } = trend;
  return (
    `live heap: ${mebibytes(fromBytes)} MiB at minute ${fromMinute}, ${mebibytes(toBytes)} MiB at ` +
    `minute ${toMinute}, ${percent(riseBasisPoints)} (allowed: less than ${percent(RISE_BASIS_POINTS_MAX)})`
  );
}

export function soakText(result: SoakResult): string {
  const faults = faultsOf(result);
  return [
    faults.length === 0
      ? 'The soak holds.'
      : `**The soak does not hold:**\n\n${faults.map((one) => `- ${one}`).join('\n')}`,
    '',
    ...lostText(result),
    `- ${heapText(result)}`,
    '',
    '| fault | times | worst recovery ms |',
    '|---|---|---|',
    ...faultRows(result),
    '',
    '| topic | records | with and without faults | hash |',
    '|---|---|---|---|',
    ...result.verdict.topics.map(
      ({ topic, records, isEqual, hash }) =>
        `| ${topic} | ${records} | ${isEqual ? 'equal' : 'DIFFERENT'} | \`${hash.slice(0, 12)}\` |`,
    ),
    '',
    '| minute | tasks | live heap MiB | of it code MiB | outside the heap MiB | RSS MiB |',
    '|---|---|---|---|---|---|',
    ...result.samples.map((sample) => {
      const { minute, tasks, liveHeapBytes, codeBytes, externalBytes, rssBytes } = sample;
      const sizes = [liveHeapBytes, codeBytes, externalBytes, rssBytes].map(mebibytes);
      return `| ${[minute, tasks, ...sizes].join(' | ')} |`;
    }),
  ].join('\n');
}

export function soakReport(result: SoakResult): string {
  const { minutes, seed, startedAt, streams, viewers } = result;
  return [
    '# Soak on a real Kafka',
    '',
    `Made by \`npm run soak -- --minutes ${minutes} --seed ${seed}\`, which writes this page when it runs for`,
    `${JUDGED_MINUTES_MIN} minutes or more; do not edit it.`,
    '',
    ...HOW,
    '',
    `Apache Kafka ${KAFKA_VERSION}, Node ${process.versions.node}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; ${streams} streams, ${viewers} viewers at a time, ${minutes} minutes from ${startedAt}.`,
    '',
    soakText(result),
    '',
  ].join('\n');
}

const HOW = [
  'All real topologies run in each of two worker processes with their default limits, each process behind a TCP proxy of',
  'its own, against one Kafka broker. Streams send a chunk of features a second each: black, frozen and silent spells,',
  'probes that die and start again; the simulated audience watches them and reports. Five records in a thousand are',
  'spoiled, some transactions given up, a new configuration comes every few minutes. Faults are drawn from the seed, one',
  'after the other, in the first 30 s of each minute; then all processes but one are ended, it takes over all tasks, and',
  'when everything has settled its memory is looked at: so what is held against each other is as much work.',
  '',
  'What is there for a bounded time has to be as much at minute 10 as later: so the configuration keeps sessions that are',
  'over, and defects for viewers who are behind, 4 minutes in place of 10, and the streams tell programme time, as live',
  'ones do (of what is on demand, without it, up to 256 defects of each programme are kept). How many viewers a cohort usually',
  'has is remembered for a quarter of an hour after the last one left: so the audience is of few kinds, and each kind is there',
  'within the first minutes.',
  '',
  '- **The long-lived process** is the first one that was started. It is never killed or stopped, and meets everything',
  '  else: suspension, black holes, brokers that go away, tasks that are taken from it and given back. The table is its own.',
  '- **Live heap** is `heapUsed` after a collection of the last resort (what an ordinary full one keeps for later, hidden',
  '  classes and caches, is a tenth of such a heap), the least of twelve looks a second apart (a window of cohorts and all); what is judged',
  `  is the median of three minutes around minute ${JUDGED_FROM_MINUTE} against that of the last three. Compiled code is part of`,
  '  it, and shown beside it. V8 optimises a function the later the rarer it runs, and drops what has not run for long: in',
  '  these processes it has a tenth of the usual patience and drops nothing, so that they are as warm by then as after hours.',
  '- **Nothing lost:** when all is over, the topics are read by the Java consumer (read_committed). Each topology runs once',
  '  more in one process over its recorded inputs, ticks included, and has to say the same: per topic and partition the',
  '  same sequence of (key, Avro body, schema fingerprint, headers, timestamp). All records that were acknowledged to',
  '  producers are in the log, and each of them was processed, left out for a reason, or dead-lettered.',
];

function lostText({ verdict }: SoakResult): readonly string[] {
  const { sources, counts, deadLetters, openTransactions } = verdict;
  return [
    ...sources.map(
      ({ topic, acknowledged, records }) =>
        `- ${topic}: ${acknowledged} records were acknowledged to producers, the log has ${records}, ticks included`,
    ),
    ...[...counts].map(([topology, { recordsIn, processed, leftOut, late, dropped, deadLettered }]) => {
      const reasons = [...dropped, ...deadLettered].map(([reason, count]) => `${reason} ${count}`);
      const why = leftOut === 0 ? '' : ` (late ${late}, ${reasons.join(', ')})`;
      return `- ${topology}: ${recordsIn} records = ${processed} processed + ${leftOut} left out${why}`;
    }),
    `- ${deadLetters} dead letters, ${openTransactions} open transactions`,
  ];
}

function faultRows({ faults }: SoakResult): readonly string[] {
  const names = [...new Set(faults.map(({ name }) => name))].sort();
  return names.map((name) => {
    const own = faults.filter((fault) => fault.name === name);
    return `| ${name} | ${own.length} | ${Math.max(...own.map(({ recoveryMs }) => recoveryMs ?? 0))} |`;
  });
}

function percent(basisPoints: number): string {
  return `${(basisPoints / 100).toFixed(2)} %`;
}
