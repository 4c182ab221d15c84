/** Java, Kafka's jars and, beside them, the jar of Kafka's own command-line tools, fetched once by Maven. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { acquireLock } from '../../bin/processes.mjs';
import { dataFolder, makeFolder, partsFolder } from '../../local/folders.ts';
import { type Jars, resolveJars } from '../../local/jars.ts';
import { type Java, javaEnvironment, resolveJava, resolveMaven } from '../../local/java.ts';
import { runCommand } from '../../local/run-command.ts';
import { SetupError } from '../../local/setup-error.ts';
import { KAFKA_VERSION } from '../../local/versions.ts';

export type JavaParts = {
  readonly java: Java;
  readonly jars: Jars;
  /** Class path of `org.apache.kafka.tools`. */
  readonly toolsClassPath: string;
};

/** Fetches what is missing. Throws a {@link SetupError} that says what to install. */
export async function resolveJavaParts(): Promise<JavaParts> {
  const dataDir = dataFolder();
  const setup = { dataDir, allowInstall: true, onProgress: () => {} };
  const java = await resolveJava(setup);
  const jars = await resolveJars(setup);
  const folder = path.join(makeFolder(partsFolder(dataDir)), `kafka-tools-${KAFKA_VERSION}`);
  const jar = path.join(folder, `kafka-tools-${KAFKA_VERSION}.jar`);
  if (!existsSync(jar)) await fetchTools(folder, setup);
  return { java, jars, toolsClassPath: [jar, jars.kafkaClassPath].join(path.delimiter) };
}

/** The broker's own jars have all that the tools need besides. */
async function fetchTools(folder: string, setup: Parameters<typeof resolveMaven>[0]): Promise<void> {
  const lock = await acquireLock(`${folder}.lock`, { what: "fetching Kafka's tools", waitMs: 600_000 });
  try {
    if (existsSync(folder)) return;
    const maven = await resolveMaven(setup);
    const unfinished = `${folder}.${process.pid}`;
    mkdirSync(unfinished, { recursive: true });
    const { code, lines } = await runCommand(
      maven.path,
      [
        '--batch-mode',
        '--strict-checksums',
        'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy',
        `-Dartifact=org.apache.kafka:kafka-tools:${KAFKA_VERSION}`,
        `-DoutputDirectory=${unfinished}`,
      ],
      { env: javaEnvironment() },
    );
    if (code !== 0) {
      rmSync(unfinished, { recursive: true, force: true });
      throw new SetupError(
        'download-failed',
        "Kafka's tools could not be fetched by Maven",
        'check that this machine reaches Maven Central (or the mirror in ~/.m2/settings.xml) and start again',
        { detail: lines.slice(-4) },
      );
    }
    renameSync(unfinished, folder);
  } finally {
    lock.release();
  }
}
