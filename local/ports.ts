/** Loopback ports for the local parts: the same ones at each start, as long as nobody else has taken them. */
import { randomInt } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

export type LocalPorts = { readonly kafka: number; readonly controller: number; readonly registry: number };

/** What a durable folder tries first: Kafka's and the registry's usual ports, moved out of the way. */
export const PREFERRED_PORTS: LocalPorts = { kafka: 29_092, controller: 29_093, registry: 28_081 };

/** Below the ranges from which systems take ports for outgoing connections, so that nobody gets one by chance. */
const RANDOM_PORT_MIN = 20_000;
const RANDOM_PORT_MAX = 32_000;
const RANDOM_TRIES = 200;

/** Whether a server could listen on the port right now. */
export async function isPortFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** `wanted` where free, else a random free port that is not in `taken`. */
export async function choosePort(wanted: number | undefined, taken: ReadonlySet<number>): Promise<number> {
  if (wanted !== undefined && !taken.has(wanted) && (await isPortFree(wanted))) return wanted;
  for (let attempt = 0; attempt < RANDOM_TRIES; attempt++) {
    const port = randomInt(RANDOM_PORT_MIN, RANDOM_PORT_MAX);
    if (!taken.has(port) && (await isPortFree(port))) return port;
  }
  throw new Error(`no free port found between ${RANDOM_PORT_MIN} and ${RANDOM_PORT_MAX} on ${LOOPBACK}`);
}

/** Three free ports, `wanted` ones where possible. */
export async function choosePorts(wanted: Partial<LocalPorts>): Promise<LocalPorts> {
  const taken = new Set<number>();
  const next = async (port: number | undefined): Promise<number> => {
    const chosen = await choosePort(port, taken);
    taken.add(chosen);
    return chosen;
  };
  const kafka = await next(wanted.kafka);
  const controller = await next(wanted.controller);
  return { kafka, controller, registry: await next(wanted.registry) };
}

/** The ports of the last start; what cannot be read counts as not remembered. */
export function rememberedPorts(file: string): Partial<LocalPorts> {
  let remembered: unknown;
  try {
    remembered = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
  const ports: { -readonly [name in keyof LocalPorts]?: number } = {};
  for (const name of ['kafka', 'controller', 'registry'] as const) {
    const port = (remembered as Partial<LocalPorts> | null)?.[name];
    if (typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536) ports[name] = port;
  }
  return ports;
}

export function rememberPorts(file: string, ports: LocalPorts): void {
  writeFileSync(file, `${JSON.stringify(ports)}\n`);
}
