/** Figures as people read them. Units are converted here and nowhere else. */

export function clock(timeMs: number): string {
  return new Date(timeMs).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

export function ago(timeMs: number, nowMs: number): string {
  const s = Math.max(0, Math.round((nowMs - timeMs) / 1000));
  if (s < 90) return `${s} s ago`;
  if (s < 5400) return `${Math.round(s / 60)} min ago`;
  return `${Math.round(s / 3600)} h ago`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 90) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  const minutes = Math.floor(s / 60);
  return minutes < 90 ? `${minutes} min ${Math.round(s % 60)} s` : `${(s / 3600).toFixed(1)} h`;
}

/** `told` is what stands where nothing was told: a dash, never a zero. */
export function orDash(value: number | null | undefined, told: (value: number) => string): string {
  return value === null || value === undefined ? '–' : told(value);
}

export function bitrate(bps: number): string {
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1e3)} kbit/s`;
}

export function percent(permille: number): string {
  return `${(permille / 10).toFixed(1)} %`;
}

/** One of good, fair, bad and unknown. */
export function scoreClass(score: number | null): string {
  if (score === null) return 'unknown';
  if (score >= 80) return 'good';
  return score >= 60 ? 'fair' : 'bad';
}

/** `defect:video-freeze` as `video freeze`. */
export function words(name: string): string {
  return name.replace(/^defect:/, '').replaceAll('-', ' ');
}
