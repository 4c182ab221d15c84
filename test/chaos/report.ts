/** `docs/chaos.md`, from the last whole run. */
import { cpus, totalmem } from 'node:os';
import { KAFKA_VERSION } from '../../local/versions.ts';
import type { Scenario } from './scenario.ts';
import { faultTable, LIMITS_TEXT, markdownTable, topicTable } from './table.ts';
import type { Verdict } from './verdict.ts';

export function chaosReport(
  verdicts: readonly Verdict[],
  scenarios: readonly Scenario[],
  seed: number,
): string {
  const failed = verdicts.filter(({ findings }) => findings.length > 0);
  const findings = failed.flatMap(({ name, findings: found }) => found.map((one) => `- ${name}: ${one}`));
  return [
    '# Chaos on a real Kafka',
    '',
    'Made by `npm run chaos`, which writes this page; do not edit it.',
    '',
    ...HOW,
    '',
    `Apache Kafka ${KAFKA_VERSION}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, seed ${seed}. ${LIMITS_TEXT}`,
    '',
    failed.length === 0 ? 'Every row holds.' : `**${failed.length} rows do not hold:**`,
    ...(findings.length === 0 ? [] : ['', ...findings]),
    '',
    markdownTable(verdicts, scenarios),
    '',
    '## Each topic that came out',
    '',
    'Whether the run with faults and the one without say the same there, how many records that are, and the beginning of',
    'the hash over them.',
    '',
    topicTable(verdicts),
    '',
    '## Each fault',
    '',
    faultTable(verdicts),
    '',
  ].join('\n');
}

const HOW = [
  'Four topologies (`test/simulation/topologies.ts`: merged inputs, repartition, gather, windows, timers, seals) run in',
  'worker processes of their own, while outside producers append some 60 records a second, of which 2.5 % are spoiled,',
  'some are said in transactions that are given up, and now and then nothing is said at all. Then something goes wrong.',
  'Afterwards all processes end, one more reads what is left, and:',
  '',
  '- the source topics, ticks included, are read by the Java console consumer (read_committed) and given to one process',
  '  on the in-memory port, which keeps their timestamps; nothing goes wrong in there;',
  '- the derived topics of the faulted run are read by the Java consumer too, and have to be equal: per topic and',
  '  partition the same sequence of (key, Avro body, schema fingerprint, headers, timestamp), by SHA-256; on the',
  '  repartition edge per writer; late records and dead letters as multisets, offsets by their place among the committed;',
  '- our own reader has to see as many committed records as the Java consumer, in every topic;',
  '- no partition may have an open transaction (stable end = end), and by `kafka-transactions list` no transactional id;',
  '- after each fault, every task has to commit something new within the session timeout and 5 s (after a broker that was',
  '  away: from its return), as a read_committed consumer sees it;',
  '- every fault that was scheduled has to have happened.',
];
