/** The collector as people run it, on Apache Kafka: nothing that points at a viewer is anywhere afterwards. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { CommittedReader } from '../../runtime/committed-reader.ts';
import { decodeFollowed, startPositions } from '../../runtime/follow-log.ts';
import { openKafkajsPort } from '../../runtime/kafkajs-port.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { registryCodec } from '../../runtime/value-codec.ts';
import { SchemaError } from '../../schemas/errors.ts';
import type { PlaybackEvent } from '../../schemas/records.ts';
import { openRegistry, registerSchemas } from '../../schemas/registry.ts';
import { newTopics, TOPIC_NAMES } from '../../schemas/topics.ts';
import { testCluster, uniqueName } from '../../test/support/local-cluster.ts';
import { privacyKeys, secretFromText } from './privacy-keys.ts';

const REPOSITORY = path.dirname(path.dirname(import.meta.dirname));
const cluster = await testCluster();
const port = await openKafkajsPort({ brokers: cluster.brokers, clientId: 'collector-test' });
const registry = openRegistry(cluster.registryUrl);
const folder = mkdtempSync(path.join(tmpdir(), 'everyview-collector-'));
const children: ChildProcess[] = [];
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
  await port.close();
  await cluster.stop();
});

const TENANT = uniqueName('tenant');
const TOKEN = uniqueName('planted-token');
const SECRET = 'ab'.repeat(32);
/** Of the connection itself, and of the header of a proxy. */
const ADDRESS = '127.0.0.77';
const FORWARDED = '198.51.100.23';
const QUERY = uniqueName('planted-query');

test('addresses, tokens and URL queries are in no topic, log, output or file', async () => {
  await port.createTopics(newTopics());
  await registerSchemas(registry);
  const { url, child, output } = await startCollect();
  const stalled = `br=(2500),e=ps,sid="s-1",sn=0,sta=r,ts=1795259050000,v=2`;
  const sent = [
    await send(url, `/t/${TOKEN}/v2/events`, 'application/cmcd', `${stalled}\n`),
    await send(url, `/v2/events?token=${TOKEN}&x=${QUERY}`, 'text/plain', hostileLine()),
    await send(url, `/t/${TOKEN}/v2/events`, 'application/cmcd', `e=ps,ts=1,cid="${ADDRESS}?${QUERY}"`),
    await send(url, `/events?token=${TOKEN}`, 'application/json', hostileJson()),
    await send(
      url,
      `/v1?token=${TOKEN}&CMCD=${encodeURIComponent(`br=3200,sid="s-3",nor="a%3F${QUERY}"`)}`,
      '',
      null,
    ),
    await send(url, `/t/wrong-${TOKEN}/v2/events?${QUERY}`, 'application/cmcd', stalled),
    await send(url, `/nowhere/${TOKEN}?${QUERY}`, 'application/cmcd', stalled),
    await send(url, `/t/${TOKEN}/v2/events`, `application/${QUERY}`, stalled),
  ];
  assert.deepEqual(
    sent.map(({ status }) => status),
    [204, 204, 400, 204, 204, 401, 404, 415],
  );
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 0, output());

  const { events, bytes } = await topicsNow();
  assert.deepEqual(events.map(({ sessionId }) => sessionId).sort(), ['s-1', 's-2', 's-2', 's-3']);
  const keys = privacyKeys(secretFromText(SECRET, 'test'));
  for (const event of events) {
    assert.equal(event.addressHash, keys.addressHashOf(FORWARDED));
    assert.equal(event.sessionKey, keys.sessionKeyOf(TENANT, event.sessionId));
  }
  assert.equal(events.find(({ event }) => event === 'response-received')?.requestHost, 'edge.example');

  const planted = [ADDRESS, FORWARDED, TOKEN, QUERY, SECRET];
  const places: [string, string][] = [
    ['topics', bytes.toString('latin1')],
    ['output', output()],
    ['answers', sent.map(({ body }) => body).join('\n')],
    ...filesOf(path.join(folder, 'data')),
  ];
  assert.ok(
    places.some(([name]) => name.endsWith('everyview.log')),
    'the log was searched',
  );
  assert.ok(bytes.includes('s-1'), 'the topics were searched');
  for (const [place, text] of places) {
    for (const word of planted) assert.ok(!text.includes(word), `${word} is in ${place}`);
  }
});

function hostileLine(): string {
  return [
    'e=rr',
    'sid="s-2"',
    'rc=200',
    `url="https://u:${QUERY}@edge.example/path/${QUERY}.m4s?sig=${QUERY}"`,
    `nor=("a.m4s?${QUERY}")`,
    `cid="https://cdn.example/live.m3u8?${QUERY}"`,
    `ec=("at https://cdn.example/x?s=${QUERY}" "client ${FORWARDED}" "token ${TOKEN}")`,
    `com.example-ip="${ADDRESS}"`,
    `br=(${QUERY}`,
  ].join(',');
}

function hostileJson(): string {
  return JSON.stringify({
    sessionId: 's-2',
    event: 'error',
    errorCodes: [`https://cdn.example/x#a=${QUERY}`, FORWARDED],
    requestHost: `https://edge.example/${QUERY}?${QUERY}`,
    address: FORWARDED,
    [QUERY]: 1,
    playerName: `player ${TOKEN}`,
  });
}

async function startCollect(): Promise<{ url: string; child: ChildProcess; output: () => string }> {
  const tenants = path.join(folder, 'tenants.json');
  writeFileSync(tenants, JSON.stringify({ tenants: [{ tenant: TENANT, tokens: [TOKEN] }] }), { mode: 0o600 });
  const flags = ['collect', '--listen', '127.0.0.1:0', '--tenants', tenants, '--trust-proxy', '127.0.0.0/8'];
  const child = spawn(process.execPath, [path.join(REPOSITORY, 'cli', 'main.ts'), ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      EVERYVIEW_DATA_DIR: path.join(folder, 'data'),
      EVERYVIEW_COLLECTOR_SECRET: SECRET,
      KAFKA_BROKERS: cluster.brokers.join(','),
      SCHEMA_REGISTRY_URL: cluster.registryUrl,
    },
  });
  children.push(child);
  let output = '';
  const url = new Promise<string>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      const found = /collecting at (http:\/\/[\d.:]+)\//.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout!.on('data', take);
    child.stderr!.on('data', take);
    child.once('exit', (code) => reject(new Error(`collect ended with ${code}: ${output}`)));
  });
  return { url: await url, child, output: () => output };
}

function send(
  url: string,
  target: string,
  type: string,
  body: string | null,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${url}${target}`,
      {
        method: body === null ? 'GET' : 'POST',
        localAddress: ADDRESS,
        headers: {
          'x-forwarded-for': FORWARDED,
          referer: `https://page.example/?${QUERY}`,
          'user-agent': `Player/1 (${QUERY})`,
          ...(type === '' ? {} : { 'content-type': type }),
        },
      },
      (response: IncomingMessage) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode!, body: text }));
      },
    );
    sent.on('error', reject);
    sent.end(body ?? undefined);
  });
}

/** Every byte of every topic, and the events of this test's tenant. */
async function topicsNow(): Promise<{ events: PlaybackEvent[]; bytes: Buffer }> {
  const codec = await registryCodec(registry, systemClock);
  const reader = new CommittedReader();
  const positions = new Map(
    (await startPositions(port, TOPIC_NAMES, { kind: 'beginning' })).map((at) => [
      `${at.topic}/${at.partition}`,
      at,
    ]),
  );
  const ends = new Map(
    (await port.bounds([...positions.values()])).map((at) => [`${at.topic}/${at.partition}`, at.stableEnd]),
  );
  const partitions = [...positions.values()].filter(({ topic }) => topic === 'playback-events').length;
  const events: PlaybackEvent[] = [];
  const chunks: Buffer[] = [];
  for (;;) {
    const unread = [...positions]
      .filter(([name, { offset }]) => offset < ends.get(name)!)
      .map(([, at]) => at);
    if (unread.length === 0) return { events, bytes: Buffer.concat(chunks) };
    for (const part of await port.fetch(unread, 100, 4 * 1024 * 1024)) {
      const name = `${part.topic}/${part.partition}`;
      chunks.push(Buffer.from(part.batches));
      reader.reset(part, positions.get(name)!.offset);
      while (reader.next()) {
        const [key, value] = [reader.cursor.key(), reader.cursor.value()];
        if (part.topic !== 'playback-events' || key === null || value === null) continue;
        const event = await decodeFollowed(codec, systemClock, 'playback-events', value);
        if (event instanceof SchemaError || event.tenant !== TENANT) continue;
        assert.equal(partitionOf(key, partitions), part.partition);
        events.push(event);
      }
      positions.set(name, { ...positions.get(name)!, offset: reader.position });
    }
  }
}

function filesOf(root: string): [string, string][] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(root, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => [file, readFileSync(file, 'latin1')]);
}
