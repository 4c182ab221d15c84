/**
 * From a fresh clone to a running program: installs the npm packages when node_modules is not what package-lock.json
 * says, then runs a script of the project under Node 24. Plain JavaScript, no packages, runs on Node 20.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { acquireLock, isAlive, processRef, tied } from './processes.mjs';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const MODULES = path.join(ROOT, 'node_modules');
const COMPILED = path.join(MODULES, '.cache', 'compiled');
const STAMP = path.join(MODULES, '.everyview-stamp');
const NODE_MIN = 20;
const NODE_WANTED = 24;
const INSTALL_WAIT_MS = 600_000;
/** kafkajs sets timers in the past, which Node 24 remarks upon. */
const NODE_FLAGS = ['--disable-warning=TimeoutNegativeWarning'];
/** Who looks at streams holds figures of a few seconds: a small young generation does. */
const LEAN_COMMANDS = ['analyze', 'ingest'];
const LEAN_FLAGS = ['--max-semi-space-size=4'];
const SAME_PRESS_MS = 300;
const KILL_AFTER_MS = 3_000;
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** Sets the project up where needed, runs `script` (relative to the repository) and ends with its exit code. */
export async function launch(script, args) {
  try {
    checkNodeVersion();
    await ensurePackages();
    process.exitCode = await runScript(script, args);
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error;
    console.error(`everyview: ${error.message}`);
    process.exitCode = error.exitCode;
  }
}

class LaunchError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

function checkNodeVersion() {
  if (process.platform === 'win32') throw new LaunchError('Windows is not supported: run it in WSL.');
  if (majorOf(process.versions.node) < NODE_MIN) {
    throw new LaunchError(
      `Node ${process.versions.node} is too old: install Node ${NODE_MIN} or newer (https://nodejs.org).`,
    );
  }
}

function majorOf(version) {
  return Number(version.split('.')[0]);
}

async function ensurePackages() {
  if (packagesAreCurrent()) return;
  const stateFolder = path.join(ROOT, '.everyview');
  let lock;
  try {
    mkdirSync(path.join(stateFolder, 'logs'), { recursive: true });
    mkdirSync(MODULES, { recursive: true });
    writeFileSync(path.join(MODULES, '.everyview-writable'), '');
    rmSync(path.join(MODULES, '.everyview-writable'));
    lock = await acquireLock(path.join(stateFolder, 'packages.lock'), {
      what: 'npm ci',
      waitMs: INSTALL_WAIT_MS,
      onWait: once((holder) => say(`waiting for ${holder}, which installs npm packages here`)),
    });
  } catch (error) {
    throw folderError(error, stateFolder);
  }
  try {
    if (!packagesAreCurrent()) await installPackages(lock, path.join(stateFolder, 'logs', 'npm-ci.log'));
  } finally {
    lock.release();
  }
}

function folderError(error, stateFolder) {
  if (error.code === 'EACCES' || error.code === 'EPERM' || error.code === 'EROFS') {
    return new LaunchError(
      `${ROOT} is not writable for this user (${error.code} at ${error.path ?? stateFolder}): ` +
        'clone the repository into a folder of your own, or change the owner of this one.',
    );
  }
  if (error.code === 'ENOSPC') return new LaunchError(`no space left on the disk of ${ROOT}: free 1 GB.`);
  if (error.name === 'LockHeldError') {
    return new LaunchError(`${error.message}, which has not finished: end it and start again.`);
  }
  return error;
}

function packagesAreCurrent() {
  if (nodeBinary() === null) return false;
  const wanted = stampContent();
  try {
    if (readFileSync(STAMP, 'utf8') === wanted) return true;
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
  }
  if (!installedAsLocked()) return false;
  try {
    writeFileSync(STAMP, wanted);
  } catch {
    // A folder that another user installed is as good without the stamp; it is only looked through again next time.
  }
  return true;
}

function stampContent() {
  const hash = createHash('sha256')
    .update(readFileSync(path.join(ROOT, 'package-lock.json')))
    .digest('hex');
  return `${hash} ${process.platform}-${process.arch}\n`;
}

/** Whether npm left behind what the lock file asks for: then someone ran `npm ci` or `npm install` by hand. */
function installedAsLocked() {
  let installed;
  try {
    installed = JSON.parse(readFileSync(path.join(MODULES, '.package-lock.json'), 'utf8')).packages;
  } catch {
    return false;
  }
  const locked = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(locked).every(
    ([name, entry]) =>
      name === '' ||
      (entry.optional && installed[name] === undefined) ||
      (installed[name]?.version === entry.version && existsSync(path.join(ROOT, name))),
  );
}

/** The Node 24 to run on: this one when it is new enough, else the npm package's; null when there is none yet. */
function nodeBinary() {
  if (majorOf(process.versions.node) >= NODE_WANTED) return process.execPath;
  const packaged = path.join(MODULES, 'node', 'bin', 'node');
  return existsSync(packaged) ? packaged : null;
}

async function installPackages(lock, logPath) {
  rmSync(STAMP, { force: true });
  writeFileSync(logPath, '');
  const startedMs = Date.now();
  const seconds = () => Math.round((Date.now() - startedMs) / 1000);
  const progress = progressLine(() => `installing npm packages (npm ci), ${seconds()} s`);
  try {
    const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--no-progress'];
    await runNpm(args, ROOT, lock, logPath);
    if (nodeBinary() === null) {
      // npm was told to run no install scripts, so the package of Node 24 has not fetched its binary yet.
      await runLogged(
        process.execPath,
        ['installArchSpecificPackage'],
        path.join(MODULES, 'node'),
        lock,
        logPath,
      );
    }
  } finally {
    progress.stop();
  }
  if (nodeBinary() === null) {
    throw new LaunchError(
      `npm brought no Node ${NODE_WANTED} for this machine: install Node ${NODE_WANTED} yourself.`,
    );
  }
  writeFileSync(STAMP, stampContent());
  say(`npm packages installed in ${seconds()} s`);
}

function runNpm(args, cwd, lock, logPath) {
  const cli = process.env.npm_execpath;
  return cli !== undefined && /npm-cli\.[cm]?js$/.test(cli) && existsSync(cli)
    ? runLogged(process.execPath, [cli, ...args], cwd, lock, logPath)
    : runLogged('npm', args, cwd, lock, logPath);
}

/** Runs a step of the set-up as a group of its own, so that Ctrl-C ends all of it; its output goes to the log. */
function runLogged(command, args, cwd, lock, logPath) {
  return new Promise((resolve, reject) => {
    const child = spawn(...tied(command, args), { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    if (child.pid !== undefined) lock.add(child.pid);
    let interruptedBy = null;
    const interrupt = (signal) => {
      interruptedBy ??= signal;
      endGroup(child);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);
    const keep = (chunk) => appendFileSync(logPath, chunk);
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const settle = (error) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, interrupt);
      if (interruptedBy !== null) {
        reject(
          new LaunchError(
            'set-up was interrupted: run the same command again to go on.',
            128 + SIGNAL_NUMBERS[interruptedBy],
          ),
        );
      } else if (error !== null) reject(error);
      else resolve();
    };
    const notFound = new LaunchError(`${command} was not found: install npm (it comes with Node).`);
    child.once('error', (error) => settle(error.code === 'ENOENT' ? notFound : error));
    child.once('close', (code, signal) => {
      if (code === 0) settle(null);
      else if (code === 127) settle(notFound);
      else settle(new LaunchError(`npm ci failed (${signal ?? `exit code ${code}`}); ${lastLines(logPath)}`));
    });
  });
}

function endGroup(child) {
  if (child.pid === undefined) return;
  signalGroup(child.pid, 'SIGTERM');
  setTimeout(() => signalGroup(child.pid, 'SIGKILL'), KILL_AFTER_MS).unref();
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function lastLines(logPath) {
  const lines = readFileSync(logPath, 'utf8')
    .split('\n')
    .filter((line) => /^npm (error|ERR!) \S/.test(line) && !/A complete log of this run/.test(line));
  return `the whole output is in ${logPath}${lines.length === 0 ? '' : `\n${lines.slice(0, 8).join('\n')}`}`;
}

/**
 * The child leads a session of its own, so that a Ctrl-C reaches it once, from here, and not also from the terminal
 * and from npm, each of which sends one as well.
 */
function runScript(script, args) {
  const preload = path.join(ROOT, 'bin', 'follow-parent.mjs');
  const flags = [...NODE_FLAGS, ...(LEAN_COMMANDS.includes(args[0]) ? LEAN_FLAGS : [])];
  const child = spawn(nodeBinary(), [...flags, '--import', preload, path.join(ROOT, script), ...args], {
    detached: true,
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: {
      ...process.env,
      EVERYVIEW_LAUNCHER_FD: '3',
      // Compiled sources are kept: starting takes a third of the time.
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? COMPILED,
    },
  });
  child.stdio[3]?.on('error', () => {});
  let lastMs = 0;
  const forward = (signal) => {
    const nowMs = Date.now();
    if (signal === 'SIGINT' && nowMs - lastMs < SAME_PRESS_MS) return;
    if (signal === 'SIGINT') lastMs = nowMs;
    child.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGWINCH']) process.on(signal, forward);
  const npmWatch = watchNpm(() => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearInterval(npmWatch);
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGWINCH']) process.off(name, forward);
      child.stdio[3]?.destroy();
      resolve(code ?? 128 + (SIGNAL_NUMBERS[signal] ?? 0));
    });
  });
}

/** Under `npm start`, npm is what the user started: when it is killed, nothing may go on behind its back. */
function watchNpm(onGone) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const npm = processRef(npmPid());
  const timer = setInterval(() => {
    if (isAlive(npm)) return;
    clearInterval(timer);
    onGone();
  }, 500);
  return timer.unref();
}

/** npm starts a script through a shell, which may or may not stay between the two. */
function npmPid() {
  try {
    const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    if (['sh', 'bash', 'dash', 'ash', 'zsh', 'busybox'].includes(name)) {
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    }
  } catch {
    // No /proc: the direct parent is the best there is.
  }
  return process.ppid;
}

function progressLine(text) {
  if (!process.stderr.isTTY) say(text());
  const timer = setInterval(
    () => (process.stderr.isTTY ? process.stderr.write(`\r\x1b[K${text()}`) : say(text())),
    process.stderr.isTTY ? 500 : 10_000,
  );
  return {
    stop: () => {
      clearInterval(timer);
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    },
  };
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

function once(action) {
  let done = false;
  return (value) => {
    if (!done) action(value);
    done = true;
  };
}
