/** The detector that CONTRIBUTING.md shows is written from its text into a copy of the sources, and runs there. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
let copy = '';

before(async () => {
  copy = await mkdtemp(join(tmpdir(), 'everyview-contributing-'));
  for (const name of [
    'schemas',
    'runtime',
    'topologies',
    'test/support/step-context.ts',
    'package.json',
    'tsconfig.json',
  ]) {
    await cp(join(root, name), join(copy, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const text = await readFile(join(root, 'CONTRIBUTING.md'), 'utf8');
  for (const { language, path, body } of blocksOf(text)) {
    if (language === 'ts') await write(path, body);
    else await write(path, patched(await readFile(join(copy, path), 'utf8'), body));
  }
});

after(() => rm(copy, { recursive: true, force: true }));

test('the detector that CONTRIBUTING.md shows passes its own test', async () => {
  const { stdout } = await inCopy([
    '--test',
    '--test-reporter=tap',
    'topologies/detectors/video-green.test.ts',
  ]);
  assert.match(stdout, /^# pass 3$/m);
});

test('with its line in the topology it is a processor like the others, and finds its defect there', async () => {
  await write(
    'try.ts',
    `import { describe } from './runtime/describe.ts';
     import { cut, defectsOf, draw, everySecond, tell } from './topologies/detectors/drawn-stream.ts';
     import { DETECTORS, streamDetection } from './topologies/stream-detection.ts';
     const recording = draw('..####..', { '.': {}, '#': { lumaMeanCenti: 0, darkPermille: 0, lumaSpreadCenti: 5, chromaSpreadCenti: 5, still: true, diffMeanCenti: 0 } });
     console.log(describe([streamDetection]));
     console.log(tell(defectsOf(DETECTORS, cut(recording, everySecond(recording))), ''));`,
  );
  const { stdout } = await inCopy(['try.ts']);
  assert.match(
    stdout,
    /Processor: video-green \(stores: \[streams\]\)\n {6}--> precedence\n {6}<-- chunk-order/,
  );
  // A green picture is flat and still, too: it takes precedence over both.
  assert.match(stdout, /^video-green:open@1000 video-green:close@3000$/m);
});

test('it compiles', async () => {
  await write('tsconfig.shown.json', '{ "extends": "./tsconfig.json", "include": ["topologies/**/*.ts"] }');
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  await run(tsc, ['-p', 'tsconfig.shown.json'], { cwd: copy });
});

type Block = { readonly language: string; readonly path: string; readonly body: string };

/** Fenced blocks that begin with a path. */
function blocksOf(text: string): readonly Block[] {
  const found = [...text.matchAll(/^```(ts|diff)\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)];
  assert.equal(found.length, 4, 'CONTRIBUTING.md shows a detector, its test, the line and its precedence');
  return found.map(([, language, path, body]) => ({ language: language!, path: path!, body: body! }));
}

/** The text with a diff applied; hunks are separated by `@@` and have no line numbers. */
function patched(text: string, diff: string): string {
  let result = text;
  for (const hunk of diff.split(/^@@\n/m)) {
    const lines = hunk.split('\n').filter((line) => line !== '');
    const side = (mark: string) =>
      lines.flatMap((line) => (line[0] === ' ' || line[0] === mark ? [`${line.slice(1)}\n`] : [])).join('');
    assert.equal(result.split(side('-')).length, 2, `the source has these lines once:\n${side('-')}`);
    result = result.replace(side('-'), () => side('+'));
  }
  return result;
}

async function write(path: string, body: string): Promise<void> {
  await mkdir(dirname(join(copy, path)), { recursive: true });
  await writeFile(join(copy, path), body);
}

/** Without the variable by which a child of the test runner reports to it. */
async function inCopy(args: readonly string[]) {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return run(process.execPath, args, { cwd: copy, env });
}
