import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { MemoryBroker } from '../../runtime/memory-broker.ts';
import { systemClock } from '../../runtime/system-clock.ts';
import { localCodec } from '../../runtime/value-codec.ts';
import { newTopics, type RecordOf, type TopicName } from '../../schemas/topics.ts';
import { type Console, startConsole } from './server.ts';
import { aDefect, aHealth, anAlert, aScore, aWindow } from './testing.ts';

const codec = localCodec();
const broker = new MemoryBroker({ clock: systemClock });
const port = broker.openPort({ clientId: 'console' });
let console_: Console;

function put<T extends TopicName>(topic: T, value: RecordOf[T], timestampMs = systemClock.nowMs()): void {
  broker.append(topic, 0, 'key', codec.encode(topic, value), timestampMs);
}

before(async () => {
  broker.createTopics(newTopics(2));
  put('stream-health', aHealth({ programmeId: 'old' }), systemClock.nowMs() - 3_600_000);
  put('stream-health', aHealth({ programmeId: 'news' }));
  broker.append('qos-scores', 1, 'key', 'no value of ours', systemClock.nowMs());
  console_ = await startConsole({
    port,
    codec,
    clock: systemClock,
    host: '127.0.0.1',
    listenPort: 0,
    onUndecodable: () => {},
  });
  await console_.caughtUp;
});
after(async () => {
  await console_.close();
  broker.close();
});

async function get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(new URL(path, console_.url));
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Asks until the answer is as wanted: the log is followed in the background. */
async function until(
  path: string,
  isWanted: (body: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>> {
  for (;;) {
    const { body } = await get(path);
    if (isWanted(body)) return body;
    await systemClock.sleep(20);
  }
}

test('the wall: what the last half hour said of each stream, a defect at once', async () => {
  const { body } = await get('/api/streams');
  const tiles = body.streams as { programmeId: string; status: string }[];
  assert.deepEqual(
    tiles.map(({ programmeId, status }) => [programmeId, status]),
    [['news', 'good']],
  );
  put('stream-defects', aDefect({ programmeId: 'news', event: 'open' }));
  const streamOf = (one: Record<string, unknown>) =>
    (one.streams as { status: string; defects: object[] }[])[0]!;
  const open = streamOf(await until('/api/streams', (one) => streamOf(one).status === 'defective'));
  assert.equal(open.defects.length, 1);
  put('stream-defects', aDefect({ programmeId: 'news', event: 'update', announced: 'cue-out' }));
  const slate = streamOf(await until('/api/streams', (one) => streamOf(one).status === 'good'));
  assert.equal((slate.defects[0] as { announced: string }).announced, 'cue-out');
  put('stream-defects', aDefect({ programmeId: 'news', event: 'close', revision: 2, endMs: 5_000 }));
  const after = streamOf(await until('/api/streams', (one) => streamOf(one).defects.length === 0));
  assert.equal(after.status, 'good');
});

test('alerts: the highest version of each, those that fire first', async () => {
  put('qos-alerts', anAlert({ alertId: 'a', version: 1, status: 'resolved' }));
  put('qos-alerts', anAlert({ alertId: 'b', version: 2, status: 'firing' }));
  put('qos-alerts', anAlert({ alertId: 'b', version: 1, status: 'pending' }));
  const { alerts } = await until('/api/alerts', ({ alerts }) => (alerts as object[]).length === 2);
  assert.deepEqual(
    (alerts as { alertId: string; status: string }[]).map(({ alertId, status }) => [alertId, status]),
    [
      ['b', 'firing'],
      ['a', 'resolved'],
    ],
  );
});

test('sessions: the worst first, found by any of their words, one with all of its windows', async () => {
  const at = (systemClock.nowMs() - 60_000) % 10_000;
  const startMs = systemClock.nowMs() - 60_000 - at;
  for (let i = 0; i < 3; i++) {
    const span = { windowStartMs: startMs + i * 10_000, windowEndMs: startMs + (i + 1) * 10_000 };
    put(
      'qos-scores',
      aScore({ sessionKey: 'k1', sessionId: 'bad-one', sessionScore: 41, score: 40, ...span }),
    );
    put('qos-scores', aScore({ sessionKey: 'k2', sessionId: 'fine', cdn: 'edge-7', ...span }));
  }
  await until('/api/sessions', ({ rows }) => (rows as object[]).length === 2);
  const idsOf = async (query: string) =>
    ((await get(`/api/sessions?${query}`)).body.rows as { sessionId: string }[]).map(
      ({ sessionId }) => sessionId,
    );
  assert.deepEqual(await idsOf('sort=worst'), ['bad-one', 'fine']);
  assert.deepEqual(await idsOf('q=EDGE-7'), ['fine']);
  const { body } = await get('/api/sessions/k1');
  assert.equal((body.windows as object[]).length, 3);
  const none = await get('/api/sessions/unknown');
  assert.equal(none.status, 404);
  assert.match(String(none.body.error), /everyview session/);
});

test('the audience: leaves of a window add up', async () => {
  const windowEndMs = systemClock.nowMs();
  put(
    'cohort-windows',
    aWindow({ cdn: 'one', concurrent: 3, scoredSessions: 3, scoreSum: 240, windowEndMs }),
  );
  put('cohort-windows', aWindow({ cdn: 'two', concurrent: 1, scoredSessions: 1, scoreSum: 40, windowEndMs }));
  const { points } = await until(
    '/api/audience',
    (one) => (one.points as { sessions: number }[])[0]?.sessions === 2,
  );
  const [point] = points as { concurrent: number; scoreMean: number }[];
  assert.deepEqual([point!.concurrent, point!.scoreMean], [4, 70]);
});

test('news: a line for every open page', async () => {
  const response = await fetch(new URL('/api/live', console_.url));
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  put('qos-alerts', anAlert({ alertId: 'news', version: 1 }));
  while (!/data: .*"alerts":[1-9]/.test(text)) text += (await reader.read()).value;
  await reader.cancel();
});

test('pages: every module that a page asks for is there, without types; nothing else is', async () => {
  const seen = new Set<string>();
  const queue = ['/', '/app.ts', '/style.css', '/uplot.css', '/icon.svg', '/session/any'];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const response = await fetch(new URL(path, console_.url));
    assert.equal(response.status, 200, path);
    assert.match(response.headers.get('content-security-policy')!, /default-src 'none'/);
    const text = await response.text();
    if (!path.endsWith('.ts')) continue;
    assert.doesNotMatch(text, /import type|: readonly /);
    for (const [, name] of text.matchAll(/from '\.\/([a-z-]+\.ts)'/g)) queue.push(`/${name}`);
  }
  assert.ok(seen.size >= 14, [...seen].join(' '));
  for (const path of ['/server.ts', '/../server.ts', '/web/app.ts', '/vendor/none.js', '/api/none'])
    assert.equal((await fetch(new URL(path, console_.url))).status, 404, path);
});

test('it only reads, and answers to its own name only', async () => {
  const posted = await fetch(new URL('/api/alerts', console_.url), { method: 'POST' });
  assert.equal(posted.status, 405);
  const { port: listenPort } = new URL(console_.url);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port: listenPort, path: '/api/alerts', headers: { host: 'rebound.example' } },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    asked.on('error', reject).end();
  });
  assert.equal(status, 403);
});
