/** The Java that runs Kafka and the registry, and the Maven that fetches them. */
import path from 'node:path';
import { type AptOptions, canInstallPackages, installPackage } from './apt.ts';
import { findOnPath, isExecutableFile } from './find-on-path.ts';
import { runCommand } from './run-command.ts';
import { SetupError } from './setup-error.ts';
import { JAVA_MAJOR_MIN } from './versions.ts';

export type Java = { readonly path: string; readonly version: string; readonly major: number };
export type Maven = { readonly path: string; readonly version: string };

export const JAVA_FIX = `install Java ${JAVA_MAJOR_MIN} or newer (Debian: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk) or set JAVA_HOME`;
export const MAVEN_FIX = 'install Maven (Debian: apt-get install maven; macOS: brew install maven)';

const JAVA_PACKAGES = ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'default-jre-headless'];
const VERSION_TIMEOUT_MS = 30_000;

/** What there is of Java: every one that answers, whether new enough or not; JAVA_HOME's first. */
export async function findJavas(env: NodeJS.ProcessEnv = process.env): Promise<readonly Java[]> {
  const fromHome = env.JAVA_HOME ? path.join(env.JAVA_HOME, 'bin', 'java') : null;
  const candidates = [fromHome, findOnPath('java', env)].filter(
    (file): file is string => file !== null && isExecutableFile(file),
  );
  const found: Java[] = [];
  for (const candidate of new Set(candidates)) {
    const { code, lines } = await runCommand(candidate, ['-version'], { env, timeoutMs: VERSION_TIMEOUT_MS });
    const java = code === 0 ? parseJavaVersion(candidate, lines) : null;
    if (java !== null) found.push(java);
  }
  return found;
}

/** `openjdk version "17.0.15" 2025-04-15` and the like; `1.8.0_392` is Java 8. */
export function parseJavaVersion(javaPath: string, lines: readonly string[]): Java | null {
  for (const line of lines) {
    const match = /version "((?:1\.)?(\d+)[^"]*)"/.exec(line);
    if (match !== null) return { path: javaPath, version: match[1]!, major: Number(match[2]) };
  }
  return null;
}

/** A Java that is new enough, installed first where that is possible; else throws `java-missing`. */
export async function resolveJava(options: AptOptions & { allowInstall: boolean }): Promise<Java> {
  let found = await findJavas();
  if (!found.some(isNewEnough) && options.allowInstall && canInstallPackages()) {
    await installPackage(JAVA_PACKAGES, options);
    found = await findJavas();
  }
  const java = found.find(isNewEnough);
  if (java !== undefined) return java;
  const old = found[0];
  throw new SetupError(
    'java-missing',
    old === undefined ? 'no Java was found' : `Java ${old.version} at ${old.path} is too old`,
    JAVA_FIX,
  );
}

/** Environment of every Java program: in the plain C locale Java could not open a path with letters beyond ASCII. */
export function javaEnvironment(): Record<string, string> {
  const inherited = Object.entries(process.env).filter(([, value]) => value !== undefined);
  return { ...(Object.fromEntries(inherited) as Record<string, string>), LC_ALL: 'C.UTF-8' };
}

export function isNewEnough(java: Java): boolean {
  return java.major >= JAVA_MAJOR_MIN;
}

/** The Maven on PATH, or null when there is none that works. */
export async function findMaven(signal?: AbortSignal): Promise<Maven | null> {
  const file = findOnPath('mvn');
  if (file === null) return null;
  const { code, lines } = await runCommand(file, ['-v', '-B'], { signal, timeoutMs: VERSION_TIMEOUT_MS });
  const match = lines.map((line) => /Apache Maven (\d[\w.-]*)/.exec(line)).find((found) => found !== null);
  return code === 0 && match !== undefined ? { path: file, version: match[1]! } : null;
}

/** Maven, installed first where that is possible; else throws `maven-missing`. */
export async function resolveMaven(options: AptOptions & { allowInstall: boolean }): Promise<Maven> {
  let maven = await findMaven(options.signal);
  if (maven === null && options.allowInstall && canInstallPackages()) {
    await installPackage(['maven'], options);
    maven = await findMaven(options.signal);
  }
  if (maven === null) throw new SetupError('maven-missing', 'no Maven was found', MAVEN_FIX);
  return maven;
}
