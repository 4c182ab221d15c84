/** Who watches: the cohorts that viewers come from, with weights, and one viewer drawn from them. */
import type { SeededRandom } from '../../runtime/seeded-random.ts';
import { skewed, type Weighted, weighted } from './draws.ts';

/** A programme that can be watched, and the content id that its players know it by. */
export type Programme = Weighted & {
  readonly programmeId: string;
  readonly contentId: string;
};

export type Cdn = Weighted & { readonly name: string };

/** An internet provider, and the kind of line that its customers have. */
export type Isp = Weighted & {
  readonly asn: number;
  readonly country: string;
  readonly access: Access;
};

export type Access = 'fibre' | 'cable' | 'dsl' | 'cellular';

export type Device = Weighted & {
  readonly deviceClass: string;
  readonly osName: string;
  readonly userAgent: string;
  readonly displayHeightPx: number;
};

/** How a player reports: the JSON events, CMCD v2 events, or CMCD v1 with its requests and nothing else. */
export type Dialect = 'json' | 'cmcd-v2' | 'cmcd-v1';

export type Player = Weighted & {
  readonly name: string;
  readonly version: string;
  readonly dialect: Dialect;
  /** Tells the player state (published builds of some players lose it). */
  readonly tellsState: boolean;
  /** Sends a word when it is closed in an orderly way. */
  readonly tellsLeave: boolean;
  /** Time between two reports while nothing happens, ms. */
  readonly heartbeatMs: number;
};

export type Population = {
  readonly cdns: readonly Cdn[];
  readonly isps: readonly Isp[];
  readonly devices: readonly Device[];
  readonly players: readonly Player[];
};

/** How the viewer's place in the programme is told: the player's own UTC playhead, its latency, or not at all. */
export type PositionTold = 'program-time' | 'latency' | 'none';

/** Everything about a viewer that stays the same from attempt to attempt. */
export type Viewer = {
  readonly index: number;
  readonly programme: Programme;
  readonly cdn: string;
  readonly isp: Isp;
  readonly device: Device;
  readonly player: Player;
  readonly connectionType: string;
  readonly positionTold: PositionTold;
  /** Of the line on an ordinary day, bits per second. */
  readonly throughputBps: number;
  readonly roundTripMs: number;
  /** Behind the live edge when all is well, ms. */
  readonly latencyMs: number;
  /** Clock of the device less true time, ms. */
  readonly clockSkewMs: number;
  /** How long this person waits: for a start, and in a stall. */
  readonly patienceMs: number;
  /** Address in a block reserved for documentation (RFC 5737, RFC 3849). */
  readonly address: string;
};

/** `playerVersion` as scores and alerts have it. */
export function playerVersionOf({ name, version }: Pick<Player, 'name' | 'version'>): string {
  return `${name} ${version}`;
}

const DESKTOP_AGENT =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
const PHONE_AGENT =
  'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36';
const TABLET_AGENT =
  'Mozilla/5.0 (iPad; CPU OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1';
const TV_AGENT =
  'Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/8.0 TV Safari/537.36';

/** Three CDNs, five providers (AS numbers reserved for documentation, RFC 5398), the usual devices and players. */
export const DEFAULT_POPULATION: Population = {
  cdns: [
    { name: 'cdn-a', weight: 50 },
    { name: 'cdn-b', weight: 30 },
    { name: 'cdn-c', weight: 20 },
  ],
  isps: [
    { asn: 64496, country: 'DE', access: 'cable', weight: 30 },
    { asn: 64497, country: 'DE', access: 'dsl', weight: 20 },
    { asn: 64498, country: 'FR', access: 'fibre', weight: 20 },
    { asn: 64499, country: 'GB', access: 'cable', weight: 18 },
    { asn: 64500, country: 'GB', access: 'cellular', weight: 12 },
  ],
  devices: [
    {
      deviceClass: 'desktop',
      osName: 'Windows',
      userAgent: DESKTOP_AGENT,
      displayHeightPx: 1080,
      weight: 40,
    },
    { deviceClass: 'phone', osName: 'Android', userAgent: PHONE_AGENT, displayHeightPx: 720, weight: 30 },
    { deviceClass: 'tablet', osName: 'iOS', userAgent: TABLET_AGENT, displayHeightPx: 1080, weight: 10 },
    { deviceClass: 'tv', osName: 'Tizen', userAgent: TV_AGENT, displayHeightPx: 1080, weight: 20 },
  ],
  players: [
    player('everyview-player', '4.2.0', 'json', 30, { tellsLeave: true, heartbeatMs: 5_000 }),
    player('everyview-player', '4.3.0', 'json', 15, { tellsLeave: true, heartbeatMs: 5_000 }),
    player('hls.js', '1.7.4', 'cmcd-v2', 30, {}),
    player('dash.js', '5.2.1', 'cmcd-v2', 12, {}),
    player('shaka-player', '5.2.12', 'cmcd-v2', 4, { tellsState: false }),
    player('stb-player', '3.1.0', 'cmcd-v1', 9, {}),
  ],
};

/** Draws the viewer with this number; the same for the same generator, whatever happens to anybody else. */
export function drawViewer(
  index: number,
  random: SeededRandom,
  population: Population,
  programmes: readonly Programme[],
): Viewer {
  const isp = weighted(random, population.isps);
  const line = LINES[isp.access];
  const kbps = skewed(random, line.lowKbps, line.middleKbps, line.highKbps);
  return {
    index,
    programme: weighted(random, programmes),
    cdn: weighted(random, population.cdns).name,
    isp,
    device: weighted(random, population.devices),
    player: weighted(random, population.players),
    connectionType: isp.access === 'cellular' ? 'cellular' : random.chance(700) ? 'wifi' : 'ethernet',
    positionTold: random.chance(700) ? 'program-time' : random.chance(600) ? 'latency' : 'none',
    throughputBps: kbps * 1_000,
    roundTripMs: skewed(random, line.roundTripMs, line.roundTripMs * 2, line.roundTripMs * 8),
    latencyMs: skewed(random, 5_000, 8_000, 18_000),
    clockSkewMs: drawSkewMs(random),
    patienceMs: skewed(random, 6_000, 15_000, 90_000),
    address: `203.0.113.${random.between(1, 255)}`,
  };
}

type Line = {
  readonly lowKbps: number;
  readonly middleKbps: number;
  readonly highKbps: number;
  readonly roundTripMs: number;
};

const LINES: Readonly<Record<Access, Line>> = {
  fibre: { lowKbps: 20_000, middleKbps: 60_000, highKbps: 200_000, roundTripMs: 8 },
  cable: { lowKbps: 8_000, middleKbps: 25_000, highKbps: 90_000, roundTripMs: 15 },
  dsl: { lowKbps: 3_000, middleKbps: 9_000, highKbps: 16_000, roundTripMs: 25 },
  cellular: { lowKbps: 2_500, middleKbps: 9_000, highKbps: 40_000, roundTripMs: 40 },
};

/** Most clocks are right within a second; some are off by minutes, a few by hours. */
function drawSkewMs(random: SeededRandom): number {
  const sign = random.chance(500) ? 1 : -1;
  if (random.chance(900)) return sign * random.below(800);
  if (random.chance(900)) return sign * random.between(1_000, 180_000);
  return sign * random.between(600_000, 7_200_000);
}

function player(
  name: string,
  version: string,
  dialect: Dialect,
  weight: number,
  differs: Partial<Player>,
): Player {
  return {
    name,
    version,
    dialect,
    weight,
    tellsState: dialect !== 'cmcd-v1',
    tellsLeave: false,
    heartbeatMs: 10_000,
    ...differs,
  };
}
