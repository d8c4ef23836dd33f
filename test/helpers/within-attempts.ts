import { setTimeout as sleep } from 'node:timers/promises';

const ATTEMPTS = 5;

/**
 * Pause before the second attempt, and the increase of each further pause. Pauses grow because other load often lasts
 * a few seconds.
 */
const REST_MS = 2000;

/**
 * Checks a time, a rate or a share, measured in up to five attempts, until one meets the limits.
 *
 * The machine is shared, and other load can only make such a figure worse: a short stall of the machine affects one
 * attempt, a fault of the gateway affects all. Conditions that do not depend on time are asserted while measuring, and
 * fail immediately.
 *
 * @throws the errors of `measure`, and the error of `check` for the last attempt.
 */
export async function withinAttempts<T>(measure: () => Promise<T>, check: (figures: T) => void): Promise<void> {
  for (let attempt = 1; attempt < ATTEMPTS; attempt += 1) {
    const figures = await measure();
    try {
      check(figures);
      return;
    } catch (error) {
      console.warn(`attempt ${attempt} of ${ATTEMPTS}: ${String(error)}`);
      await sleep(attempt * REST_MS);
    }
  }
  check(await measure());
}
