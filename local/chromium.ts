/** A Chromium for the tests that play video in a real browser: found, or installed where that can be done unasked. */
import { canInstallPackages, installPackage } from './apt.ts';
import { findOnPath, isExecutableFile } from './find-on-path.ts';
import type { OnProgress } from './progress.ts';
import { SetupError } from './setup-error.ts';

const CHROMIUM_FIX =
  'install Chromium (Debian: apt-get install chromium; macOS: brew install --cask chromium) or set CHROMIUM_BIN to one';

export type ChromiumOptions = {
  readonly allowInstall: boolean;
  readonly onProgress: OnProgress;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Path of a Chromium or Chrome: `CHROMIUM_BIN`, which must be one then, else one on PATH, else Debian's package, installed
 * as root with `allowInstall`. Throws `chromium-missing`.
 */
export async function resolveChromium(options: ChromiumOptions): Promise<string> {
  const env = options.env ?? process.env;
  const given = env.CHROMIUM_BIN;
  if (given !== undefined && given !== '') {
    if (isExecutableFile(given)) return given;
    throw new SetupError('chromium-missing', `CHROMIUM_BIN=${given} is no program`, CHROMIUM_FIX);
  }
  const found = chromiumOnPath(env);
  if (found !== null) return found;
  if (options.allowInstall && canInstallPackages()) {
    await installPackage(['chromium'], options);
    const installed = chromiumOnPath(env);
    if (installed !== null) return installed;
  }
  throw new SetupError('chromium-missing', 'no Chromium was found', CHROMIUM_FIX);
}

/**
 * How it is started without a screen, without asking the network for anything, and as root, where its sandbox refuses.
 * Give each process an empty profile folder of its own.
 */
export function chromiumFlags(isRoot = process.getuid?.() === 0): readonly string[] {
  return [
    ...(isRoot ? ['--no-sandbox'] : []),
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

function chromiumOnPath(env: NodeJS.ProcessEnv): string | null {
  for (const name of NAMES) {
    const file = findOnPath(name, env);
    if (file !== null) return file;
  }
  return null;
}
