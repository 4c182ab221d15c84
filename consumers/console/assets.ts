/** The files of the page. What is written in TypeScript loses its types on the way out; there is no build step. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';

export type Asset = { readonly type: string; readonly body: Buffer; readonly policy: string };

const require = createRequire(import.meta.url);

/** Bare names that the page's modules import, and where they are served. */
const VENDOR: Readonly<Record<string, string>> = {
  preact: '/vendor/preact.js',
  'preact/hooks': '/vendor/hooks.js',
  htm: '/vendor/htm.js',
  uplot: '/vendor/uplot.js',
};

const IMPORT_MAP = JSON.stringify({ imports: VENDOR });
const POLICY = [
  "default-src 'none'",
  `script-src 'self' 'sha256-${createHash('sha256').update(IMPORT_MAP).digest('base64')}'`,
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const PAGES: ReadonlySet<string> = new Set(['/', '/sessions', '/alerts']);
const kept = new Map<string, Asset>();

/** Null when there is nothing under this path. */
export function assetAt(path: string): Asset | null {
  const page = PAGES.has(path) || path.startsWith('/session/') ? '/index.html' : path;
  const known = kept.get(page);
  if (known !== undefined) return known;
  const asset = read(page);
  if (asset !== null) kept.set(page, asset);
  return asset;
}

function read(path: string): Asset | null {
  if (path === '/index.html') return assetOf('text/html; charset=utf-8', pageText());
  if (path === '/style.css') return assetOf('text/css; charset=utf-8', webText('style.css'));
  if (path === '/uplot.css')
    return assetOf(
      'text/css; charset=utf-8',
      readFileSync(require.resolve('uplot/dist/uPlot.min.css'), 'utf8'),
    );
  if (path === '/icon.svg') return assetOf('image/svg+xml', webText('icon.svg'));
  for (const [name, served] of Object.entries(VENDOR))
    if (path === served) return assetOf(SCRIPT, vendorText(name));
  const module = /^\/([a-z-]+)\.ts$/.exec(path)?.[1];
  if (module === undefined || !MODULES.has(module)) return null;
  return assetOf(SCRIPT, withoutTypes(webText(`${module}.ts`)));
}

const SCRIPT = 'text/javascript; charset=utf-8';
const MODULES: ReadonlySet<string> = new Set([
  'app',
  'alerts-page',
  'format',
  'html',
  'live',
  'plot',
  'session-page',
  'sessions-page',
  'wall-page',
]);

function vendorText(name: string): string {
  // its package names a form for Node where the browser's stands beside it
  if (name === 'uplot') return readFileSync(require.resolve('uplot/dist/uPlot.esm.js'), 'utf8');
  return readFileSync(new URL(import.meta.resolve(name)), 'utf8');
}

function webText(name: string): string {
  return readFileSync(new URL(`web/${name}`, import.meta.url), 'utf8');
}

function pageText(): string {
  return webText('index.html').replace('"IMPORT_MAP"', () => IMPORT_MAP);
}

function assetOf(type: string, text: string): Asset {
  return { type, body: Buffer.from(text), policy: POLICY };
}

/** Node remarks once upon this function being new; nobody who runs a console can do anything about that. */
function withoutTypes(code: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(code);
  } finally {
    process.emitWarning = emitWarning;
  }
}
