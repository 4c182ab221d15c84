/**
 * `npm test`: types, lint, then every test, with one Kafka and one registry for all that need them.
 *
 *     npm test                       everything
 *     npm test -- runtime local/     only test files whose path holds one of these; no types, no lint
 *     npm test -- --test-name-pattern=freeze     flags that begin with --test go to node's runner
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { REPOSITORY } from '../../local/folders.ts';
import { formatSetupError, SetupError } from '../../local/setup-error.ts';
import { type TestCluster, testCluster } from './local-cluster.ts';

const SKIPPED_FOLDERS = new Set(['node_modules', '.git', '.everyview', 'data']);
const CONCURRENCY = 2;
const NODE_FLAGS = ['--disable-warning=TimeoutNegativeWarning'];

async function main(args: readonly string[]): Promise<number> {
  const flags = args.filter((arg) => arg.startsWith('-'));
  const filters = args.filter((arg) => !arg.startsWith('-'));
  const strange = flags.find((flag) => !flag.startsWith('--test'));
  if (strange !== undefined) {
    say(`npm test: unknown flag ${strange}; flags that begin with --test go to node's test runner`);
    return 2;
  }
  const files = testFiles(REPOSITORY).filter(
    (file) => filters.length === 0 || filters.some((filter) => file.includes(filter)),
  );
  if (files.length === 0) {
    say(`npm test: no *.test.ts has "${filters.join('" or "')}" in its path`);
    return 2;
  }
  const clusterStart = files.some(needsCluster) ? testCluster() : null;
  clusterStart?.catch(() => {});
  try {
    const failedChecks = filters.length === 0 ? await runChecks() : [];
    const cluster = await clusterStart;
    if (cluster !== null) say(`Kafka at ${cluster.brokers.join(',')}, registry at ${cluster.registryUrl}`);
    const code = await runNodeTests(files, flags, cluster);
    if (failedChecks.length > 0) say(`\nnpm test: failed: ${failedChecks.join(', ')} (see above)`);
    return failedChecks.length > 0 ? code || 1 : code;
  } finally {
    const cluster = await clusterStart?.catch(() => null);
    await cluster?.stop();
  }
}

/** Paths relative to the repository, sorted. */
function testFiles(root: string, folder = ''): readonly string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const relative = path.join(folder, entry.name);
      if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : testFiles(root, relative);
      return entry.name.endsWith('.test.ts') ? [relative] : [];
    })
    .sort();
}

function needsCluster(file: string): boolean {
  return readFileSync(path.join(REPOSITORY, file), 'utf8').includes('support/local-cluster');
}

/** Names of the checks that failed. */
async function runChecks(): Promise<readonly string[]> {
  const bin = path.join(REPOSITORY, 'node_modules', '.bin');
  const failed: string[] = [];
  for (const [name, command, args] of [
    ['types', 'tsc', ['--noEmit']],
    ['types of the console page', 'tsc', ['--noEmit', '-p', 'consumers/console/web']],
    ['lint', 'biome', ['check', '--error-on-warnings', '.']],
  ] as const) {
    const startedMs = performance.now();
    const code = await run(path.join(bin, command), args, process.env);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    say(`${name}: ${code === 0 ? 'ok' : 'FAILED'} (${command} ${args.join(' ')}, ${seconds} s)`);
    if (code !== 0) failed.push(name);
  }
  return failed;
}

async function runNodeTests(
  files: readonly string[],
  flags: readonly string[],
  cluster: TestCluster | null,
): Promise<number> {
  const given =
    cluster === null
      ? {}
      : { KAFKA_BROKERS: cluster.brokers.join(','), SCHEMA_REGISTRY_URL: cluster.registryUrl };
  return await run(
    process.execPath,
    [
      ...NODE_FLAGS,
      '--test',
      `--test-concurrency=${CONCURRENCY}`,
      '--test-reporter=spec',
      ...flags,
      ...files,
    ],
    { ...process.env, ...given },
  );
}

const running = new Set<ReturnType<typeof spawn>>();
let interruptedBy: NodeJS.Signals | null = null;

async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  if (interruptedBy !== null) return exitCodeOf(interruptedBy);
  const child = spawn(command, args, { cwd: REPOSITORY, env, stdio: ['ignore', 'inherit', 'inherit'] });
  running.add(child);
  return await new Promise((resolve) => {
    const end = (code: number): void => {
      running.delete(child);
      resolve(interruptedBy === null ? code : exitCodeOf(interruptedBy));
    };
    child.once('error', (error) => {
      say(`${command}: ${error.message}`);
      end(1);
    });
    child.once('exit', (code, signal) => end(code ?? exitCodeOf(signal)));
  });
}

function exitCodeOf(signal: NodeJS.Signals | null): number {
  return 128 + (signal === null ? 0 : constants.signals[signal]);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interruptedBy ??= signal;
    for (const child of running) child.kill(signal);
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(`npm test: ${formatSetupError(error)}`);
  process.exitCode = error.exitCode;
}
