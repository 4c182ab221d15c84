/**
 * What the set-up is doing, for a person who waits. Of each step, `started` comes first, then any number of `running`
 * with news or just more elapsed time, then `done` or `failed`. Steps may overlap.
 */
export type Progress = {
  readonly step: string;
  readonly status: 'started' | 'running' | 'done' | 'failed';
  readonly detail: string;
  readonly elapsedMs: number;
};

export type OnProgress = (progress: Progress) => void;

export type StepNews = (detail: string) => void;

/** Runs one step and reports it; while nothing new is said, its last news is repeated once a second. */
export async function reportStep<T>(
  onProgress: OnProgress,
  step: string,
  detail: string,
  work: (news: StepNews) => Promise<T>,
  summary: (result: T) => string = () => detail,
): Promise<T> {
  const startedMs = performance.now();
  let latest = detail;
  const report = (status: Progress['status'], text: string): void =>
    onProgress({ step, status, detail: text, elapsedMs: Math.round(performance.now() - startedMs) });
  report('started', detail);
  const heartbeat = setInterval(() => report('running', latest), 1000);
  try {
    const result = await work((text) => {
      latest = text;
      report('running', text);
    });
    report('done', summary(result));
    return result;
  } catch (error) {
    report('failed', latest);
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}
