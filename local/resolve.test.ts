import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { doctor, isHealthy, renderDoctor } from './doctor.ts';
import { choosePort } from './ports.ts';
import { askRegistry } from './registry.ts';
import { givenBrokers, givenRegistry, maskedUrl, resolveCluster } from './resolve.ts';
import type { SetupError, SetupErrorCode } from './setup-error.ts';

const SECONDS_MAX = 10;

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Accepts connections and never says a word. */
async function silentPort(t: TestContext): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return await listen(
    t,
    createServer((socket) => sockets.add(socket)),
  );
}

async function registryAt(t: TestContext, answer: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(t, createHttpServer(answer))}`;
}

async function fails(env: NodeJS.ProcessEnv, code: SetupErrorCode, message: RegExp): Promise<void> {
  const startedMs = performance.now();
  await assert.rejects(resolveCluster({ env, onProgress: () => {} }), (error: SetupError) => {
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(!error.message.includes('\n'));
    assert.match(error.fix, /KAFKA_BROKERS|SCHEMA_REGISTRY_URL|host:port|http/);
    return true;
  });
  assert.ok(performance.now() - startedMs < SECONDS_MAX * 1000);
}

describe('addresses that are given', { concurrency: true }, () => {
  test('a broker that is not there', async () => {
    const port = await choosePort(undefined, new Set());
    await fails(
      { KAFKA_BROKERS: `127.0.0.1:${port}` },
      'kafka-unreachable',
      new RegExp(`127.0.0.1:${port}.*REFUSED`),
    );
  });

  test('a port that is no broker', async (t) => {
    await fails(
      { KAFKA_BROKERS: `127.0.0.1:${await silentPort(t)}` },
      'kafka-unreachable',
      /no Kafka broker answers/,
    );
  });

  test('a registry that is not there, says nothing, or is something else', async (t) => {
    const closed = await choosePort(undefined, new Set());
    const notFound = await registryAt(t, (_, response) => response.writeHead(404).end());
    const website = await registryAt(t, (_, response) => response.end('<html>'));
    await Promise.all([
      fails({ SCHEMA_REGISTRY_URL: `http://127.0.0.1:${closed}` }, 'registry-unreachable', /REFUSED/),
      fails(
        { SCHEMA_REGISTRY_URL: `http://127.0.0.1:${await silentPort(t)}` },
        'registry-unreachable',
        /aborted|answer/,
      ),
      fails({ SCHEMA_REGISTRY_URL: notFound }, 'registry-unreachable', /answered 404 to GET \/subjects/),
      fails({ SCHEMA_REGISTRY_URL: website }, 'registry-unreachable', /no list of subjects/),
    ]);
  });

  test('a registry behind a password gets it, and nobody sees it', async (t) => {
    const seen: (string | undefined)[] = [];
    const url = await registryAt(t, (request, response) => {
      seen.push(request.headers.authorization);
      response.end('[]');
    });
    await askRegistry(`${url.replace('//', '//kim:s3cret@')}/`);
    assert.deepEqual(seen, [`Basic ${Buffer.from('kim:s3cret').toString('base64')}`]);
    assert.equal(maskedUrl('http://kim:s3cret@host:8081/'), 'http://kim:***@host:8081');
  });

  test('addresses are read strictly', () => {
    assert.equal(givenBrokers({}), null);
    assert.equal(givenBrokers({ KAFKA_BROKERS: ' ' }), null);
    assert.deepEqual(givenBrokers({ KAFKA_BROKERS: 'a:1, b.example:9092,[::1]:9' }), [
      'a:1',
      'b.example:9092',
      '[::1]:9',
    ]);
    for (const bad of ['localhost', 'localhost:0', 'a:70000', 'kafka://a:9092', 'a:9092,', 'a b:1']) {
      assert.throws(() => givenBrokers({ KAFKA_BROKERS: bad }), { code: 'bad-address' }, bad);
    }
    assert.equal(
      givenRegistry({ SCHEMA_REGISTRY_URL: 'https://r/apis/ccompat/v7/' }),
      'https://r/apis/ccompat/v7',
    );
    for (const bad of ['localhost:8081', 'ftp://r', 'nonsense']) {
      assert.throws(() => givenRegistry({ SCHEMA_REGISTRY_URL: bad }), { code: 'bad-address' }, bad);
    }
  });

  test('the doctor names what is broken and the line that mends it', async () => {
    const port = await choosePort(undefined, new Set());
    const checks = await doctor({
      ...process.env,
      KAFKA_BROKERS: `127.0.0.1:${port}`,
      FFMPEG_BIN: '/no/such/ffmpeg',
    });
    const byName = new Map(checks.map((check) => [check.name, check]));
    assert.equal(byName.get('KAFKA_BROKERS')?.status, 'broken');
    assert.equal(byName.get('ffmpeg')?.status, 'broken');
    assert.equal(byName.get('node')?.status, 'ok');
    assert.equal(isHealthy(checks), false);
    for (const check of checks) {
      if (check.status === 'broken' || check.status === 'missing') assert.notEqual(check.fix, '', check.name);
    }
    const text = renderDoctor(checks);
    assert.match(text, /^broken +ffmpeg +FFMPEG_BIN=\/no\/such\/ffmpeg cannot be used/m);
    assert.match(text, /Not ready: .*ffmpeg/);
  });
});
