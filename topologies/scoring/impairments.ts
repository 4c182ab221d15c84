/**
 * What each impairment leaves of a viewer's opinion, in millionths: 1,000,000 is all of it (MOS 5), 0 is nothing
 * (MOS 1). Every function falls as its impairment grows. An opinion score M on the scale of 1 to 5 is written as
 * (M - 1) / 4, and several impairments multiply.
 */
import { expPpm, lookUp, STARTUP_PPM, STARTUP_STEP_MS } from './tables.ts';

/** Nothing is lost. */
export const WHOLE_PPM = 1_000_000;

/** Sessions are held against a clip of this length, as in the studies: what is longer thins its impairments out. */
const REFERENCE_MS = 60_000;

/**
 * Waiting for the first picture. MOS = 5 - 0.963 log10(T + 5.381), T in seconds, over the same without a wait: waiting
 * alone is judged here, not the clip. From 60 s on nothing more is lost.
 *
 * Source: Hossfeld, Egger, Schatz, Fiedler, Masuch, Lorentzen, "Initial delay vs. interruptions: between the devil and
 * the deep blue sea", QoMEX 2012 (logarithmic law, 60 s clips).
 */
export function startupLeftPpm(startupMs: number): number {
  return lookUp(STARTUP_PPM, STARTUP_STEP_MS, startupMs);
}

/**
 * Stalls. MOS = 3.5 exp(-(0.15 L + 0.19) N) + 1.5, with N stalls of L seconds on average, so 0.15 of all stalled seconds
 * and 0.19 of the count. `playingMs` beyond the reference thins them out; what was played is taken and not what was
 * watched, because a longer stall must not thin out itself.
 *
 * Source: the IQX hypothesis (Fiedler, Hossfeld, Tran-Gia, IEEE Network 24(2), 2010), with the coefficients of Hossfeld,
 * Schatz, Biersack, Plissonneau, "Internet video delivery in YouTube: from traffic measurements to quality of
 * experience", LNCS 7754, 2013.
 */
export function stallLeftPpm(stallMs: number, stallCount: number, playingMs: number): number {
  const exponentMilli = Math.floor((15 * stallMs) / 100) + 190 * stallCount;
  return 125_000 + scaled(875_000, expPpm(thinned(exponentMilli, playingMs)));
}

/**
 * Picture quality: a saturating exponential each of bitrate (scale 900 kbit/s) and of picture height (scale 300 px), the
 * form that IQX gives for a resource. Half of the opinion is at stake in each. From 6 Mbit/s and 1080 lines on nothing is
 * lost. Null where the player does not tell: that one is not judged.
 *
 * Source: for the form as above, and Reichl, Egger, Schatz, D'Alconzo, "The logarithmic nature of QoE and the role of the
 * Weber-Fechner law in QoE assessment", ICC 2010 (what is added counts the less the more there is). The two scales are
 * this project's choice: halves of the range at ladders in use (360p at 0.8 Mbit/s keeps two thirds, 720p at 2.5 Mbit/s
 * nine tenths). They were not fitted to a study.
 */
export function qualityLeftPpm(bitrateBps: number | null, heightPx: number | null): number {
  const ofBitrate =
    bitrateBps === null || bitrateBps >= 6_000_000
      ? WHOLE_PPM
      : WHOLE_PPM - scaled(500_000, expPpm(Math.floor(Math.max(0, bitrateBps) / 900)));
  const ofHeight =
    heightPx === null || heightPx >= 1_080
      ? WHOLE_PPM
      : WHOLE_PPM - scaled(500_000, expPpm(Math.floor((Math.max(0, heightPx) * 1_000) / 300)));
  return scaled(ofBitrate, ofHeight);
}

/**
 * Switches of quality, at most a quarter of the opinion, one down as much as two up.
 *
 * Source: Hossfeld, Seufert, Sieber, Zinner, "Assessing effect sizes of influence factors towards a QoE model for HTTP
 * adaptive streaming", QoMEX 2014: the level that is shown decides, the number of switches adds little, which is why it
 * is bounded. The rate (0.04 a switch) is this project's choice.
 */
export function switchLeftPpm(switchesUp: number, switchesDown: number, playingMs: number): number {
  return 750_000 + scaled(250_000, expPpm(thinned(40 * (switchesUp + 2 * switchesDown), playingMs)));
}

/**
 * Time under a defect of the stream. Pictures that stand still, or that are not there, are to a viewer what a stall is:
 * the same law, with 0.2 a second in place of a count that the stream does not know. Other types fall more slowly.
 *
 * Source: IQX as above; that a frozen picture is judged like an interruption: Huynh-Thu, Ghanbari, "Temporal aspect of
 * perceived quality in mobile video broadcasting", IEEE Trans. Broadcasting 54(3), 2008. The other rates are this
 * project's choice.
 */
export function defectLeftPpm(type: string, exposedMs: number, playingMs: number): number {
  const rate = DEFECT_RATES[type] ?? DEFECT_RATE_OTHER;
  return 125_000 + scaled(875_000, expPpm(thinned(Math.floor((rate * exposedMs) / 1_000), playingMs)));
}

/**
 * Types that a viewer cannot see or hear by themselves: what they do to delivery shows in the viewer's own stalls and
 * bitrate, and is charged there, once.
 */
export function isPerceived(type: string): boolean {
  return DEFECT_RATES[type] !== 0;
}

/** A fatal error: nothing is left of a start that failed, two fifths of a session that broke off. */
export function failureLeftPpm(hasStarted: boolean): number {
  return hasStarted ? 400_000 : 0;
}

/** a * b, both in millionths, rounded down. */
export function scaled(aPpm: number, bPpm: number): number {
  return Math.floor((aPpm * bPpm) / WHOLE_PPM);
}

/** Thousandths of the exponent for each second under the defect. */
const DEFECT_RATES: { readonly [type: string]: number } = {
  'video-black': 200,
  'video-flat': 200,
  'video-freeze': 200,
  'video-missing': 200,
  'video-block-corruption': 150,
  'video-decode-error': 150,
  'video-frame-drop': 60,
  'video-blur': 50,
  'audio-missing': 150,
  'audio-silence': 150,
  'audio-channel-lost': 40,
  'audio-clipping': 60,
  'audio-loudness': 30,
  'audio-phase-inverted': 30,
  'av-sync-offset': 80,
  'pts-discontinuity': 200,
  'caption-missing': 10,
  'signal-lost': 0,
  'probe-lost': 0,
  'manifest-stale': 0,
  'segment-error': 0,
  'rendition-missing': 0,
  'bitrate-drop': 0,
  'ts-error': 0,
};
const DEFECT_RATE_OTHER = 50;

function thinned(exponentMilli: number, playingMs: number): number {
  return playingMs <= REFERENCE_MS ? exponentMilli : Math.floor((exponentMilli * REFERENCE_MS) / playingMs);
}
