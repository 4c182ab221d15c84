/** The page: which of its views is shown is in the address, so that it can be sent to somebody. */
import { render } from 'preact';
import { useState } from 'preact/hooks';
import { AlertsPage } from './alerts-page.ts';
import { html } from './html.ts';
import { connect, useConnection } from './live.ts';
import { SessionPage } from './session-page.ts';
import { SessionsPage } from './sessions-page.ts';
import { WallPage } from './wall-page.ts';

const PAGES = [
  ['/', 'streams'],
  ['/sessions', 'sessions'],
  ['/alerts', 'alerts'],
] as const;
const THEMES = ['auto', 'light', 'dark'] as const;

function App() {
  const path = location.pathname;
  return html`<header class="top">
      <a class="brand" href="/"><img src="/icon.svg" alt="" width="26" height="26" /> EveryView</a>
      <nav>${PAGES.map(([to, name]) => html`<a href=${to} aria-current=${isHere(path, to) ? 'page' : null}>${name}</a>`)}</nav>
      <${Connection} /><${Theme} />
    </header>
    <main>${pageAt(path)}</main>`;
}

function pageAt(path: string) {
  if (path.startsWith('/session/'))
    return html`<${SessionPage} sessionKey=${decodeURIComponent(path.slice('/session/'.length))} />`;
  if (path === '/sessions') return html`<${SessionsPage} />`;
  return path === '/alerts' ? html`<${AlertsPage} />` : html`<${WallPage} />`;
}

function isHere(path: string, to: string): boolean {
  return path === to || (to === '/sessions' && path.startsWith('/session/'));
}

function Connection() {
  const connection = useConnection();
  return html`<span class=${`live ${connection === 'live' ? 'on' : connection === 'connecting' ? '' : 'off'}`} role="status">${connection}</span>`;
}

function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem('theme') ?? 'auto');
  const next = THEMES[(THEMES.indexOf(theme as 'auto') + 1) % THEMES.length]!;
  const choose = (): void => {
    localStorage.setItem('theme', next);
    applyTheme(next);
    setTheme(next);
  };
  return html`<button type="button" class="theme" title=${`colours: ${theme}`} onClick=${choose}>◐ ${theme}</button>`;
}

function applyTheme(theme: string): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

applyTheme(localStorage.getItem('theme') ?? 'auto');
connect();
const place = document.getElementById('app')!;
place.textContent = '';
render(html`<${App} />` as never, place);
