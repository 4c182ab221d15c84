/** Free text of players, fit for a topic that people subscribe to: bounded, printable, and without URL queries. */

/**
 * The text without credentials, query and fragment of every URL in it, and without the words in `forbidden` (the
 * sender's address and token). Null when it is no text of 1 to `charsMax` printable characters.
 *
 * @example
 * cleanText('live.m3u8?token=abc', 128, []) // 'live.m3u8'
 */
export function cleanText(text: unknown, charsMax: number, forbidden: readonly string[]): string | null {
  if (typeof text !== 'string' || text.length === 0 || text.length > charsMax) return null;
  if (UNPRINTABLE.test(text) || !text.isWellFormed()) return null;
  let clean = text.replace(CREDENTIALS, '//').replace(QUERY_OF_URL, '$1').replace(PARAMETERS, '');
  for (const word of forbidden) if (word !== '') clean = clean.replaceAll(word, '***');
  return clean === '' ? null : clean;
}

/** Host name of an absolute URL; null when it is none. Never a port, path, query or credentials. */
export function hostOf(url: unknown): string | null {
  if (typeof url !== 'string' || url.length > URL_CHARS_MAX || !/^https?:\/\//i.test(url)) return null;
  return URL.canParse(url) ? hostName(new URL(url).hostname) : null;
}

/** The name in lower case, where it is a host name or an address at all. */
export function hostName(host: unknown): string | null {
  return typeof host === 'string' && HOST_NAME.test(host) ? host.toLowerCase() : null;
}

const URL_CHARS_MAX = 8_192;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f]/;
const CREDENTIALS = /\/\/[^\s/?#@"']*@/g;
const QUERY_OF_URL = /(:\/\/[^\s"'<>?#]*)[?#][^\s"'<>]*/g;
/** Players quote relative addresses as well, and escaped ones: what looks like parameters goes. */
const PARAMETERS = /(?:[?#;]|%3f|%23)[^\s"'<>]*(?:=|%3d)[^\s"'<>]*/gi;
const HOST_NAME =
  /^(?=.{1,253}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]{2,45}\])$/;
