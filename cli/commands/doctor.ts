import type { Command } from 'commander';
import { doctor, isHealthy, renderDoctor } from '../../local/doctor.ts';
import type { Action } from '../context.ts';
import { EXIT_FAILED } from '../failure.ts';
import { jsonLine, line } from '../terminal.ts';

export type DoctorOptions = { readonly json: boolean };

export function addDoctor(command: Command, run: (options: DoctorOptions) => Promise<void>): void {
  command
    .description('Looks at everything that EveryView needs on this machine, and changes nothing.')
    .option('--json', 'one line of JSON: name, status, detail and fix of each check', false)
    .addHelpText(
      'after',
      `
Examples:
  $ everyview doctor
  $ KAFKA_BROKERS=kafka-1:9092 everyview doctor     does that broker answer?
  $ everyview doctor --json | jq -r '.[] | select(.fix != "") | .fix'

Exits with 1 when something is missing or broken that a start cannot mend by itself.
Next: 'everyview start'.`,
    )
    .action((flags: DoctorOptions) => run(flags));
}

export const runDoctor: Action<DoctorOptions> = async ({ out, env }, { json }) => {
  const checks = await doctor(env);
  if (json) jsonLine(out, checks);
  else line(out, renderDoctor(checks));
  return isHealthy(checks) ? 0 : EXIT_FAILED;
};
