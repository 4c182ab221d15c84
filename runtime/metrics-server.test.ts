import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counter, Registry } from 'prom-client';
import { type Health, serveMetrics } from './metrics-server.ts';

async function served(health: () => Health = () => ({ status: 'ok' })) {
  const registry = new Registry();
  const counter = new Counter({ name: 'seen_total', help: 'Seen.', registers: [registry] });
  const server = await serveMetrics({ registry, host: '127.0.0.1', port: 0, health });
  return { counter, server, registry };
}

test('metrics come in the form that Prometheus reads, as they are at that moment', async () => {
  const { counter, server } = await served();
  try {
    counter.inc(3);
    const response = await fetch(`${server.url}/metrics`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
    assert.match(
      await response.text(),
      /^# HELP seen_total Seen\.\n# TYPE seen_total counter\nseen_total 3$/m,
    );
    counter.inc();
    assert.match(await (await fetch(`${server.url}/metrics?x=1`)).text(), /^seen_total 4$/m);
  } finally {
    await server.close();
  }
});

test('health is 200 until something failed, and says what', async () => {
  let health: Health = { status: 'starting' };
  const { server } = await served(() => health);
  try {
    const ask = async () => {
      const response = await fetch(`${server.url}/healthz`);
      return [response.status, await response.json()];
    };
    assert.deepEqual(await ask(), [200, { status: 'starting' }]);
    health = { status: 'ok' };
    assert.deepEqual(await ask(), [200, { status: 'ok' }]);
    health = { status: 'failed', detail: 'the disk is full' };
    assert.deepEqual(await ask(), [503, { status: 'failed', detail: 'the disk is full' }]);
  } finally {
    await server.close();
  }
});

test('other paths and methods are refused; closing frees the port at once', async () => {
  const { server, registry } = await served();
  assert.equal((await fetch(`${server.url}/`)).status, 404);
  assert.equal((await fetch(`${server.url}/metrics`, { method: 'POST' })).status, 405);
  const head = await fetch(`${server.url}/metrics`, { method: 'HEAD' });
  assert.deepEqual([head.status, await head.text()], [200, '']);
  const port = Number(new URL(server.url).port);
  const health = (): Health => ({ status: 'ok' });
  const again = () => serveMetrics({ registry, host: '127.0.0.1', port, health });
  await assert.rejects(again(), { code: 'EADDRINUSE' });
  await server.close();
  await (await again()).close();
});
