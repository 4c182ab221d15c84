/**
 * Which addresses a probe may connect to: public ones, and what its operator allows. Names are judged by what they resolve
 * to, so that neither a name nor a redirect nor a playlist reaches a service of the probe's own network.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { IngestError } from './ingest-error.ts';

/** One entry of an allow-list, as {@link parseAllowRule} reads it. */
export type AllowRule =
  /** This host as it is written in addresses, whatever it resolves to; `port` null allows all of its ports. */
  | { readonly kind: 'host'; readonly host: string; readonly port: number | null }
  /** Every address of a network. */
  | { readonly kind: 'network'; readonly network: BlockList };

export type Address = { readonly address: string; readonly family: 4 | 6 };

/** All addresses of a name. Rejects when there are none. */
export type Lookup = (hostname: string) => Promise<readonly Address[]>;

/**
 * Reads `host:port`, `host`, `10.1.0.0/16`, `[fd00::]/8` or `[::1]:8080`. An address without a port allows all of its
 * ports. Throws {@link IngestError} that shows how to write it.
 */
export function parseAllowRule(text: string): AllowRule {
  const network = /^\[?([0-9a-f.:]+)\]?\/(\d{1,3})$/i.exec(text);
  if (network !== null) {
    const family = isIP(network[1]!);
    const bits = Number(network[2]);
    if (family !== 0 && bits <= (family === 4 ? 32 : 128)) {
      const list = new BlockList();
      list.addSubnet(network[1]!, bits, family === 4 ? 'ipv4' : 'ipv6');
      return { kind: 'network', network: list };
    }
  }
  if (isIPv6(text)) return { kind: 'host', host: text.toLowerCase(), port: null };
  const host = /^(\[[0-9a-f:.]+\]|[^\s:/[\]@?#]+)(?::(\d{1,5}))?$/i.exec(text);
  const port = host?.[2] === undefined ? null : Number(host[2]);
  const bare = host?.[1]?.replace(/^\[|\]$/g, '').toLowerCase();
  if (bare !== undefined && (port === null || (port > 0 && port < 65_536)) && isHost(host![1]!)) {
    return { kind: 'host', host: bare, port };
  }
  throw new IngestError(
    `"${text}" cannot be allowed: write host:port (origin.example:8080), an address ([::1]:8080) or a network (10.1.0.0/16)`,
  );
}

/**
 * Why no connection to this address may be made, in words; null when it may.
 *
 * @param host as the address line names it, without brackets
 */
export function whyForbidden(
  rules: readonly AllowRule[],
  host: string,
  port: number,
  { address, family }: Address,
): string | null {
  const what = kindOf(address, family);
  if (what === null) return null;
  const named = host.toLowerCase();
  const version = family === 4 ? 'ipv4' : 'ipv6';
  const isAllowed = rules.some((rule) =>
    rule.kind === 'host'
      ? rule.host === named && (rule.port === null || rule.port === port)
      : rule.network.check(address, version),
  );
  if (isAllowed) return null;
  const resolved = named === address ? address : `${host} is ${address}, which`;
  const shown = named.includes(':') ? `[${named}]` : named;
  return `${resolved} is ${what} and not allowed; if it is meant, allow ${shown}:${port} (allow in the list of streams, --allow, EVERYVIEW_ALLOW)`;
}

/** `host` with or without brackets as a URL would keep it. */
function isHost(host: string): boolean {
  return URL.canParse(`http://${host}/`);
}

type Kind = readonly [what: string, networks: readonly string[]];

/** Addresses that are not of the public internet (IANA special-purpose registries; clouds' metadata services). */
const KINDS: readonly Kind[] = [
  ['the address of a metadata service', ['169.254.169.254/32', '100.100.100.200/32', '168.63.129.16/32']],
  ['a loopback address', ['127.0.0.0/8', '::1/128']],
  ['a link-local address', ['169.254.0.0/16', 'fe80::/10']],
  ['a private address', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10']],
  ['an address behind carrier-grade translation', ['100.64.0.0/10']],
  ['a multicast address', ['224.0.0.0/4', 'ff00::/8']],
  [
    'a reserved address',
    [
      ...['0.0.0.0/8', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '198.18.0.0/15', '198.51.100.0/24'],
      ...['203.0.113.0/24', '240.0.0.0/4', '::/96', '100::/64', '2001::/23', '2001:db8::/32', '3fff::/20'],
      ...['5f00::/16', '64:ff9b:1::/48'],
    ],
  ],
];

const KIND_LISTS = KINDS.map(([what, networks]) => ({ what, lists: networks.map(toList) }));
const MAPPED = toList('::ffff:0:0/96');
/** Networks whose addresses carry an IPv4 address: NAT64 in their last 32 bits, 6to4 behind the first 16. */
const NAT64 = toList('64:ff9b::/96');
const SIX_TO_FOUR = toList('2002::/16');

/** What is special about an address; null for a public one. */
function kindOf(address: string, family: 4 | 6): string | null {
  const version = family === 4 ? 'ipv4' : 'ipv6';
  // Before all others: a block list would look at the IPv4 address in it, and some of those are public.
  if (family === 6 && MAPPED.check(address, 'ipv6')) return 'an IPv4-mapped address';
  const found = KIND_LISTS.find(({ lists }) => lists.some((list) => list.check(address, version)));
  if (found !== undefined) return found.what;
  if (family === 4) return null;
  const groups = groupsOf(address);
  if (NAT64.check(address, 'ipv6')) return kindOf(ipv4Of(groups[6]!, groups[7]!), 4);
  if (SIX_TO_FOUR.check(address, 'ipv6')) return kindOf(ipv4Of(groups[1]!, groups[2]!), 4);
  return null;
}

function toList(network: string): BlockList {
  const [address, bits] = network.split('/');
  const list = new BlockList();
  list.addSubnet(address!, Number(bits), isIPv4(address!) ? 'ipv4' : 'ipv6');
  return list;
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): readonly number[] {
  // The URL parser writes an IPv4 tail as groups, too.
  const plain = new URL(`http://[${address.replace(/%.*$/, '')}]/`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}

function ipv4Of(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
