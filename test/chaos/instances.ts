/** The processes of a chaos run, as their parent sees them. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { tied } from '../../bin/processes.mjs';
import { systemClock } from '../../runtime/system-clock.ts';
import type { InstanceNews, InstanceOrder, InstanceReport, InstanceSetup } from './instance.ts';
import type { Strike } from './struck-port.ts';

export type Ending = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export class Instance {
  readonly name: string;
  readonly ended: Promise<Ending>;
  /** Every line that it said on stderr, the last ones only. */
  readonly complaints: string[] = [];
  /** What happened in it, for a row that fails: the last lines only. */
  readonly history: string[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #struck: Strike[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #openTasks = new Set<string>();
  #isAlive = true;
  #isStopped = false;
  readonly #released = new Set<string>();
  #restores = 0;
  #closedTasks = 0;
  #failure: Extract<InstanceNews, { kind: 'failed' }> | null = null;
  #report: InstanceReport | null = null;

  constructor(setup: InstanceSetup, nodeFlags: readonly string[] = []) {
    this.name = setup.name;
    const [command, args] = tied(process.execPath, [
      ...NODE_FLAGS,
      ...nodeFlags,
      SCRIPT,
      JSON.stringify(setup),
    ]);
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    instances.add(this);
    this.#child.stdin.on('error', () => undefined);
    createInterface({ input: this.#child.stderr }).on('line', (line) => keep(this.complaints, line));
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#isAlive = false;
        instances.delete(this);
        this.#changed();
        resolve({ code, signal });
      });
    });
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Why a worker in it could not go on; null while all can. */
  get failure(): Extract<InstanceNews, { kind: 'failed' }> | null {
    return this.#failure;
  }

  /** `topology/task` of each task that is open in it, by its own word. */
  get openTasks(): ReadonlySet<string> {
    return this.#openTasks;
  }

  /** How often it has begun, or gone on with, reading a changelog. */
  get restores(): number {
    return this.#restores;
  }

  /** Topologies whose held inputs are read by now. */
  get released(): ReadonlySet<string> {
    return this.#released;
  }

  /** How often it has closed a task, for whatever reason. */
  get closedTasks(): number {
    return this.#closedTasks;
  }

  arm(strike: Strike): void {
    this.#order({ kind: 'arm', strike });
  }

  disarm(): void {
    this.#order({ kind: 'disarm' });
  }

  hasStruck(strike: Strike): boolean {
    return this.#struck.some((one) => JSON.stringify(one) === JSON.stringify(strike));
  }

  /** Resolves to whether `condition` came to hold in time; it is looked at after each news. */
  async until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    const deadlineMs = systemClock.nowMs() + timeoutMs;
    while (!condition()) {
      const leftMs = deadlineMs - systemClock.nowMs();
      if (leftMs <= 0 || !this.#isAlive) return condition();
      const news = new AbortController();
      const wake = (): void => news.abort();
      this.#waiting.add(wake);
      await systemClock.sleep(leftMs, news.signal);
      this.#waiting.delete(wake);
    }
    return true;
  }

  async report(timeoutMs = 10_000): Promise<InstanceReport> {
    this.#report = null;
    this.#order({ kind: 'report' });
    await this.until(() => this.#report !== null, timeoutMs);
    if (this.#report === null) throw new Error(`${this.name} did not report within ${timeoutMs} ms`);
    return this.#report;
  }

  suspend(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  async kill(): Promise<void> {
    this.#signal('SIGKILL');
    await this.ended;
  }

  /** In order: commits, gives its tasks back, leaves the groups. Throws when it does not come to an end. */
  async stop(timeoutMs = 30_000): Promise<void> {
    this.#order({ kind: 'stop' });
    await this.until(() => this.#isStopped, timeoutMs);
    const wasStopped = this.#isStopped;
    await this.kill();
    if (!wasStopped) throw new Error(`${this.name} did not stop within ${timeoutMs} ms`);
  }

  /** What is known of it, for a message. */
  describe(): string {
    return [...this.history, ...this.complaints].map((line) => `    ${this.name}: ${line}`).join('\n');
  }

  #order(order: InstanceOrder): void {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#isAlive) this.#child.kill(signal);
  }

  #take(line: string): void {
    const news = JSON.parse(line) as InstanceNews;
    switch (news.kind) {
      case 'struck':
        this.#struck.push(news.strike);
        break;
      case 'event':
        this.#takeEvent(news);
        break;
      case 'failed':
        this.#failure = news;
        break;
      case 'report':
        this.#report = news;
        break;
      case 'released':
        this.#released.add(news.topology);
        break;
      case 'stopped':
        this.#isStopped = true;
        break;
    }
    if (news.kind !== 'report') keep(this.history, `${new Date().toISOString().slice(11, 23)} ${line}`);
    this.#changed();
  }

  #takeEvent({ topology, event }: Extract<InstanceNews, { kind: 'event' }>): void {
    if (event.kind === 'restoring') this.#restores += 1;
    if (event.kind === 'task-opened') this.#openTasks.add(`${topology}/${String(event.task)}`);
    if (event.kind !== 'task-closed') return;
    this.#closedTasks += 1;
    this.#openTasks.delete(`${topology}/${String(event.task)}`);
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
  }
}

/** All that live, so that none outlives this process, stopped ones included. */
const instances = new Set<Instance>();
process.on('exit', () => {
  for (const instance of instances) void instance.kill();
});

const SCRIPT = path.join(import.meta.dirname, 'instance.ts');
const NODE_FLAGS = ['--expose-gc', '--disable-warning=TimeoutNegativeWarning'];
const LINES_KEPT = 60;

function keep(lines: string[], line: string): void {
  if (lines.length === LINES_KEPT) lines.shift();
  lines.push(line);
}
