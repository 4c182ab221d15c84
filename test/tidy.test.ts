/** House rules as a test (CONTRIBUTING.md says why each exists). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Every file that git tracks or would track. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));
const sources = files.filter((path) => path.endsWith('.ts') && path !== 'schemas/records.ts');
const textOf = (path: string) => readFileSync(join(root, path), 'utf8');

/** Which top-level folders a folder may import from, besides itself and packages. Tests may import anything. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  schemas: [],
  runtime: ['schemas'],
  topologies: ['schemas', 'runtime'],
  producers: ['schemas', 'runtime'],
  consumers: ['schemas', 'runtime'],
  local: ['schemas', 'runtime', 'bin'],
  cli: ['schemas', 'runtime', 'topologies', 'producers', 'consumers', 'local', 'bin'],
};

/** The one type that a producer shares: the demonstration is a list of streams for ingest to watch. */
const SHARED: ReadonlySet<string> = new Set(['producers/ingest/stream-spec.ts']);

test('imports point one way', () => {
  const faults: string[] = [];
  for (const path of sources.filter((one) => !isTest(one))) {
    const folder = path.split('/')[0]!;
    const allowed = MAY_IMPORT[folder];
    if (allowed === undefined) continue;
    for (const target of importsOf(path)) {
      const to = target.split('/')[0]!;
      if (to !== folder && !allowed.includes(to)) faults.push(`${path} imports ${target}`);
      if (folder === 'producers' || folder === 'consumers') {
        const [mine, theirs] = [path.split('/')[1], target.split('/')[1]];
        if (to === folder && mine !== theirs && theirs !== undefined && !SHARED.has(target))
          faults.push(`${path} imports ${target}`);
      }
    }
  }
  assert.deepEqual(faults, []);
});

test("only the kafkajs port imports kafkajs's internals", () => {
  const faults = sources.filter(
    (path) =>
      /from '(kafkajs\/|.*kafkajs\/src)/.test(textOf(path)) || /require\(['"]kafkajs\/src/.test(textOf(path)),
  );
  const allowed = /^runtime\/kafkajs-[a-z-]+\.ts$|^test\/conformance\/|\.test\.ts$/;
  assert.deepEqual(
    faults.filter((path) => !allowed.test(path)),
    [],
  );
});

/** What topology code may not name: each would let a replay differ from the live run. */
const BANNED_IN_TOPOLOGIES: readonly (readonly [RegExp, string])[] = [
  [/\bDate\b/, 'a clock'],
  [/\bperformance\b/, 'a clock'],
  [/\bMath\.random\b/, 'randomness'],
  [
    /\bMath\.(?:sin|cos|tan|asin|acos|atan2?|sinh|cosh|tanh|exp|expm1|log|log2|log10|log1p|pow|cbrt|hypot)\b/,
    'a function that differs between Node versions',
  ],
  [/\*\*/, 'a power, which may differ between Node versions'],
  [/\bprocess\./, 'the process'],
  [/\b(?:async|await|Promise|setTimeout|setInterval)\b/, 'waiting'],
  [/from 'node:(?!assert|test)/, 'I/O'],
  [/\bconsole\./, 'logging'],
  [/\bfrom 'pino'/, 'logging'],
  [/\.toLocale|\bIntl\b|localeCompare/, 'the locale'],
];

test('topology code reads no clock, draws no number, does no I/O', () => {
  const faults: string[] = [];
  for (const path of sources.filter((one) => one.startsWith('topologies/') && !isTest(one))) {
    const code = withoutComments(textOf(path));
    for (const [pattern, what] of BANNED_IN_TOPOLOGIES)
      if (pattern.test(code)) faults.push(`${path} names ${what}: ${pattern}`);
  }
  assert.deepEqual(faults, []);
});

test('no default exports, enums, barrels, or focused and skipped tests', () => {
  const faults: string[] = [];
  for (const path of sources) {
    const code = withoutComments(textOf(path));
    if (/^export default\b/m.test(code)) faults.push(`${path}: export default`);
    if (/^\s*(?:export )?(?:const )?enum\b/m.test(code)) faults.push(`${path}: enum`);
    if (/^export \* from/m.test(code)) faults.push(`${path}: barrel`);
    if (/catch(?:\s*\([^)]*\))?\s*\{\s*\}/.test(code)) faults.push(`${path}: empty catch`);
    if (isTest(path) && /\b(?:test|it|describe)\.(?:only|todo)\(/.test(code))
      faults.push(`${path}: test.only or test.todo`);
  }
  assert.deepEqual(faults, []);
});

/** Files that may be longer than the limit, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {};
const LINES_MAX = 420;

test('files stay short', () => {
  const faults = sources
    .map((path) => ({ path, lines: textOf(path).split('\n').length }))
    .filter(({ path, lines }) => lines > LINES_MAX && LONG_FILES[path] === undefined)
    .map(({ path, lines }) => `${path}: ${lines} lines`);
  assert.deepEqual(faults, []);
});

const FUNCTION_LINES_MAX = 72;

test('functions stay short', () => {
  const faults: string[] = [];
  for (const path of sources.filter((one) => !isTest(one))) {
    for (const { name, lines } of functionsOf(textOf(path))) {
      if (lines > FUNCTION_LINES_MAX) faults.push(`${path}: ${name} has ${lines} lines`);
    }
  }
  assert.deepEqual(faults, []);
});

test('no file is dead: each is imported, run by a script, or a test', () => {
  const pages = files.filter((path) => path.endsWith('.html'));
  const loaded = pages.flatMap((page) =>
    [...textOf(page).matchAll(/src="\/([\w-]+\.ts)"/g)].map(([, name]) => join(dirname(page), name!)),
  );
  const reached = new Set([...loaded, ...sources.flatMap((path) => importsOf(path))]);
  const named = files
    .filter((path) => /(^package\.json|\.mjs|^\.ci\/run|\.md|\.ya?ml)$/.test(path))
    .map(textOf)
    .join('\n');
  const faults = sources.filter(
    (path) =>
      !isTest(path) &&
      !reached.has(path) &&
      !named.includes(path) &&
      !sources.some((other) => other !== path && textOf(other).includes(path)),
  );
  assert.deepEqual(faults, []);
});

test('paths that the documents name exist', () => {
  const faults: string[] = [];
  for (const path of ['ARCHITECTURE.md', 'README.md', 'CONTRIBUTING.md'].filter((one) =>
    existsSync(join(root, one)),
  )) {
    for (const [, named] of textOf(path).matchAll(
      /`((?:schemas|runtime|topologies|producers|consumers|cli|local|bench|test|bin)\/[\w./-]*)`/g,
    )) {
      if (!existsSync(join(root, named!))) faults.push(`${path} names ${named}`);
    }
  }
  assert.deepEqual(faults, []);
});

function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || path.startsWith('test/') || path.startsWith('bench/');
}

/** Paths, relative to the root, of the files that a file imports. */
function importsOf(path: string): string[] {
  const found: string[] = [];
  for (const [, , spec] of textOf(path).matchAll(/(from|import\(|import)\s*['"](\.{1,2}\/[^'"]+)['"]/g)) {
    found.push(normalize(relative(root, join(root, dirname(path), spec!))));
  }
  return found;
}

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');
}

/** Named functions and methods by indentation: formatted code closes a block at the column where it began. */
function functionsOf(code: string): { name: string; lines: number }[] {
  const lines = code.split('\n');
  const found: { name: string; lines: number }[] = [];
  for (const [start, line] of lines.entries()) {
    const match =
      /^(\s*)(?:export )?(?:(?:async )?function\*? (\w+)|(?:static |async )*(#?\w+)\([^)]*\)?[^;=]*\{$)/.exec(
        line,
      );
    if (match === null || /^\s*(?:if|for|while|switch|return|catch)\b/.test(line)) continue;
    const indent = match[1]!;
    const length = lines.slice(start + 1).findIndex((other) => other.startsWith(`${indent}}`));
    if (length >= 0) found.push({ name: match[2] ?? match[3] ?? '?', lines: length + 2 });
  }
  return found;
}
