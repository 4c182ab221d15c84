/** Installing Debian packages, where this process may do that. */
import { findOnPath } from './find-on-path.ts';
import { type OnProgress, reportStep } from './progress.ts';
import { runCommand } from './run-command.ts';
import { SetupError } from './setup-error.ts';

export type AptOptions = { readonly onProgress: OnProgress; readonly signal?: AbortSignal | undefined };

/** Whether packages can be installed without asking anyone: as root, on Debian or a system made from it. */
export function canInstallPackages(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && findOnPath('apt-get') !== null;
}

/**
 * Installs the first of `candidates` that this release of Debian has. Throws `install-failed` with apt's last lines.
 */
export async function installPackage(candidates: readonly string[], options: AptOptions): Promise<void> {
  await reportStep(
    options.onProgress,
    `install ${candidates[0]}`,
    'apt-get update',
    async (news) => {
      const onLine = (line: string): void => {
        if (/^(Get:|Unpacking|Setting up)/.test(line)) news(line.slice(0, 100));
      };
      const run = (args: readonly string[]) =>
        runCommand('apt-get', args, {
          signal: options.signal,
          onLine,
          env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        });
      const updated = await run(['update']);
      const name = await firstAvailable(candidates, options.signal);
      if (name === null) {
        throw aptError(candidates[0]!, 'no such package in the package lists', updated.lines);
      }
      const installed = await run(['install', '-y', '--no-install-recommends', name]);
      if (installed.code !== 0)
        throw aptError(name, `apt-get install gave ${installed.code}`, installed.lines);
    },
    () => 'installed',
  );
}

async function firstAvailable(
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string | null> {
  for (const name of names) {
    const { lines } = await runCommand('apt-cache', ['policy', name], { signal });
    if (lines.some((line) => /^\s*Candidate: (?!\(none\))/.test(line))) return name;
  }
  return null;
}

function aptError(name: string, why: string, lines: readonly string[]): SetupError {
  return new SetupError(
    'install-failed',
    `${name} could not be installed (${why})`,
    `run "apt-get update && apt-get install ${name}" and look at what it says`,
    { detail: lines.filter((line) => line.trim() !== '').slice(-6) },
  );
}
