/**
 * One file through ingest and every detector, as fast as the machine can: what `main.ts` measures as ours. Without
 * arguments it ends where it would begin, which is Node's start.
 */
import { analyse } from '../../cli/analyze/analysis.ts';
import { systemClock } from '../../runtime/system-clock.ts';

const [ffmpegPath, input] = process.argv.slice(2);
if (ffmpegPath !== undefined && input !== undefined)
  await analyse({
    streamId: 'bench',
    input,
    ffmpegPath,
    clock: systemClock,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
