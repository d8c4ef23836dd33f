import type { Value } from '../../../shared/protocol.ts';

/** Number of the latest pictures that are examined. */
const WINDOW = 256;

/** For a single connection: minimum number of pictures, and maximum mean length of a run with the same name. */
const MIN_PICTURES = 16;
const MAX_RUN = 4;

/** Maximum length of a name. */
const MAX_NAME_LENGTH = 64;

/**
 * Detects whether pictures of several cameras are mixed in one stream, from their `msg`. Most senders put their name
 * there, which then alternates. Others send counters, times, JSON, or occasional events, which must not cause a
 * warning.
 */
export class SenderMix {
  /** Names of the latest pictures, newest last; null for a message that is not a name. */
  #latest: (string | null)[] = [];

  /** @returns whether the name differs from the previous one. */
  add(message: Value): boolean {
    const name = isName(message) ? message : null;
    const isAnother = name !== null && name !== this.#latest.at(-1);
    // The list is truncated in batches, which is cheaper than shifting it for every picture.
    if (this.#latest.length >= 2 * WINDOW) this.#latest = this.#latest.slice(-WINDOW);
    this.#latest.push(name);
    return isAnother;
  }

  /**
   * @param senders number of connections. A single sender may send the pictures of two cameras, whose names then
   * alternate more often than other messages would.
   * @returns the names that alternate; empty if there is only one sender.
   */
  names(senders: number): readonly string[] {
    const latest = this.#latest.slice(-WINDOW);
    const runs = new Map<string, number>();
    let changes = 0;
    for (const [index, name] of latest.entries()) {
      const before = latest[index - 1];
      if (name === before) continue;
      if (name !== null) runs.set(name, (runs.get(name) ?? 0) + 1);
      if (name !== null && before !== null && before !== undefined) changes += 1;
    }
    // Names that occurred, were followed by another, and occurred again.
    const recurring = [...runs].filter(([, count]) => count > 1).map(([name]) => name);
    const areSeveral =
      recurring.length > 1 && (senders > 1 || (latest.length >= MIN_PICTURES && changes * MAX_RUN >= latest.length));
    return areSeveral ? recurring.sort() : [];
  }
}

/** Whether a message looks like a name: it begins with a letter, unlike JSON, numbers and times. */
function isName(message: Value): message is string {
  return typeof message === 'string' && message.length <= MAX_NAME_LENGTH && /^\p{L}/u.test(message);
}
