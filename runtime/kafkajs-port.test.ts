/** What no single healthy broker does: leaders that move or are gone, answers that leave something out, silence. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { after, test } from 'node:test';
import { FakeCluster } from '../test/conformance/fake-cluster.ts';
import { openKafkajsPort } from './kafkajs-port.ts';
import type { LogPort, ProduceBatch } from './port.ts';
import { BatchBuilder, NO_HEADERS, NO_PRODUCER } from './record-batch.ts';
import { systemClock } from './system-clock.ts';
import { TransactionalProducer } from './transactional-producer.ts';

const closing: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

test('a batch whose leader moved goes to the new one, and is acknowledged by it', async () => {
  const { port, nodes } = await cluster(2);
  nodes.leaders = [0, 1];
  const before = await port.produce(null, [batchOf(0), batchOf(1)]);
  assert.deepEqual(
    before.map(({ partition, baseOffset }) => [partition, baseOffset]),
    [
      [0, 0],
      [1, 0],
    ],
  );
  nodes.leaders = [0, 0];
  await assert.rejects(port.produce(null, [batchOf(0), batchOf(1)]), { code: 'not-leader', kind: 'retry' });
  const again = await port.produce(null, [batchOf(1)]);
  assert.deepEqual(
    again.map(({ partition }) => partition),
    [1],
  );
  assert.deepEqual(
    nodes.log.map((one) => one.length),
    [2, 2],
    'partition 0 was written in spite of the other',
  );
});

test('a producer that meets a moving leader writes everything once', async () => {
  const { port, nodes } = await cluster(2);
  nodes.leaders = [0, 1];
  const producer = await TransactionalProducer.open({
    port,
    clock: systemClock,
    transactionalId: 't',
    transactionTimeoutMs: 10_000,
  });
  producer.begin();
  await producer.send([outgoing(0), outgoing(1)]);
  nodes.leaders = [1, 0];
  await producer.send([outgoing(0), outgoing(1)]);
  assert.deepEqual(
    nodes.log.map((sequences) => sequences.join(' ')),
    ['0 1', '0 1'],
  );
  assert.ok(producer.retries > 0);
});

test('an acknowledgement that leaves a partition out is none', async () => {
  const { port, nodes } = await cluster(1);
  nodes.leaders = [0, 0];
  nodes.unacknowledged.add(1);
  await assert.rejects(port.produce(null, [batchOf(0), batchOf(1)]), {
    kind: 'ambiguous',
    message: /left t\/1 out/,
  });
});

test('of several failures the one with the least hope is told', async () => {
  const { port, nodes } = await cluster(2);
  nodes.leaders = [0, 1];
  await port.produce(null, [batchOf(0), batchOf(1)]);
  nodes.leaders = [1, 1];
  nodes.errors.set(1, 10);
  await assert.rejects(port.produce(null, [batchOf(0), batchOf(1)]), {
    code: 'record-too-large',
    message: /t\/1/,
  });
});

test('a partition without a leader does not hold up the reading of the others', async () => {
  const { port, nodes } = await cluster(2);
  nodes.leaders = [0, null];
  const fetched = await port.fetch([fetchOf(0), fetchOf(1)], 50, 1 << 20);
  assert.deepEqual(
    fetched.map(({ partition }) => partition),
    [0],
  );
  nodes.leaders = [null, null];
  await assert.rejects(port.fetch([fetchOf(1)], 50, 1 << 20), { code: 'not-leader', message: /t\/1/ });
});

test('news from one broker do not wait for another, whose answer is not asked for twice', async () => {
  const { port, nodes } = await cluster(2);
  nodes.leaders = [0, 1];
  await port.produce(null, [batchOf(0)]);
  const startedAtMs = Date.now();
  const first = await port.fetch([fetchOf(0), fetchOf(1)], 2_000, 1 << 20);
  assert.deepEqual(
    first.map(({ partition }) => partition),
    [0],
  );
  const polling = port.fetch([fetchOf(0, 1), fetchOf(1)], 2_000, 1 << 20);
  await port.produce(null, [batchOf(1)]);
  nodes.wake();
  const second = await polling;
  assert.ok(second.find(({ partition }) => partition === 1)!.batches.length > 0);
  assert.ok(Date.now() - startedAtMs < 1_500);
  assert.equal(nodes.fetches[1], 1);
});

test('a broker that is gone is a reason to ask for the new leader, as long as it was not asked for anything', async () => {
  const { port, nodes } = await cluster(2);
  nodes.leaders = [0, 1];
  await port.produce(null, [batchOf(0), batchOf(1)]);
  await nodes.kill(1);
  nodes.leaders = [0, 0];
  // the first attempt may meet a connection that was just cut
  await assert.rejects(port.produce(null, [batchOf(1)]), (error: { kind: string }) => error.kind !== 'fatal');
  assert.deepEqual(
    (await port.produce(null, [batchOf(1)])).map(({ partition }) => partition),
    [1],
  );
});

test('a broker that says nothing is given up after the request timeout', async () => {
  const { port, nodes } = await cluster(1);
  nodes.leaders = [0, 0];
  await port.produce(null, [batchOf(0)]);
  nodes.isSilent = true;
  const startedAtMs = Date.now();
  await assert.rejects(port.produce(null, [batchOf(0)]), {
    code: 'timed-out',
    kind: 'ambiguous',
    message: /127\.0\.0\.1:\d+ did not answer/,
  });
  const tookMs = Date.now() - startedAtMs;
  assert.ok(tookMs >= REQUEST_TIMEOUT_MS - 50 && tookMs < REQUEST_TIMEOUT_MS + 1_500, `${tookMs} ms`);
  nodes.isSilent = false;
  await port.produce(null, [batchOf(0)]);
});

test('a server that speaks something else is refused, whatever length its first letters make', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const { port } = server.address() as AddressInfo;
  await assert.rejects(openKafkajsPort({ brokers: [`127.0.0.1:${port}`], clientId: 'test' }), {
    code: 'unreachable',
  });
});

test('no broker at all is one clear error', async () => {
  const { nodes } = await cluster(1);
  const [address] = nodes.addresses;
  await nodes.kill(0);
  await assert.rejects(openKafkajsPort({ brokers: [address!], clientId: 'test' }), {
    code: 'unreachable',
    message: `The Kafka broker at ${address} cannot be reached (nothing listens there): start it, or give the right address in KAFKA_BROKERS.`,
  });
  for (const address of ['localhost', 'localhost:99999', '', 'a b:9092', 'kafka://x:9092']) {
    await assert.rejects(openKafkajsPort({ brokers: [address], clientId: 'test' }), {
      code: 'unreachable',
      message: /write host:port/,
    });
  }
  await assert.rejects(openKafkajsPort({ brokers: [], clientId: 'test' }), { message: /KAFKA_BROKERS/ });
});

const REQUEST_TIMEOUT_MS = 500;

async function cluster(size: number): Promise<{ readonly port: LogPort; readonly nodes: FakeCluster }> {
  const nodes = await FakeCluster.start(size);
  closing.push(() => nodes.stop());
  const port = await openKafkajsPort({
    brokers: nodes.addresses,
    clientId: 'test',
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
  closing.push(() => port.close());
  return { port, nodes };
}

function outgoing(partition: number) {
  const builder = new BatchBuilder();
  builder.append(null, Buffer.from('v'), NO_HEADERS, 0);
  return { topic: 't', partition, builder };
}

function batchOf(partition: number): ProduceBatch {
  return { topic: 't', partition, baseSequence: -1, bytes: outgoing(partition).builder.finish(NO_PRODUCER) };
}

function fetchOf(partition: number, offset = 0) {
  return { topic: 't', partition, offset };
}
