/**
 * The whole audience, window by window: gathers what cohorts say, finds for each rule the cohorts that are the cause, and
 * tells the alerts about them how they stand. One state for everybody, because a cause is found by comparing.
 */
import { compareKeys } from '../../runtime/key-order.ts';
import { list, map, type StateOf, struct, structCodec } from '../../runtime/struct-codec.ts';
import { type Effect, NOTHING, type Reducer, type StepContext } from '../../runtime/topology.ts';
import type { CohortWindow } from '../../schemas/records.ts';
import { LEAF } from '../cohorts/leaf.ts';
import { settingsOf } from '../scoring/settings.ts';
import {
  addLeafSums,
  compareScopes,
  LEAF_SUMS,
  type LeafSums,
  leafSumsOf,
  MEASURES,
  type Measure,
  NO_LEAF_SUMS,
  permilleOf,
  type Standing,
  scopesOf,
  standingOf,
} from './audience-cells.ts';
import { AUDIENCE_RULES, type AudienceRule, type AudienceRuleName, audienceRules } from './audience-rules.ts';
import { causesOf } from './root-cause.ts';
import { defectsIn, SEEN_LATER_MS, type SourceDefects, sourceDefects } from './source-defects.ts';

export type Verdict = 'source' | 'delivery' | 'undetermined';

/** How one cohort stands by one rule in one window. */
export type Finding = {
  readonly rule: AudienceRuleName;
  readonly scope: string;
  /** `explained`: bad, because of the cohort `because`. */
  readonly standing: Standing | 'explained';
  readonly because: string;
  /** Other cohorts that are bad because of this one. */
  readonly explains: readonly string[];
  readonly permille: number;
  readonly audience: number;
  readonly affected: number;
  /** Of everybody in the cohort, thousandths. */
  readonly affectedPermille: number;
  readonly verdict: Verdict;
  /** Defects at the source of the programmes concerned. */
  readonly defectIds: readonly string[];
  readonly windowStartMs: number;
  readonly windowEndMs: number;
};

const SEEN = struct({ leaf: LEAF, sums: LEAF_SUMS });
const FIELDS = {
  /** Windows that were not judged yet. */
  windows: list(
    struct({
      windowStartMs: 'long',
      windowEndMs: 'long',
      /** The share of a scoring task is missing: who is not in it need not be gone. */
      isIncomplete: 'bool',
      leaves: map(SEEN),
    }),
  ),
  judgedUpToMs: 'long',
  /** Usual number of viewers by leaf, thousandths. */
  usual: map(struct({ leaf: LEAF, viewersMilli: 'long' })),
  /** Rule and cohort of each alert that may be going on, with the log time until which it is told how it stands. */
  watched: map('long'),
} as const;
type State = StateOf<typeof FIELDS>;
type Seen = StateOf<(typeof SEEN)['fields']>;

/** After every scoring task and the merge had their time, ms. */
const SETTLE_MS = 500;

/** An alert is told how its cohort stands for this long after it was bad. */
const WATCH_MS = 3_600_000;

export const VIEW_KEY = 'all';

export const audienceView: Reducer<State, CohortWindow, Finding> = {
  name: 'audience-view',
  state: structCodec({ version: 1, fields: FIELDS }),
  init: () => ({ windows: [], judgedUpToMs: 0, usual: new Map(), watched: new Map() }),
  step(state, input, context) {
    if (input.kind === 'timer') return judge(state, input.timeMs, context);
    const { value } = input;
    if (value.windowEndMs <= state.judgedUpToMs) return [{ kind: 'drop', reason: 'window-judged' }];
    const { windowStartMs, windowEndMs } = value;
    const known = state.windows.find((one) => one.windowStartMs === windowStartMs);
    const window = known ?? {
      windowStartMs,
      windowEndMs,
      isIncomplete: false,
      leaves: new Map<string, Seen>(),
    };
    window.isIncomplete ||= value.sourcesSealed < value.sourcesExpected;
    const { slowMs } = audienceRules(context.config)['startup-slow'];
    const { programmeId, cdn, asn, country, deviceClass, playerVersion, other } = value;
    const leaf = { programmeId, cdn, asn, country, deviceClass, playerVersion, other };
    window.leaves.set(inputKey(leaf), { leaf, sums: leafSumsOf(value, slowMs) });
    if (known !== undefined) return NOTHING;
    state.windows.push(window);
    state.windows.sort((a, b) => a.windowEndMs - b.windowEndMs);
    return [nextJudgement(state, context)];
  },
};

function inputKey(leaf: Seen['leaf']): string {
  return JSON.stringify(Object.values(leaf));
}

function nextJudgement(state: State, context: StepContext): Effect<never> {
  const { sessions, scoring } = settingsOf(context.config);
  const { windowEndMs } = state.windows[0]!;
  const dueMs = windowEndMs + sessions.graceMs + scoring.cohortWaitMs + scoring.cohortMergeWaitMs + SETTLE_MS;
  return { kind: 'schedule', name: 'judge', dueMs };
}

function judge(state: State, timeMs: number, context: StepContext): readonly Effect<Finding>[] {
  const window = state.windows.shift();
  if (window === undefined) return [{ kind: 'forget' }];
  const { windowStartMs, windowEndMs } = window;
  state.judgedUpToMs = windowEndMs;
  const seen = withUsual(state, window.leaves);
  const effects: Effect<Finding>[] = findings(state, seen, window, timeMs, context).map((finding) => ({
    kind: 'forward',
    value: finding,
    key: `${finding.rule}|${finding.scope}`,
  }));
  if (!window.isIncomplete) learnUsual(state, window.leaves);
  // A window of which nobody says anything is one as well: that is how an audience vanishes.
  if (state.windows.length === 0 && (state.usual.size > 0 || state.watched.size > 0)) {
    const nextEndMs = windowEndMs + windowEndMs - windowStartMs;
    state.windows.push({
      windowStartMs: windowEndMs,
      windowEndMs: nextEndMs,
      isIncomplete: false,
      leaves: new Map(),
    });
  }
  if (state.windows.length === 0) return [...effects, { kind: 'forget' }];
  const next = nextJudgement(state, context);
  if (next.kind === 'schedule') effects.push({ ...next, dueMs: Math.max(next.dueMs, timeMs + 1) });
  return effects;
}

/** What was seen, beside what is usual; also of leaves that were not seen at all. By key, so that no order of arrival shows. */
function withUsual(state: State, leaves: ReadonlyMap<string, Seen>): readonly Seen[] {
  const keys = [...new Set([...leaves.keys(), ...state.usual.keys()])].sort(compareKeys);
  return keys.map((key) => {
    const seen = leaves.get(key);
    const usual = state.usual.get(key);
    return {
      leaf: (seen ?? usual)!.leaf,
      sums: { ...(seen?.sums ?? NO_LEAF_SUMS), usualViewersMilli: usual?.viewersMilli ?? 0 },
    };
  });
}

/** A mean that follows within a minute or two, and slowly downwards: an outage does not become what is usual. */
function learnUsual(state: State, leaves: ReadonlyMap<string, Seen>): void {
  for (const [key, { leaf, sums }] of leaves) {
    const known = state.usual.get(key);
    if (known === undefined && sums.concurrent > 0)
      state.usual.set(key, { leaf, viewersMilli: 1_000 * sums.concurrent });
  }
  for (const [key, usual] of state.usual) {
    const nowMilli = 1_000 * (leaves.get(key)?.sums.concurrent ?? 0);
    const share = 2 * nowMilli < usual.viewersMilli ? 32 : 8;
    usual.viewersMilli += Math.trunc((nowMilli - usual.viewersMilli) / share);
    if (nowMilli === 0 && usual.viewersMilli < FORGET_MILLI) state.usual.delete(key);
  }
}

/** A leaf with less than this many viewers, thousandths, is nobody's. */
const FORGET_MILLI = 50;

type Judged = {
  readonly seen: readonly (Seen & { readonly scopes: readonly string[] })[];
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  readonly isIncomplete: boolean;
  readonly cells: ReadonlyMap<string, LeafSums>;
  readonly context: StepContext;
};

function findings(
  state: State,
  leaves: readonly Seen[],
  { windowStartMs, windowEndMs, isIncomplete }: State['windows'][number],
  timeMs: number,
  context: StepContext,
): readonly Finding[] {
  const seen = leaves.map((one) => ({ ...one, scopes: scopesOf(one.leaf) }));
  const cells = new Map<string, LeafSums>();
  for (const { scopes, sums } of seen) {
    for (const scope of scopes) {
      const cell = cells.get(scope) ?? { ...NO_LEAF_SUMS };
      cells.set(scope, cell);
      addLeafSums(cell, sums);
    }
  }
  const judged: Judged = { seen, windowStartMs, windowEndMs, isIncomplete, cells, context };
  const rules = audienceRules(context.config);
  const found = AUDIENCE_RULES.flatMap((name) =>
    rules[name].enabled === 0 ? [] : findingsOf(state, name, rules, judged),
  );
  for (const { rule, scope, standing } of found)
    if (standing === 'bad') state.watched.set(`${rule}|${scope}`, timeMs + WATCH_MS);
  for (const [key, untilMs] of state.watched) if (untilMs < timeMs) state.watched.delete(key);
  return found;
}

function findingsOf(
  state: State,
  name: AudienceRuleName,
  rules: { readonly [rule in AudienceRuleName]: AudienceRule },
  judged: Judged,
): readonly Finding[] {
  const rule = rules[name];
  const measure = MEASURES[name];
  const causes = causesOf(
    judged.seen.map(({ scopes, sums }) => ({ scopes, measure: measure(sums) })),
    rule,
  );
  const explainedBy = new Map(causes.flatMap(({ scope, explains }) => explains.map((one) => [one, scope])));
  const found = causes.map(({ scope, explains }) => {
    const isBlind = isBlindFor(name, scope, rules, judged);
    return finding(name, scope, isBlind ? 'blind' : 'bad', '', explains, judged);
  });
  const named = new Set(causes.map(({ scope }) => scope));
  const prefix = `${name}|`;
  const others = [...state.watched.keys()]
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length))
    .filter((scope) => !named.has(scope))
    .sort(compareScopes);
  for (const scope of others) {
    const because = explainedBy.get(scope) ?? '';
    const standing = standingOf(measure(judged.cells.get(scope) ?? NO_LEAF_SUMS), rule);
    if (isBlindFor(name, scope, rules, judged)) found.push(finding(name, scope, 'blind', '', [], judged));
    else if (because !== '') found.push(finding(name, scope, 'explained', because, [], judged));
    // bad, and the cause of nothing that was named: it stays as it was
    else found.push(finding(name, scope, standing === 'bad' ? 'between' : standing, '', [], judged));
  }
  return found;
}

/**
 * Where reports are missing, figures are what players were assumed to do; where a scoring task's share is missing, nobody
 * can tell who is gone.
 */
function isBlindFor(
  name: AudienceRuleName,
  scope: string,
  rules: { readonly [rule in AudienceRuleName]: AudienceRule },
  { cells, isIncomplete }: Judged,
): boolean {
  if (name === 'audience-vanished') return isIncomplete;
  if (name === 'telemetry-missing') return false;
  const cell = cells.get(scope);
  if (cell === undefined || rules['telemetry-missing'].enabled === 0) return false;
  return standingOf(MEASURES['telemetry-missing'](cell), rules['telemetry-missing']) === 'bad';
}

function finding(
  rule: AudienceRuleName,
  scope: string,
  standing: Finding['standing'],
  because: string,
  explains: readonly string[],
  judged: Judged,
): Finding {
  const { windowStartMs, windowEndMs, cells } = judged;
  const cell = cells.get(scope) ?? NO_LEAF_SUMS;
  const measure = MEASURES[rule](cell);
  const everybody = rule === 'audience-vanished' ? measure.audience : cell.sessions;
  const affected = Math.max(0, measure.affected);
  return {
    rule,
    scope,
    standing,
    because,
    explains,
    permille: permilleOf(measure),
    audience: measure.audience,
    affected,
    affectedPermille: everybody <= 0 ? 0 : Math.min(1_000, Math.floor((1_000 * affected) / everybody)),
    ...verdictOf(rule, scope, judged),
    windowStartMs,
    windowEndMs,
  };
}

/**
 * At the source when most of what is bad is of programmes with a defect there; else in delivery, where probes can tell. A
 * defect that others watch as well, outside the cohort, and do much better with, is not what is wrong here.
 */
function verdictOf(
  rule: AudienceRuleName,
  scope: string,
  judged: Judged,
): { readonly verdict: Verdict; readonly defectIds: readonly string[] } {
  const { seen, cells, windowStartMs, windowEndMs, context } = judged;
  let [all, atSource] = [0, 0];
  const ids = new Set<string>();
  const byProgramme = Map.groupBy(seen, ({ leaf }) => leaf.programmeId);
  for (const [programmeId, leaves] of byProgramme) {
    const inside = leafMeasure(rule, leaves, (scopes) => scopes.includes(scope));
    if (inside.part <= 0) continue;
    all += inside.part;
    const state = context.read<SourceDefects>(sourceDefects.name, programmeId);
    const defects = defectsIn(state, windowStartMs - SEEN_LATER_MS, windowEndMs);
    if (defects.length === 0) continue;
    const outside = leafMeasure(rule, leaves, (scopes) => !scopes.includes(scope));
    if (outside.whole > 0 && 2 * permilleOf(outside) < permilleOf(inside)) continue;
    atSource += inside.part;
    for (const id of defects) ids.add(id);
  }
  const defectIds = [...ids].sort(compareKeys).slice(0, DEFECT_IDS_MAX);
  if (all > 0 && 2 * atSource >= all) return { verdict: 'source', defectIds };
  const { coveredMs, exposedMs } = cells.get(scope) ?? NO_LEAF_SUMS;
  return {
    verdict: exposedMs > 0 && 2 * coveredMs >= exposedMs ? 'delivery' : 'undetermined',
    defectIds: [],
  };
}

/** The rule's share over some leaves together. */
function leafMeasure(
  rule: AudienceRuleName,
  leaves: Judged['seen'],
  isWanted: (scopes: readonly string[]) => boolean,
): Measure {
  const sums = { ...NO_LEAF_SUMS };
  for (const { scopes, sums: one } of leaves) if (isWanted(scopes)) addLeafSums(sums, one);
  return MEASURES[rule](sums);
}

const DEFECT_IDS_MAX = 20;
