import { setTimeout as elapse } from 'node:timers/promises';

const SPELLS = 5;

/**
 * Before the second spell, and as much more before each one after it: what else runs on the machine often does so for
 * some seconds.
 */
const REST_MS = 2000;

/**
 * Checks a time, a rate or a share, measured in up to five spells, until one is as it should be.
 *
 * The machine is shared, and what else runs on it can only make such a figure worse: a hiccup of the machine's is seen
 * in one spell, a fault of ours in all of them. What does not depend on time is asserted while measuring, and fails at
 * once.
 *
 * @throws what `measure` throws, and what `check` throws of the last spell.
 */
export async function inASpell<T>(measure: () => Promise<T>, check: (figures: T) => void): Promise<void> {
  for (let spell = 1; spell < SPELLS; spell += 1) {
    const figures = await measure();
    try {
      check(figures);
      return;
    } catch (error) {
      console.warn(`spell ${spell} of ${SPELLS}: ${String(error)}`);
      await elapse(spell * REST_MS);
    }
  }
  check(await measure());
}
