/**
 * What players say that is not so, by player: the only place where the fold looks at a player's name.
 *
 * Each row was measured with the version named, against the media element's own events; another version may differ. What
 * holds for every player is not in here: rebuffering before the first frame is waiting for the start, whatever follows a
 * seek up to the next play is seek wait, an error code alone is not fatal, and a player that tells no state is not claimed
 * to play or to stall.
 */

export type PlayerRules = {
  readonly player: string;
  /** Version in which the rest was measured; empty where nothing was. */
  readonly measuredIn: string;
  /** Its startup time (CMCD msd) is near the truth. */
  readonly believesStartup: boolean;
  /** It tells a bitrate when it decides for it: on screen once what is buffered has been played, if ever. */
  readonly tellsBitrateEarly: boolean;
  /** It tells its state, so that a report without one says nothing of whether playback was asked for. */
  readonly tellsStates: boolean;
  /** Error codes after which it gives up when nothing was rendered yet. */
  readonly fatalAtStart: readonly string[];
  /** Error codes after which it stops without saying so, its last state standing: fatal unless it is seen to go on. */
  readonly fatalUnlessGoingOn: readonly string[];
};

const GENERIC: PlayerRules = {
  player: '',
  measuredIn: '',
  believesStartup: true,
  tellsBitrateEarly: false,
  tellsStates: false,
  fatalAtStart: [],
  fatalUnlessGoingOn: [],
};

const RULES: readonly PlayerRules[] = [
  {
    // A fatal error in mid-play is told as rebuffering for ever: a stall until the last report, never a failure.
    player: 'hls.js',
    measuredIn: '1.7.4',
    believesStartup: true,
    tellsBitrateEarly: true,
    tellsStates: true,
    fatalAtStart: [],
    fatalUnlessGoingOn: [],
  },
  {
    // msd is 1 to 45 ms where startup takes about 450; ec stays on later events; sta stays p after a fatal error.
    player: 'dash.js',
    measuredIn: '5.2.1',
    believesStartup: false,
    tellsBitrateEarly: false,
    tellsStates: true,
    fatalAtStart: ['25'],
    fatalUnlessGoingOn: ['25', '27'],
  },
  {
    // The published build drops sta: no state, ever. An error event for every retry, without a code.
    player: 'shaka',
    measuredIn: '5.2.12',
    believesStartup: false,
    tellsBitrateEarly: false,
    tellsStates: false,
    fatalAtStart: [],
    fatalUnlessGoingOn: [],
  },
];

/** Rules of the player of this name; those that hold for any where nothing was measured. */
export function rulesFor(playerName: string): PlayerRules {
  const known = BY_NAME.get(playerName);
  if (known !== undefined) return known;
  const plain = playerName.toLowerCase().replace(/[^a-z]/g, '');
  const found = RULES.find(({ player }) => plain.startsWith(player.replace('.', '')));
  return found ?? GENERIC;
}

const BY_NAME: ReadonlyMap<string, PlayerRules> = new Map(
  [GENERIC, ...RULES].map((rules) => [rules.player, rules]),
);
