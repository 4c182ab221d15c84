import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, beforeEach, describe, it } from 'node:test';
import { decodeValue, recordSchema, WriterSchemas } from './codec.ts';
import { learnWriterSchema, lookUpSchemaIds, openRegistry, registerSchemas } from './registry.ts';
import { RegistryError, type RegistryErrorCode } from './registry-error.ts';
import { TOPIC_NAMES, valueSubject } from './topics.ts';

type Answer = { readonly status: number; readonly body: unknown };

/** Confluent's registry API, as much of it as is used, in memory. */
class FakeRegistry {
  readonly schemas: string[] = [];
  readonly versions = new Map<string, Set<number>>();
  readonly levels = new Map<string, string>();
  readonly requests: string[] = [];
  authorization: string | undefined;
  /** Answers that stand in for the registry's own, by method and path. */
  readonly overrides = new Map<string, Answer>();
  /** The same, for one request each. */
  readonly once = new Map<string, Answer>();

  answer(method: string, path: string, body: { schema?: string; compatibility?: string }): Answer {
    this.requests.push(`${method} ${path}`);
    const request = `${method} ${path}`;
    const override = this.once.get(request) ?? this.overrides.get(request);
    this.once.delete(request);
    if (override !== undefined) return override;
    const [, root, name = '', last] = path.split('/');
    if (root === 'config')
      return method === 'PUT' ? this.#setLevel(name, body.compatibility!) : this.#level(name);
    if (root === 'schemas') {
      const schema = this.schemas[Number(last) - 1];
      return schema === undefined ? notFound(40403) : { status: 200, body: { schema } };
    }
    if (root === 'subjects' && method === 'POST') {
      return last === 'versions' ? this.#register(name, body.schema!) : this.#find(name, body.schema!);
    }
    return notFound(404);
  }

  #level(subject: string): Answer {
    const compatibilityLevel = this.levels.get(subject);
    return compatibilityLevel === undefined ? notFound(40408) : { status: 200, body: { compatibilityLevel } };
  }

  #setLevel(subject: string, compatibility: string): Answer {
    this.levels.set(subject, compatibility);
    return { status: 200, body: { compatibility } };
  }

  #register(subject: string, schema: string): Answer {
    if (!this.schemas.includes(schema)) this.schemas.push(schema);
    const id = this.schemas.indexOf(schema) + 1;
    const versions = this.versions.get(subject) ?? new Set();
    this.versions.set(subject, versions.add(id));
    return { status: 200, body: { id } };
  }

  #find(subject: string, schema: string): Answer {
    const id = this.schemas.indexOf(schema) + 1;
    return this.versions.get(subject)?.has(id) ? { status: 200, body: { id } } : notFound(40403);
  }
}

function notFound(code: number): Answer {
  return { status: 404, body: { error_code: code, message: 'not found' } };
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, string>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? {} : (JSON.parse(text) as Record<string, string>);
}

let fake = new FakeRegistry();
const server = createServer(async (request, response) => {
  fake.authorization = request.headers.authorization;
  const { status, body } = fake.answer(
    request.method!,
    request.url!.replace(/^\/base/, ''),
    await bodyOf(request),
  );
  response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' });
  response.end(JSON.stringify(body));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
const url = `http://127.0.0.1:${port}/base`;

async function checkError(
  code: RegistryErrorCode,
  message: RegExp,
  run: () => Promise<unknown>,
): Promise<void> {
  await assert.rejects(run, (error) => {
    assert.ok(error instanceof RegistryError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.ok(!error.message.includes('\n') && !error.message.includes('secret'), error.message);
    return true;
  });
}

beforeEach(() => {
  fake = new FakeRegistry();
});
after(() => {
  server.closeAllConnections();
  server.close();
});

describe('registerSchemas', () => {
  it('registers every subject at its level, and a second time changes nothing', async () => {
    const first = await registerSchemas(openRegistry(`${url}/`));
    assert.deepEqual(
      first.map((one) => one.subject),
      TOPIC_NAMES.map((name) => valueSubject(name)),
    );
    assert.equal(fake.levels.get('qos-alerts-value'), 'FULL_TRANSITIVE');
    assert.equal(fake.levels.get('cohort-partials-value'), 'BACKWARD_TRANSITIVE');
    const stored = fake.schemas.length;
    assert.deepEqual(await registerSchemas(openRegistry(url)), first);
    assert.equal(fake.schemas.length, stored);
  });

  it('finds what an answer that was lost has made already', async () => {
    const message = "An artifact with ID 'qos-alerts-value' in group 'null' already exists.";
    fake.once.set('POST /subjects/qos-alerts-value/versions', {
      status: 409,
      body: { error_code: 409, message },
    });
    const [registered] = await registerSchemas(openRegistry(url), ['qos-alerts']);
    assert.equal(registered!.schemaId, 1);
    fake.overrides.set('POST /subjects/qos-alerts-value/versions', {
      status: 409,
      body: { error_code: 409, message },
    });
    await checkError('incompatible', /already exists/, () =>
      registerSchemas(openRegistry(url), ['qos-alerts']),
    );
  });

  it('corrects the level of a subject before it registers, so that the registry judges by it', async () => {
    fake.levels.set('catalogue-value', 'NONE');
    await registerSchemas(openRegistry(url), ['catalogue']);
    assert.equal(fake.levels.get('catalogue-value'), 'FULL_TRANSITIVE');
    const put = fake.requests.indexOf('PUT /config/catalogue-value');
    assert.ok(put >= 0 && put < fake.requests.indexOf('POST /subjects/catalogue-value/versions'));
  });

  it('says which subject the registry refuses, and why', async () => {
    fake.overrides.set('POST /subjects/catalogue-value/versions', {
      status: 409,
      body: { error_code: 409, message: 'field tenant\nwent' },
    });
    await checkError('incompatible', /catalogue-value.*field tenant went/, () =>
      registerSchemas(openRegistry(url)),
    );
  });
});

describe('lookUpSchemaIds', () => {
  it('finds what was registered, and registers nothing', async () => {
    const registered = await registerSchemas(openRegistry(url));
    fake.requests.length = 0;
    const ids = await lookUpSchemaIds(openRegistry(url), TOPIC_NAMES);
    for (const { topic, schemaId } of registered) assert.equal(ids.get(topic), schemaId);
    assert.ok(fake.requests.every((request) => !request.endsWith('/versions') && !request.startsWith('PUT')));
  });

  it('says to deploy when the schema is not there', async () => {
    await checkError('not-registered', /catalogue-value.*run `everyview topics --deploy`$/, () =>
      lookUpSchemaIds(openRegistry(url), ['catalogue']),
    );
  });
});

describe('learnWriterSchema', () => {
  it('brings a schema that decodeValue can use', async () => {
    const [registered] = await registerSchemas(openRegistry(url), ['catalogue']);
    const writers = new WriterSchemas();
    await learnWriterSchema(openRegistry(url), writers, registered!.schemaId);
    assert.equal(writers.fingerprintOf(registered!.schemaId), recordSchema('catalogue').fingerprint);
  });

  it('notes that there is no such schema, or none that is Avro', async () => {
    const writers = new WriterSchemas();
    fake.overrides.set('GET /schemas/ids/8', { status: 200, body: { schemaType: 'JSON', schema: '{}' } });
    for (const schemaId of [7, 8]) {
      await learnWriterSchema(openRegistry(url), writers, schemaId);
      const framed = Uint8Array.of(0, 0, 0, 0, schemaId);
      assert.throws(() => decodeValue('catalogue', framed, writers), { code: 'no-such-schema' });
    }
  });
});

describe('errors', () => {
  it('tell a registry that is down from one that refuses', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const closed = (other.address() as AddressInfo).port;
    await new Promise((resolve) => other.close(resolve));
    const down = openRegistry(`http://me:secret@127.0.0.1:${closed}`);
    const hint =
      /no schema registry answers at http:\/\/127\.0\.0\.1:\d+ \(.*ECONNREFUSED.*SCHEMA_REGISTRY_URL/;
    await checkError('unreachable', hint, () => registerSchemas(down));
    await checkError('unreachable', hint, () => lookUpSchemaIds(down, ['catalogue']));
    await checkError('unreachable', hint, () => learnWriterSchema(down, new WriterSchemas(), 1));

    const starting = { status: 503, body: { message: 'starting' } };
    fake.overrides.set('POST /subjects/catalogue-value', starting);
    await checkError('unreachable', /starting/, () => lookUpSchemaIds(openRegistry(url), ['catalogue']));
  });

  it('tell what to do about credentials, without showing them', async () => {
    const denied = { status: 401, body: { error_code: 401, message: 'Unauthorized' } };
    fake.overrides.set('GET /config/catalogue-value', denied);
    fake.overrides.set('POST /subjects/catalogue-value', denied);
    const registry = openRegistry(`http://me:secret@127.0.0.1:${port}/base`);
    await checkError('unauthorized', /SCHEMA_REGISTRY_URL/, () => registerSchemas(registry, ['catalogue']));
    assert.equal(fake.authorization, `Basic ${Buffer.from('me:secret').toString('base64')}`);
    await checkError('unauthorized', /SCHEMA_REGISTRY_URL/, () => lookUpSchemaIds(registry, ['catalogue']));
    assert.equal(fake.authorization, `Basic ${Buffer.from('me:secret').toString('base64')}`);
  });

  it('refuse what is no URL', async () => {
    await checkError('refused', /SCHEMA_REGISTRY_URL/, async () => openRegistry('me:secret@127.0.0.1'));
    await checkError('refused', /SCHEMA_REGISTRY_URL/, async () => openRegistry('ftp://me:secret@127.0.0.1'));
  });
});
