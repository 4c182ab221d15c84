/** Logs whose segments end where a test needs it. Brokers end them by time, so a machine that stalls may end one too early. */

export class NotCompacted extends Error {}

const ATTEMPTS_MAX = 4;

/** Lays the log out anew, in another topic, when the cleaner did not find it as it should be. */
export async function laidOut<T>(lay: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await lay();
    } catch (error) {
      if (!(error instanceof NotCompacted) || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}
