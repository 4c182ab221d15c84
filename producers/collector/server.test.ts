/** The collector over HTTP, with the log in memory. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, test } from 'node:test';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import { type FaultDecision, PASS } from '../../runtime/memory-faults.ts';
import { partitionOf } from '../../runtime/partitioner.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { blankRecord } from '../../schemas/blank-record.ts';
import type { CatalogueEntry, PlaybackEvent } from '../../schemas/records.ts';
import { newTopics } from '../../schemas/topics.ts';
import { type CollectorOptions, startCollector } from './server.ts';
import { parseTenants, type TenantsInput } from './settings.ts';

const TOKEN = 'acme-token-0123456789';
const PARTITIONS = 6;
const codec = localCodec();
const closing: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

type Changes = {
  readonly tenants?: TenantsInput['tenants'];
  readonly limits?: CollectorOptions['limits'];
  /** What becomes of each produce request. */
  readonly decide?: () => FaultDecision;
  readonly catalogue?: readonly CatalogueEntry[];
};

async function collector(changes: Changes = {}) {
  const broker = new MemoryBroker({ clock: systemClock });
  broker.createTopics(newTopics(PARTITIONS));
  for (const entry of changes.catalogue ?? []) {
    broker.append('catalogue', 0, Buffer.from(entry.name), codec.encode('catalogue', entry));
  }
  const decide = changes.decide ?? (() => PASS);
  const port = broker.openPort({
    clientId: 'collector',
    faults: { decide: ({ method }) => (method === 'produce' ? decide() : PASS) },
  });
  const problems: string[] = [];
  const running = await startCollector({
    port,
    codec,
    clock: systemClock,
    tenants: parseTenants({ tenants: changes.tenants ?? [{ tenant: 'acme', tokens: [TOKEN] }] }, 'test'),
    secret: Buffer.alloc(32, 1),
    onProblem: (message) => problems.push(message),
    limits: { lingerMs: 1, ...changes.limits },
  });
  let closed: Promise<void> | null = null;
  const close = () => (closed ??= running.close().finally(() => broker.close()));
  closing.push(close);
  const events = (): PlaybackEvent[] =>
    Array.from({ length: PARTITIONS }, (_, partition) =>
      broker.dump('playback-events', partition).map(({ key, value }) => {
        assert.equal(partitionOf(key!, PARTITIONS), partition);
        const event = codec.decode('playback-events', value!) as PlaybackEvent;
        assert.equal(event.sessionKey, Buffer.from(key!).toString());
        return event;
      }),
    ).flat();
  const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${running.url}${path}`, { method: 'POST', body, headers });
  return {
    ...running,
    broker,
    close,
    events,
    post,
    problems,
    counts: () => running.stats().tenants.get('acme')!,
  };
}

const line = (sid: string, rest = 'e=t,ts=1795259050000,v=2') => `${rest},sid="${sid}"`;
const auth = { authorization: `Bearer ${TOKEN}` };
const cmcd = { ...auth, 'content-type': 'application/cmcd' };

test('events are in the log before 204, keyed and placed by session, with the programme of the catalogue', async () => {
  const { post, events, counts } = await collector({ catalogue: [entryOf('acme', 'cid-1', 'news')] });
  const response = await post('/v2/events/main', `${line('a')},cid="cid-1"\n${line('b')}\r\n`, {
    ...cmcd,
    'user-agent':
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36',
  });
  assert.equal(response.status, 204);
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.equal(await response.text(), '');
  const found = events().sort((one, other) => one.sessionId.localeCompare(other.sessionId));
  assert.deepEqual(
    found.map((event) => [event.sessionId, event.tenant, event.target, event.programmeId, event.deviceClass]),
    [
      ['a', 'acme', 'main', 'news', 'desktop'],
      ['b', 'acme', 'main', '', 'desktop'],
    ],
  );
  assert.match(found[0]!.addressHash, /^[0-9a-f]{16}$/);
  assert.deepEqual([counts().reportsIn, counts().accepted, counts().sessions], [2, 2, 2]);
});

test('every content type that players send, and a fix for the others', async () => {
  const { post, url, events } = await collector();
  for (const type of [
    'application/cmcd',
    'text/cmcd',
    'text/plain;charset=UTF-8',
    'Application/CMCD; charset=utf-8',
    '',
  ]) {
    // Without a type: fetch would add one to a text.
    const body = Buffer.from(`${line('a')}\n`);
    assert.equal(
      (await post('/v2/events', body, type === '' ? auth : { ...auth, 'content-type': type })).status,
      204,
      type,
    );
  }
  const refused = await post('/v2/events', '{}', { ...auth, 'content-type': 'application/json' });
  assert.equal(refused.status, 415);
  assert.match(
    ((await refused.json()) as { fix: string }).fix,
    /application\/cmcd; JSON events go to \/events/,
  );
  for (const type of ['application/json', 'application/x-ndjson', 'text/plain']) {
    assert.equal(
      (await post('/events', '{"sessionId":"j","event":"leave"}', { ...auth, 'content-type': type })).status,
      204,
    );
  }
  const query = new URLSearchParams({ CMCD: 'br=3200,sid="q",nor="..%2Fa"', token: TOKEN });
  assert.equal((await fetch(`${url}/v1?${query}`)).status, 204);
  assert.equal(
    (await fetch(`${url}/v1`, { headers: { ...auth, 'CMCD-Session': 'sid="h"', 'CMCD-Object': 'br=1' } }))
      .status,
    204,
  );
  assert.deepEqual(
    events()
      .map(({ source }) => source)
      .sort(),
    ['cmcd-v1-header', 'cmcd-v1-query', ...Array(5).fill('cmcd-v2-event'), ...Array(3).fill('json')],
  );
});

test('tokens: in the header, the query or the path; none, a wrong one, a page that may not', async () => {
  const { post } = await collector({
    tenants: [{ tenant: 'acme', tokens: [TOKEN], origins: ['https://player.example'] }],
  });
  const status = async (path: string, headers: Record<string, string> = {}) =>
    (await post(path, line('a'), { 'content-type': 'application/cmcd', ...headers })).status;
  assert.equal(await status('/v2/events', auth), 204);
  assert.equal(await status(`/v2/events?token=${TOKEN}`), 204);
  assert.equal(await status(`/t/${TOKEN}/v2/events/main`), 204);
  assert.equal(await status('/v2/events'), 401);
  assert.equal(await status('/v2/events?token=acme-token-999999999'), 401);
  assert.equal(await status('/v2/events', { ...auth, origin: 'https://player.example' }), 204);
  assert.equal(await status('/v2/events', { ...auth, origin: 'https://other.example' }), 403);
  assert.equal(await status('/nowhere', auth), 404);
  assert.equal(await status('/v2/events/no%20such', auth), 400);
});

test('a preflight is answered without a token and may be kept', async () => {
  const { url } = await collector();
  const response = await fetch(`${url}/v2/events`, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://x.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    },
  });
  assert.equal(response.status, 204);
  assert.equal(response.headers.get('access-control-max-age'), '86400');
  assert.match(response.headers.get('access-control-allow-headers')!, /content-type/);
});

test('gzip and deflate; the limit is on what they unpack to; damage and strangers are named', async () => {
  const { post, events } = await collector({ limits: { bodyBytesMax: 20_000 } });
  const status = async (body: Uint8Array<ArrayBuffer>, encoding: string) =>
    (await post('/v2/events', body, { ...cmcd, 'content-encoding': encoding })).status;
  const body = Buffer.from(line('a'));
  assert.equal(await status(Uint8Array.from(gzipSync(body)), 'gzip'), 204);
  assert.equal(await status(Uint8Array.from(deflateSync(body)), 'deflate'), 204);
  assert.equal(await status(Uint8Array.from(deflateRawSync(body)), 'deflate'), 204);
  assert.equal(events().length, 3);
  assert.equal(await status(Uint8Array.from(gzipSync(Buffer.alloc(5_000_000, 'x'))), 'gzip'), 413);
  assert.equal(await status(Uint8Array.from(Buffer.alloc(30_000, 'x')), 'identity'), 413);
  assert.equal(await status(Uint8Array.from(body), 'gzip'), 400);
  assert.equal(await status(Uint8Array.from(body), 'br'), 415);
});

test('what is left out is explained: some of a body, all of it, and an empty one', async () => {
  const { post, counts } = await collector();
  const some = await post('/v2/events', `${line('a')}\ne=ps,ts=1,v=2\n`, cmcd);
  assert.equal(some.status, 200);
  const told = (await some.json()) as {
    accepted: number;
    dropped: number;
    reports: { index: number; reason: string; fix: string }[];
  };
  assert.deepEqual(
    [told.accepted, told.dropped, told.reports[0]?.index, told.reports[0]?.reason],
    [1, 1, 1, 'no-session-id'],
  );
  const all = await post('/v2/events', 'e=ps,ts=1,v=2', cmcd);
  assert.equal(all.status, 400);
  assert.match(((await all.json()) as { fix: string }).fix, /enabledKeys/);
  assert.equal((await post('/v2/events', '', cmcd)).status, 400);
  await post('/v2/events', `br=(,${line('b')}`, cmcd);
  const { reportsIn, accepted, salvaged, dropped, lostValues } = counts();
  assert.deepEqual(
    { reportsIn, accepted, salvaged, dropped: [...dropped], lostValues: [...lostValues] },
    { reportsIn: 4, accepted: 2, salvaged: 1, dropped: [['no-session-id', 2]], lostValues: [['br', 1]] },
  );
});

test('a tenant or a target that shall be silent is told so for good', async () => {
  const { post } = await collector({
    tenants: [
      { tenant: 'acme', tokens: [TOKEN], stoppedTargets: ['old'] },
      { tenant: 'gone', tokens: ['gone-token-0123456789'], stopped: true },
    ],
  });
  assert.equal((await post('/v2/events/old', line('a'), cmcd)).status, 410);
  assert.equal((await post('/v2/events/new', line('a'), cmcd)).status, 204);
  assert.equal(
    (await post('/v2/events', line('a'), { authorization: 'Bearer gone-token-0123456789' })).status,
    410,
  );
});

test('a tenant that brings too much waits; the others do not', async () => {
  const { post, counts } = await collector({
    tenants: [
      { tenant: 'acme', tokens: [TOKEN], reportsPerSecondMax: 10 },
      { tenant: 'other', tokens: ['other-token-0123456789'] },
    ],
  });
  assert.equal((await post('/v2/events', Array(60).fill(line('a')).join('\n'), cmcd)).status, 204);
  const refused = await post('/v2/events', line('a'), cmcd);
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers.get('retry-after')) >= 3, 'it has 40 reports to wait for');
  assert.equal(
    (await post('/v2/events', line('a'), { authorization: 'Bearer other-token-0123456789' })).status,
    204,
  );
  assert.equal(counts().accepted, 60);
});

test('new sessions beyond the limit are refused, known ones go on', async () => {
  const { post, counts } = await collector({
    tenants: [{ tenant: 'acme', tokens: [TOKEN], sessionsMax: 2 }],
  });
  assert.equal((await post('/v2/events', `${line('a')}\n${line('b')}`, cmcd)).status, 204);
  assert.equal((await post('/v2/events', line('c'), cmcd)).status, 429);
  assert.equal((await post('/v2/events', `${line('a')}\n${line('d')}`, cmcd)).status, 200);
  assert.deepEqual([...counts().dropped], [['too-many-sessions', 2]]);
  assert.equal(counts().accepted, 3);
});

test('no 204 without an acknowledgement: a lost reply is written again, an outage ends in 503', async () => {
  let fault: FaultDecision = { kind: 'lose-reply', delayMs: 1 };
  const { post, events, counts } = await collector({
    decide: () => {
      const now = fault;
      if (now.kind === 'lose-reply') fault = PASS;
      return now;
    },
    limits: { giveUpAfterMs: 120 },
  });
  assert.equal((await post('/v2/events', line('a'), cmcd)).status, 204);
  assert.equal(events().length, 2, 'once for the lost reply, once for the one that came');
  fault = { kind: 'refuse', code: 'unreachable' };
  const refused = await post('/v2/events', line('b'), cmcd);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '2');
  fault = PASS;
  assert.equal((await post('/v2/events', line('b'), cmcd)).status, 204);
  const { reportsIn, accepted, notWritten } = counts();
  assert.deepEqual([reportsIn, accepted, [...notWritten]], [3, 2, [['kafka', 1]]]);
});

test('a full queue refuses at once; what was taken is not lost', async () => {
  let isOpen = false;
  const { post, events, url } = await collector({
    decide: () => (isOpen ? PASS : { kind: 'refuse', code: 'not-leader' }),
    limits: { queueBytesMax: 500, giveUpAfterMs: 20_000 },
  });
  const first = post('/v2/events', `${line('a')}\n${line('b')}`, cmcd);
  await until(async () => (await fetch(`${url}/readyz`)).status === 503);
  const second = await post('/v2/events', line('c'), cmcd);
  assert.equal(second.status, 503);
  assert.equal(((await second.json()) as { error: string }).error, 'overloaded');
  isOpen = true;
  assert.equal((await first).status, 204);
  assert.deepEqual(
    events()
      .map(({ sessionId }) => sessionId)
      .sort(),
    ['a', 'b'],
  );
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
});

test('requests of one moment share a batch', async () => {
  let batches = 0;
  const { post, events } = await collector({
    decide: () => {
      batches++;
      return PASS;
    },
    limits: { lingerMs: 30 },
  });
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => post('/v2/events', line(`s${index}`), cmcd)),
  );
  assert.ok(answers.every(({ status }) => status === 204));
  assert.equal(events().length, 40);
  assert.ok(batches < 20, `${batches} requests to Kafka`);
});

test('closing answers what is under way and writes what waits', async () => {
  const { post, events, close, stats } = await collector({ limits: { lingerMs: 60_000 } });
  const answer = post('/v2/events', line('a'), cmcd);
  await until(async () => stats().queuedEvents === 1);
  await close();
  assert.equal((await answer).status, 204);
  assert.equal(events().length, 1);
});

test('the catalogue is followed: new entries, changed ones, and those that went', async () => {
  const { post, events, broker } = await collector();
  const put = (entry: CatalogueEntry | null, name: string) =>
    broker.append('catalogue', 0, name, entry === null ? null : codec.encode('catalogue', entry));
  const programme = async (): Promise<string> => {
    await post('/v2/events', `${line('a')},cid="cid-1"`, cmcd);
    return events().at(-1)!.programmeId;
  };
  assert.equal(await programme(), '');
  for (const name of ['news', 'sport']) {
    put(entryOf('acme', 'cid-1', name), 'acme/cid-1');
    await until(async () => (await programme()) === name);
  }
  put(null, 'acme/cid-1');
  await until(async () => (await programme()) === '');
});

test('bytes that are no HTTP, and bytes that are no text, harm nobody', async () => {
  const { post, url, events, problems } = await collector();
  const port = Number(new URL(url).port);
  const status = await new Promise<number>((resolve, reject) => {
    const sent = request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/v2/events',
      headers: { ...cmcd, 'content-type': 'x' },
    });
    sent.on('response', (response) => resolve(response.resume().statusCode!)).on('error', reject);
    sent.end(Buffer.from([0xff, 0xfe, 0, 10]));
  });
  assert.equal(status, 415);
  const mixed = Buffer.concat([Buffer.from([0xff, 0xfe, 10]), Buffer.from(line('a'))]);
  assert.equal((await post('/v2/events', Uint8Array.from(mixed), cmcd)).status, 200);
  assert.equal(events().length, 1);
  assert.deepEqual(problems, []);
});

function entryOf(tenant: string, contentId: string, programmeId: string): CatalogueEntry {
  return blankRecord('catalogue', { name: `${tenant}/${contentId}`, tenant, contentId, programmeId });
}

/** Asks again until the condition holds; the runner's own limit ends what never does. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await systemClock.sleep(5);
}
