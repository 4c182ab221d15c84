/** The simulation is worth something only if it notices when the runtime is broken. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { MUTATIONS } from './mutations.ts';
import { NotLoaded, SeedThread } from './thread.ts';

const SEEDS_MAX = 60;
const EVENTS = 700;
/** What hangs is as good as red. Of processor time. */
const SEED_CPU_MS_MAX = 15_000;

/** The runtime as it is: every seed that turns a mutation red has to be green here. */
const control = new SeedThread();
const checked = new Map<number, string | null>();
after(() => control.close());

for (const mutation of MUTATIONS) {
  test(`red: ${mutation.name}`, async (t) => {
    const thread = new SeedThread(mutation, SEED_CPU_MS_MAX);
    try {
      for (let seed = 1; seed <= SEEDS_MAX; seed++) {
        const finding = await firstFinding(thread, seed);
        if (finding === null) continue;
        if (!checked.has(seed)) checked.set(seed, await firstFinding(control, seed));
        assert.equal(checked.get(seed), null, `seed ${seed} is red without any mutation`);
        t.diagnostic(`seed ${seed}: ${finding.split('\n')[0]!.slice(0, 160)}`);
        return;
      }
      assert.fail(`${SEEDS_MAX} seeds did not notice it`);
    } finally {
      await thread.close();
    }
  });
}

async function firstFinding(thread: SeedThread, seed: number): Promise<string | null> {
  try {
    const { findings } = await thread.run({ seed, events: EVENTS });
    return findings[0] ?? null;
  } catch (error) {
    if (error instanceof NotLoaded) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}
