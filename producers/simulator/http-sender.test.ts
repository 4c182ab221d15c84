import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../../runtime/system-clock.ts';
import type { Beacon } from './audience.ts';
import { CollectorError, HttpSender, type HttpSenderOptions, type SenderCounts } from './http-sender.ts';
import { startAudience } from './start-audience.ts';
import { PROGRAMMES, someAudience } from './testing.ts';

type Seen = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
};
type Reply = { readonly status: number; readonly retryAfter?: string; readonly body?: string };

/** A server that answers by the list, the last answer again and again. */
async function startServer(...replies: readonly Reply[]) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const reply = replies[Math.min(seen.length, replies.length - 1)]!;
    seen.push({ method: request.method!, path: request.url!, headers: request.headers, body });
    if (reply.retryAfter !== undefined) response.setHeader('retry-after', reply.retryAfter);
    response.writeHead(reply.status);
    response.end(reply.body ?? '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function senderTo(url: string, changes: Partial<HttpSenderOptions> = {}): HttpSender {
  return new HttpSender({ collectorUrl: url, token: 'secret-token-0001', clock: systemClock, ...changes });
}

const all = [...someAudience({ viewers: 40, untilMs: 1_800_000_020_000 })];
const beaconOf = (form: Beacon['form'], not = ''): Beacon =>
  all.find((beacon) => beacon.form === form && beacon.sessionId !== not)!;

const outcomes = ({ acknowledged, refused, stopped, givenUp, leftOut, waiting }: SenderCounts): number =>
  acknowledged + refused + stopped + givenUp + leftOut + waiting;

test('each form goes where the collector takes it, with the token, the agent and the address', async () => {
  await using server = await startServer({ status: 204 });
  const sender = senderTo(server.url);
  for (const form of ['json', 'cmcd-event', 'cmcd-query'] as const) sender.take(beaconOf(form));
  await sender.close(5_000);
  const [v1, v2, json] = [...server.seen].sort((a, b) => (a.path < b.path ? -1 : 1)).map((one) => one);
  assert.match(v1!.path + v2!.path + json!.path, /^\/events\/v1\?CMCD=[^&]+\/v2\/events$/);
  const bodies = new Map(server.seen.map((one) => [one.path.replace(/\?.*/, ''), one]));
  assert.equal(bodies.get('/events')!.body, `${beaconOf('json').text}\n`);
  assert.equal(bodies.get('/events')!.headers['content-type'], 'application/x-ndjson');
  assert.equal(bodies.get('/v2/events')!.body, `${beaconOf('cmcd-event').text}\n`);
  assert.equal(bodies.get('/v2/events')!.headers['content-type'], 'application/cmcd');
  const query = bodies.get('/v1')!;
  assert.equal(new URL(query.path, server.url).searchParams.get('CMCD'), beaconOf('cmcd-query').text);
  for (const { headers } of server.seen) {
    assert.equal(headers.authorization, 'Bearer secret-token-0001');
    assert.match(headers['user-agent']!, /^Mozilla/);
    assert.match(String(headers['x-forwarded-for']), /^203\.0\.113\.\d+$/);
  }
  assert.equal(sender.counts.acknowledged, 3);
});

test('503 and 429 are tried again, with what came meanwhile', async () => {
  await using server = await startServer(
    { status: 503, retryAfter: '0' },
    { status: 429, retryAfter: '0' },
    { status: 204 },
  );
  const sender = senderTo(server.url);
  const first = beaconOf('json');
  sender.take(first);
  sender.take({ ...first, text: '{"second":true}' });
  await sender.close(5_000);
  assert.equal(server.seen.at(-1)!.body, `${first.text}\n{"second":true}\n`);
  const { acknowledged, retried, requests } = sender.counts;
  assert.equal(acknowledged, 2);
  assert.ok(retried >= 2 && requests >= 3);
  assert.equal(sender.lastFailure, 'the collector answered 429');
});

test('410 stops the session, and no other', async () => {
  await using server = await startServer({ status: 410 }, { status: 204 });
  const sender = senderTo(server.url, { requestsMax: 1 });
  const first = beaconOf('json');
  sender.take(first);
  sender.take(first);
  sender.take(beaconOf('json', first.sessionId));
  await sender.close(5_000);
  sender.take(first);
  const { stopped, acknowledged } = sender.counts;
  assert.deepEqual([stopped, acknowledged], [3, 1]);
});

test('what the collector leaves out of a body is refused; a whole body can be', async () => {
  await using server = await startServer(
    { status: 200, body: '{"accepted":1,"dropped":1}' },
    { status: 400 },
  );
  const sender = senderTo(server.url, { requestsMax: 1 });
  const first = beaconOf('json');
  sender.take(beaconOf('cmcd-event', first.sessionId));
  sender.take(first);
  sender.take(first);
  await sender.close(5_000);
  const { acknowledged, refused, taken } = sender.counts;
  assert.equal(acknowledged + refused, taken);
  assert.equal(refused, 3);
  assert.equal(sender.problem, null);
});

test('after all attempts a beacon is given up, a media request at once', async () => {
  await using server = await startServer({ status: 503, retryAfter: '0' });
  const sender = senderTo(server.url, { attemptsMax: 3 });
  sender.take(beaconOf('json'));
  sender.take(beaconOf('cmcd-query'));
  await sender.close(5_000);
  const { givenUp, retried, requests, waiting } = sender.counts;
  assert.deepEqual([givenUp, retried, requests, waiting], [2, 2, 4, 0]);
});

test('where nobody listens everything is given up in the end, and counted', async () => {
  const server = await startServer({ status: 204 });
  await server[Symbol.asyncDispose]();
  const sender = senderTo(server.url, { waitingMax: 5 });
  for (const beacon of all.slice(0, 20)) sender.take(beacon);
  await sender.close(50);
  const { counts } = sender;
  assert.equal(counts.leftOut, 15);
  assert.equal(outcomes(counts), 20);
  assert.equal(counts.waiting, 0);
  assert.match(sender.lastFailure, /ECONNREFUSED/);
});

test('an unknown token ends the run with what to do', async () => {
  await using server = await startServer({ status: 401, body: '{"error":"unknown-token"}' });
  const running = startAudience({
    collectorUrl: server.url,
    token: 'wrong-token-00001',
    seed: 1,
    viewers: 5,
    programmes: PROGRAMMES,
    clock: systemClock,
  });
  await assert.rejects(running.done, (error: unknown) => {
    assert.ok(error instanceof CollectorError);
    assert.match(error.message, /401.*give the file.*unknown-token/);
    return true;
  });
  assert.throws(() => senderTo('ftp://x'), /ftp:\/\/x is no address of a collector/);
});

test('an audience in its own time: all that is due is sent, and every beacon has an outcome', async () => {
  await using server = await startServer({ status: 204 }, { status: 503, retryAfter: '0' }, { status: 204 });
  const running = startAudience({
    collectorUrl: server.url,
    token: 'secret-token-0001',
    seed: 3,
    viewers: 40,
    programmes: PROGRAMMES,
    clock: systemClock,
    forMs: 1_500,
    speed: 20,
  });
  const { audience, sender } = await running.done;
  assert.ok(sender.acknowledged > 300, `${sender.acknowledged}`);
  assert.equal(sender.taken, audience.sent);
  assert.equal(outcomes(sender), sender.taken);
  assert.equal(audience.reports + audience.duplicated, audience.sent + audience.lost + audience.afterEnd);
  assert.equal(running.labels().incidents.length, 0);
});

test('an audience that is stopped says no more', async () => {
  await using server = await startServer({ status: 204 });
  const running = startAudience({
    collectorUrl: server.url,
    token: 'secret-token-0001',
    seed: 3,
    viewers: 40,
    programmes: PROGRAMMES,
    clock: systemClock,
  });
  while (server.seen.length < 3) await systemClock.sleep(10);
  const { audience, sender } = await running.stop();
  assert.equal(sender.taken, audience.sent);
  assert.equal(outcomes(sender), sender.taken);
  assert.ok(server.seen.length <= sender.requests);
});
