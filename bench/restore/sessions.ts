/** State as a viewer's session has it: a dozen fields, two words, a few open windows, one deadline. */
import { defineTopology } from '../../runtime/define-topology.ts';
import { list, struct, structCodec } from '../../runtime/struct-codec.ts';
import type { Reducer, Topology } from '../../runtime/topology.ts';
import type { TopicName } from '../../schemas/topics.ts';

const window = struct({ startMs: 'long', playedMs: 'int', stalledMs: 'int', bitrateSum: 'long' });

const fields = {
  startedAtMs: 'long',
  lastSeenMs: 'long',
  sn: 'int?',
  playerState: 'string',
  startupMs: 'int?',
  stalls: 'int',
  stalledMs: 'long',
  playedMs: 'long',
  bitrateBps: 'int',
  droppedFrames: 'int',
  device: 'string',
  cdn: 'string',
  windows: list(window),
} as const;

type Session = Parameters<typeof sessionCodec.encode>[0];

const sessionCodec = structCodec({ version: 1, fields });

const session: Reducer<Session, string, string> = {
  name: 'session',
  state: sessionCodec,
  init: () => ({
    startedAtMs: 0,
    lastSeenMs: 0,
    sn: null,
    playerState: 'playing',
    startupMs: 800,
    stalls: 0,
    stalledMs: 0,
    playedMs: 0,
    bitrateBps: 4_500_000,
    droppedFrames: 0,
    device: 'smart-tv',
    cdn: 'cdn-a',
    windows: [],
  }),
  step(state, input) {
    if (input.kind === 'timer') return [{ kind: 'forward', value: input.key }, { kind: 'forget' }];
    if (state.windows.length === 0) state.startedAtMs = input.timeMs;
    state.lastSeenMs = input.timeMs;
    state.sn = (state.sn ?? 0) + 1;
    state.windows = [0, 1].map((n) => ({
      startMs: input.timeMs - n * 10_000,
      playedMs: 9_000,
      stalledMs: 1_000,
      bitrateSum: 45_000_000,
    }));
    return [{ kind: 'schedule', name: 'silent', dueMs: input.timeMs + 90_000 }];
  },
};

export const SESSIONS_STORE = 'sessions';

export function sessionsTopology(name: string, input: string, output: string): Topology {
  return defineTopology({
    name,
    sources: [{ kind: 'source', topic: input as TopicName, span: 'same', writers: 'external' }],
    reducers: [{ kind: 'reducer', reducer: session, from: [input], store: SESSIONS_STORE }],
    sinks: [{ kind: 'sink', topic: output as TopicName, from: [session.name], edge: 'same', sealed: false }],
    sealDelayMs: 0,
  });
}
