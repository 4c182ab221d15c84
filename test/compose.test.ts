/**
 * docker-compose.yml, Dockerfile and what they mount, held to the code: no engine runs here, so each thing that a person
 * would find out by starting it is looked at instead.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { runCli } from '../cli/program.ts';
import { DATASOURCE } from '../consumers/grafana/panels.ts';
import { DASHBOARD_ROLE } from '../consumers/postgres-sink/dashboard-role.ts';
import { REPOSITORY } from '../local/folders.ts';
import { SINGLE_NODE_PROPERTIES } from '../local/kafka.ts';
import { KAFKA_IMAGE, NODE_MAJOR_MIN, REGISTRY_IMAGE } from '../local/versions.ts';
import { parseTenants } from '../producers/collector/settings.ts';

type Service = {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly disable?: boolean };
  readonly profiles?: readonly string[];
};
type Compose = {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly configs: { readonly tenants: { readonly content: string } };
};

const text = read('docker-compose.yml');
const compose = parse(text, { merge: true }) as Compose;
const services = Object.entries(compose.services);
const own = services.filter(([, { build }]) => build !== undefined);
const dockerfile = read('Dockerfile');

function read(file: string): string {
  return readFileSync(path.join(REPOSITORY, file), 'utf8');
}

function settings(service: string): Readonly<Record<string, string>> {
  return compose.services[service]!.environment!;
}

test('the whole system is there, and all of it starts but the demonstration', () => {
  const always = services.filter(([, { profiles }]) => profiles === undefined).map(([name]) => name);
  assert.deepEqual(always.sort(), [
    ...['collector', 'console', 'deploy', 'grafana', 'kafka', 'postgres'],
    ...['prometheus', 'registry', 'sink', 'topologies'],
  ]);
});

test('every image is pinned to a version, and is the one that the code names', () => {
  for (const [name, { image, build }] of services)
    if (build === undefined) assert.match(image, /:v?\d+\.\d+[\w.-]*$/, name);
  assert.equal(compose.services.kafka!.image, KAFKA_IMAGE);
  assert.equal(compose.services.registry!.image, REGISTRY_IMAGE);
  assert.match(compose.services.postgres!.image, /^postgres:18\./);
  assert.deepEqual(compose.services.postgres!.volumes, ['postgres-data:/var/lib/postgresql']);
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1]!);
  for (const base of bases)
    assert.match(base, new RegExp(`^node:${NODE_MAJOR_MIN}\\.\\d+\\.\\d+-bookworm-slim$`));
  assert.equal(bases.length, 2);
});

test('ports are published on the loopback interface only, each once', () => {
  const published = services.flatMap(([, { ports = [] }]) => ports);
  for (const port of published) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/);
  assert.equal(new Set(published.map((port) => port.split(':')[1])).size, published.length);
  assert.ok(published.length >= 7);
});

test('nothing starts without chosen secrets: there is no default, and .env.example names them all, empty', () => {
  const variables = [...text.matchAll(/\$\{(\w+)([^}]*)\}/g)].filter(([, name]) => name !== '');
  assert.ok(variables.length >= 5);
  for (const [whole, , rest] of variables)
    assert.match(rest!, /^:\?.+/, `${whole} has a default, or may be empty`);
  const wanted = [...new Set(variables.map(([, name]) => name!))].sort();
  const offered = read('.env.example')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of offered) assert.match(line, /^\w+=$/, 'a name without a value');
  assert.deepEqual(offered.map((line) => line.slice(0, -1)).sort(), wanted);
  for (const [name, { environment = {} }] of services)
    for (const [variable, value] of Object.entries(environment))
      if (/PASSWORD|SECRET|TOKEN/.test(variable))
        assert.match(String(value), /^\$\{\w+:\?[^}]+\}$/, `${name}: ${variable}`);
  assert.match(read('.gitignore'), /^\.env$/m);
});

test('the broker has the settings of the local one, every one of them', () => {
  for (const [name, value] of Object.entries(SINGLE_NODE_PROPERTIES))
    assert.equal(settings('kafka')[`KAFKA_${name.toUpperCase().replaceAll('.', '_')}`], value, name);
});

test('each service of ours is a command that exists, with options that it has', async () => {
  for (const [name, { command }] of own) {
    const errors: string[] = [];
    // Anything after --help is not looked at, so options are checked by their names.
    const help = await helpOf(command![0]!, errors);
    assert.deepEqual(errors, [], name);
    for (const option of command!.filter((word) => word.startsWith('--')))
      assert.ok(help.includes(option), `${name}: everyview ${command![0]} has no ${option}`);
  }
});

test('every setting that a service of ours is given is read by the code', () => {
  const code = [
    'cli/cluster.ts',
    'cli/collector-service.ts',
    'cli/commands/sink.ts',
    'local/postgres.ts',
    'local/resolve.ts',
    'local/folders.ts',
    'local/ffmpeg.ts',
  ]
    .map(read)
    .join('\n');
  const given = new Set(own.flatMap(([, { environment = {} }]) => Object.keys(environment)));
  const ofImage = [...dockerfile.matchAll(/^(?:ENV)?\s+([A-Z_]+)=\S+/gm)].map((match) => match[1]!);
  assert.ok(ofImage.includes('EVERYVIEW_DATA_DIR') && ofImage.includes('FFMPEG_BIN'));
  for (const variable of [...given, ...ofImage].filter((one) => !READ_BY_OTHERS.has(one)))
    assert.ok(code.includes(variable), `nothing reads ${variable}`);
  for (const [name] of own) {
    if (name === 'demo-audience') continue;
    assert.match(settings(name).KAFKA_BROKERS!, /^kafka:19092$/, name);
    assert.match(settings(name).SCHEMA_REGISTRY_URL!, /^http:\/\/registry:8080\/apis\/ccompat\/v7$/, name);
  }
  assert.match(settings('kafka').KAFKA_ADVERTISED_LISTENERS!, /PLAINTEXT:\/\/kafka:19092$/);
  assert.match(settings('sink').POSTGRES_URL!, /^postgres:\/\/everyview@postgres:5432\/everyview$/);
  assert.deepEqual(
    [settings('postgres').POSTGRES_USER, settings('postgres').POSTGRES_DB],
    ['everyview', 'everyview'],
  );
  assert.equal(settings('postgres').POSTGRES_PASSWORD, settings('sink').PGPASSWORD);
  assert.equal(
    settings('grafana').EVERYVIEW_DASHBOARD_PASSWORD,
    settings('sink').EVERYVIEW_DASHBOARD_PASSWORD,
  );
});

test("the collector's tenants are what the collector reads", () => {
  const content = compose.configs.tenants.content.replace(/\$\{[^}]+\}/, 'token-of-this-test-0001');
  const [tenant] = parseTenants(JSON.parse(content), 'docker-compose.yml');
  assert.deepEqual([tenant!.tenant, tenant!.tokens], ['default', ['token-of-this-test-0001']]);
});

test('services wait for services that exist, and what is waited for as healthy says whether it is', () => {
  for (const [name, { depends_on = {}, volumes = [] }] of services) {
    for (const [needed, { condition }] of Object.entries(depends_on)) {
      assert.ok(compose.services[needed] !== undefined, `${name} waits for ${needed}`);
      if (condition !== 'service_healthy') continue;
      const { healthcheck, build } = compose.services[needed]!;
      assert.ok(healthcheck?.disable !== true && (healthcheck !== undefined || build !== undefined), needed);
    }
    for (const volume of volumes) {
      const [source] = volume.split(':') as [string];
      if (source.startsWith('.')) assert.ok(existsSync(path.join(REPOSITORY, source)), source);
      else assert.ok(source in compose.volumes, `${name}: the volume ${source} is declared`);
    }
  }
});

test('Prometheus asks every service of ours that serves metrics, and no other', () => {
  const config = parse(read('consumers/grafana/prometheus.yml')) as {
    scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
  };
  const asked = config.scrape_configs.find(({ job_name }) => job_name === 'everyview')!;
  const serving = own.filter(([, { command }]) => command!.includes('--metrics-port'));
  assert.deepEqual(
    asked.static_configs.flatMap(({ targets }) => targets).sort(),
    serving.map(([name]) => `${name}:9464`).sort(),
  );
  for (const [name, { command, healthcheck }] of own) {
    const isServing = command!.join(' ').includes('--metrics-port 9464 --metrics-host 0.0.0.0');
    // The image's own check asks there.
    assert.ok(isServing || healthcheck !== undefined, `${name} has no check of its health`);
  }
});

test('Grafana finds the tables with the role for dashboards, and the dashboards where they are mounted', () => {
  const sources = parse(read('consumers/grafana/provisioning/datasources/everyview.yaml')) as {
    datasources: {
      uid: string;
      type: string;
      url: string;
      user?: string;
      jsonData: { database?: string };
      secureJsonData?: { password: string };
    }[];
  };
  const [tables, metrics] = sources.datasources;
  assert.deepEqual({ type: tables!.type, uid: tables!.uid }, DATASOURCE);
  assert.deepEqual(
    [tables!.url, tables!.user, tables!.jsonData.database],
    ['postgres:5432', DASHBOARD_ROLE, 'everyview'],
  );
  assert.equal(tables!.secureJsonData!.password, '$EVERYVIEW_DASHBOARD_PASSWORD');
  assert.equal(metrics!.url, 'http://prometheus:9090');
  const provider = parse(read('consumers/grafana/provisioning/dashboards/everyview.yaml')) as {
    providers: { options: { path: string } }[];
  };
  const mounts = compose.services.grafana!.volumes!;
  const { path: folder } = provider.providers[0]!.options;
  assert.ok(mounts.includes(`./consumers/grafana/dashboards:${folder}:ro`));
  assert.ok(mounts.includes('./consumers/grafana/provisioning:/etc/grafana/provisioning:ro'));
  assert.equal(settings('grafana').GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH, `${folder}/streams.json`);
});

test('the image has every folder that runs, runs as nobody special, and has nothing of the working tree', () => {
  const folders = ['bin', 'cli', 'consumers', 'local', 'producers', 'runtime', 'schemas', 'topologies'];
  for (const folder of folders) {
    assert.match(dockerfile, new RegExp(`^COPY ${folder} \\./${folder}$`, 'm'));
    assert.match(read('.dockerignore'), new RegExp(`^!${folder}$`, 'm'));
  }
  assert.match(read('.dockerignore'), /^\*$/m);
  assert.match(dockerfile, /^USER node$/m);
  assert.ok(
    dockerfile.indexOf('USER node') > dockerfile.lastIndexOf('RUN '),
    'nothing is run as root after it',
  );
});

/** Read by Node, and by the PostgreSQL driver. */
const READ_BY_OTHERS: ReadonlySet<string> = new Set(['NODE_ENV', 'PGPASSWORD']);

async function helpOf(command: string, errors: string[]): Promise<string> {
  const parts: string[] = [];
  const terminal = (write: (text: string) => void) =>
    ({
      write: (chunk: string) => write(chunk),
      columns: 110,
      hasColour: false,
      isInteractive: false,
    }) as never;
  await runCli([command, '--help'], {
    out: terminal((chunk) => parts.push(chunk)),
    err: terminal((chunk) => errors.push(chunk)),
    env: {},
    interruption: { signal: new AbortController().signal } as never,
  });
  return parts.join('');
}
