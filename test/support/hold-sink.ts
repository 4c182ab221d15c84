/**
 * Runs the sink until it is killed, for tests that kill it. Arguments: brokers, prefix of the topics, URL of the database.
 * Prints one line when it runs.
 */
import { startSink } from '../../consumers/postgres-sink/sink.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { labCodec, openLab } from './sink-lab.ts';

const [brokers, prefix, postgresUrl] = process.argv.slice(2) as [string, string, string];
const sink = await startSink({
  port: await openLab(brokers.split(','), prefix),
  clock: systemClock,
  codec: labCodec,
  postgresUrl,
  dashboardPassword: null,
  retentionDays: 0,
  limits: { rowsMax: 50, standByMs: 20 },
});
console.log('running');
await sink.failed;
