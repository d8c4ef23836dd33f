import type { Value } from '../../../shared/protocol.ts';

/** So many of the latest pictures are looked at. */
const WINDOW = 256;

/** Of a sender alone: so many pictures at least, and every so many of them from another than the one before. */
const MIN_PICTURES = 16;
const MAX_RUN = 4;

/** Longer texts are no names. */
const MAX_NAME_LENGTH = 64;

/**
 * Tells whether pictures of several cameras come into one stream, by the `msg` of each. Most senders give their name there, which alternates
 * then. Others count, say the time, write JSON, or say now and then that something moves, and that is nobody's fault.
 */
export class SenderMix {
  /** The latest last; null for what is no name. */
  #latest: (string | null)[] = [];

  /** @returns whether another name came than the one before. */
  add(message: Value): boolean {
    const name = isName(message) ? message : null;
    const isAnother = name !== null && name !== this.#latest.at(-1);
    // Cut now and then, so that not each picture moves all.
    if (this.#latest.length >= 2 * WINDOW) this.#latest = this.#latest.slice(-WINDOW);
    this.#latest.push(name);
    return isAnother;
  }

  /**
   * @param senders how many are connected. One alone may send two cameras' pictures, but then in turn; words of its own change less often.
   * @returns the names that take turns; none when all is well.
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
    // What came, was followed by another, and came again.
    const recurring = [...runs].filter(([, count]) => count > 1).map(([name]) => name);
    const areSeveral = recurring.length > 1 && (senders > 1 || (latest.length >= MIN_PICTURES && changes * MAX_RUN >= latest.length));
    return areSeveral ? recurring.sort() : [];
  }
}

/** No JSON, and no number or time: it has a letter in front of all digits. */
function isName(message: Value): message is string {
  return typeof message === 'string' && message.length <= MAX_NAME_LENGTH && /^\p{L}/u.test(message);
}
