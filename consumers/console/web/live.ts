/** What the server has, asked for again whenever it says that there is news. */
import { useEffect, useState } from 'preact/hooks';

export type Versions = { readonly streams: number; readonly alerts: number; readonly sessions: number };

let versions: Versions = { streams: 0, alerts: 0, sessions: 0 };
let connection: 'connecting' | 'live' | 'not connected' = 'connecting';
const listeners = new Set<() => void>();

export function connect(): void {
  const events = new EventSource('/api/live');
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  events.onmessage = ({ data }) => {
    versions = JSON.parse(data) as Versions;
    connection = 'live';
    tell();
  };
  events.onerror = () => {
    connection = 'not connected';
    tell();
  };
}

function useNews(): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const listener = (): void => setCount((before) => before + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return count;
}

export function useConnection(): typeof connection {
  useNews();
  return connection;
}

export type Loaded<T> = { readonly data: T | null; readonly error: string };

/** The answer to `path`, renewed when `of` changes on the server. */
export function useLive<T>(path: string, of: keyof Versions): Loaded<T> {
  const news = useNews();
  const [loaded, setLoaded] = useState<Loaded<T> & { path: string }>({ data: null, error: '', path });
  const version = versions[of];
  useEffect(() => {
    let isWanted = true;
    void ask<T>(path).then((answer) => {
      if (isWanted) setLoaded((before) => keep(before, answer, path));
    });
    return () => {
      isWanted = false;
    };
  }, [path, version]);
  void news;
  return loaded.path === path ? loaded : { data: null, error: '' };
}

/** What was there stays while the server is away. */
function keep<T>(before: Loaded<T> & { path: string }, answer: Loaded<T>, path: string) {
  const data = answer.data ?? (before.path === path ? before.data : null);
  return { data, error: answer.error, path };
}

async function ask<T>(path: string): Promise<Loaded<T>> {
  try {
    const response = await fetch(path);
    const body = (await response.json()) as T & { error?: string };
    if (response.ok) return { data: body, error: '' };
    return { data: null, error: body.error ?? `the server answered ${response.status}` };
  } catch {
    return { data: null, error: 'the server does not answer; this page goes on when it is back' };
  }
}
