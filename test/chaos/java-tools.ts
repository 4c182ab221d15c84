/**
 * Kafka's own command-line tools as an independent witness: its Java consumer says what is committed, its admin client
 * which transactions are open.
 *
 * The console consumer prints bytes through `BytesDeserializer`: printable ASCII as it is, everything else, the
 * backslash included, as `\xNN`. So no tab, no line end and no `\;` can come from a record, and the text can be turned
 * back into the very bytes. A null is printed as a text that is drawn anew for each reading.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { availableParallelism, loadavg } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { tied } from '../../bin/processes.mjs';
import { classArchive, keepArchive } from '../../local/class-archive.ts';
import { javaEnvironment } from '../../local/java.ts';
import type { CommittedRecord } from '../../runtime/memory-broker.ts';
import type { LogHeader } from '../../runtime/record-batch.ts';
import type { JavaParts } from './java-parts.ts';

export type JavaTools = {
  /** All committed records of a topic, by partition. `atLeast`: fewer are taken for a slow start, and asked for again. */
  read(topic: string, partitions: number, atLeast: number): Promise<readonly (readonly CommittedRecord[])[]>;
  /** State by transactional id, of those that begin with `prefix`. */
  transactions(prefix: string): Promise<ReadonlyMap<string, string>>;
};

export function javaTools(parts: JavaParts, brokers: readonly string[]): JavaTools {
  const bootstrap = brokers.join(',');
  return {
    read: async (topic, partitions, atLeast) => {
      let found: readonly (readonly CommittedRecord[])[] = [];
      for (const timeoutMs of CONSUMER_TIMEOUTS_MS) {
        found = await readOnce(parts, bootstrap, topic, partitions, timeoutMs * slowness());
        if (found.reduce((sum, records) => sum + records.length, 0) >= atLeast) break;
      }
      return found;
    },
    transactions: async (prefix) => {
      const args = ['--bootstrap-server', bootstrap, 'list'];
      const { lines, code, errors } = await runTool(
        parts,
        'org.apache.kafka.tools.TransactionsCommand',
        args,
      );
      if (code !== 0) throw new Error(`Kafka's TransactionsCommand failed: ${errors.slice(-5).join('\n')}`);
      const rows = lines.slice(1).map((line) => line.split('\t').map((cell) => cell.trim()));
      return new Map(rows.filter(([id]) => id!.startsWith(prefix)).map((row) => [row[0]!, row[3] ?? '']));
    },
  };
}

/** One line of the console consumer. Throws when it is not of the form that the tool was asked for. */
export function parseRecord(
  line: string,
  nullText: string,
): CommittedRecord & { readonly partition: number } {
  const cells = line.split('\t');
  const stamp = /^(?:CreateTime|LogAppendTime):(-?\d+)$/.exec(cells[0] ?? '');
  const partition = /^Partition:(\d+)$/.exec(cells[1] ?? '');
  const offset = /^Offset:(\d+)$/.exec(cells[2] ?? '');
  if (cells.length !== 6 || stamp === null || partition === null || offset === null)
    throw new Error(`not a record of the console consumer: ${line}`);
  const bytesOf = (text: string): Uint8Array | null => (text === nullText ? null : unescaped(text));
  return {
    partition: Number(partition[1]),
    offset: Number(offset[1]),
    timestampMs: Number(stamp[1]),
    headers: headersOf(cells[3]!, nullText),
    key: bytesOf(cells[4]!),
    value: bytesOf(cells[5]!),
  };
}

/** The first is enough nearly always, and most of it is spent waiting for what does not come. */
const CONSUMER_TIMEOUTS_MS = [2_000, 15_000] as const;

/** How much longer everything takes on a machine that others use too. */
function slowness(): number {
  return Math.round(Math.min(5, Math.max(1, loadavg()[0]! / availableParallelism())));
}

const TOOL_MS_MAX = 300_000;
const LINES_A_TURN = 1_000;
/** log4j would write to stdout, between the records, that the consumer's time is up. */
const JVM_FLAGS = ['-Xmx192m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Dlog4j2.level=OFF'];
const HEADERS_SEPARATOR = '\\;';

async function readOnce(
  parts: JavaParts,
  bootstrap: string,
  topic: string,
  partitions: number,
  timeoutMs: number,
): Promise<readonly (readonly CommittedRecord[])[]> {
  const nullText = `null-${randomBytes(12).toString('hex')}`;
  const bytes = 'org.apache.kafka.common.serialization.BytesDeserializer';
  const printed = ['timestamp', 'partition', 'offset', 'headers', 'key', 'value'];
  const properties = [
    ...printed.map((what) => `print.${what}=true`),
    ...['key', 'value', 'headers'].map((what) => `${what}.deserializer=${bytes}`),
    `null.literal=${nullText}`,
    `headers.separator=${HEADERS_SEPARATOR}`,
  ];
  const args = [
    ...['--bootstrap-server', bootstrap, '--topic', topic, '--from-beginning'],
    ...['--isolation-level', 'read_committed', '--timeout-ms', String(timeoutMs)],
    ...properties.flatMap((property) => ['--formatter-property', property]),
  ];
  const tool = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
  const { lines, errors } = await runTool(parts, tool, args);
  const said = errors.map((line) => /^Processed a total of (\d+) messages/.exec(line)).find((one) => one);
  if (said === undefined || said === null || Number(said[1]) !== lines.length) {
    const counts = `${lines.length} lines, and it says ${said?.[1] ?? 'nothing'}`;
    throw new Error(
      `Kafka's console consumer did not end in order (${counts}): ${errors.slice(-5).join('\n')}`,
    );
  }
  const records = Array.from({ length: partitions }, (): CommittedRecord[] => []);
  for (const [i, line] of lines.entries()) {
    // answers to other requests are waited for meanwhile, and not for ever
    if (i % LINES_A_TURN === 0) await setImmediate();
    const { partition, ...record } = parseRecord(line, nullText);
    records[partition]!.push(record);
  }
  return records;
}

type ToolResult = { readonly code: number | null; readonly lines: string[]; readonly errors: string[] };

async function runTool(parts: JavaParts, tool: string, args: readonly string[]): Promise<ToolResult> {
  const { java, toolsClassPath } = parts;
  const archive = classArchive(
    path.dirname(path.dirname(toolsClassPath.split(path.delimiter)[0]!)),
    java,
    toolsClassPath,
  );
  // tools run side by side, and one of them is enough to write it
  const made = isArchiving ? null : archive.made;
  const archiveFlags = archive.made === null || made !== null ? archive.flags : [];
  if (made !== null) isArchiving = true;
  const flags = [...JVM_FLAGS, ...archiveFlags, '-cp', toolsClassPath, tool, ...args];
  const [command, argv] = tied(java.path, flags);
  const child = spawn(command, argv, { stdio: ['ignore', 'pipe', 'pipe'], env: javaEnvironment() });
  const timer = setTimeout(() => child.kill('SIGKILL'), TOOL_MS_MAX);
  const lines: string[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearTimeout(timer);
  if (made !== null) {
    keepArchive(made);
    isArchiving = false;
  }
  return { code, lines, errors };
}

let isArchiving = false;

function headersOf(text: string, nullText: string): readonly LogHeader[] {
  if (text === 'NO_HEADERS') return [];
  return text.split(HEADERS_SEPARATOR).map((header): LogHeader => {
    const colon = header.indexOf(':');
    const value = header.slice(colon + 1);
    // a null value, which the protocol allows, is read as an empty one
    return [header.slice(0, colon), value === nullText ? new Uint8Array(0) : unescaped(value)];
  });
}

function unescaped(text: string): Uint8Array {
  return Buffer.from(
    text.replaceAll(/\\x([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}
