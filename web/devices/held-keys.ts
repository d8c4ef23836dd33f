/**
 * Maximum time until the first repetition: the system repeats the last pressed key while it is down. Without
 * repetitions, the key counts as released.
 */
export const FIRST_REPEAT_MS = 800;
/** Maximum interval between two key repetitions of the system. */
export const NEXT_REPEAT_MS = 350;

/** The part of a keyboard event that is used. */
export type KeyPress = Pick<KeyboardEvent, 'code' | 'key' | 'repeat'>;

/**
 * Keys that are held. The release of a key can be lost to a dialog of the system or to another program; the system then
 * stops repeating it, and all keys count as released.
 */
export class HeldKeys {
  readonly #onLost: () => void;
  /** Names by `KeyboardEvent.code`, because a key may be released under another name, for example with Shift. */
  readonly #held = new Map<string, string>();
  /** Keys that were held when repetitions ended. A further repetition proves that they are still held. */
  #lost = new Map<string, string>();
  /** Code of the key that the system repeats. */
  #repeated = '';
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onLost called when a release event was lost; then no key is held. */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
  }

  /** Names of the held keys: `KeyboardEvent.key` in lower case, `space` for the space bar. */
  get names(): ReadonlySet<string> {
    return new Set(this.#held.values());
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /**
   * Records that a key was pressed, or repeated.
   *
   * @param needsRepeat whether the system repeats keys.
   * @returns whether the set of held keys has changed. Repetitions of a key that {@link clear} has released have no
   * effect.
   */
  down(press: KeyPress, needsRepeat = true): boolean {
    const code = codeOf(press);
    if (press.repeat) {
      const lostName = this.#lost.get(code);
      if (lostName === undefined) {
        if (code === this.#repeated && this.#held.has(code)) this.#expireIn(NEXT_REPEAT_MS, needsRepeat);
        return false;
      }
    }
    const wasHeld = this.#held.has(code);
    this.#lost.clear();
    this.#held.set(code, keyName(press.key));
    this.#repeated = code;
    this.#expireIn(press.repeat ? NEXT_REPEAT_MS : FIRST_REPEAT_MS, needsRepeat);
    return !wasHeld;
  }

  /** Records that a key was released. @returns whether it was held. */
  up(press: KeyPress): boolean {
    const code = codeOf(press);
    this.#lost.delete(code);
    if (!this.#held.delete(code)) return false;
    // The system does not continue to repeat the other keys.
    if (code === this.#repeated || this.isEmpty) clearTimeout(this.#timer);
    return true;
  }

  /** Releases all keys; each must be pressed again. */
  clear(): void {
    this.#held.clear();
    this.#lost.clear();
    clearTimeout(this.#timer);
  }

  #expireIn(timeoutMs: number, needsRepeat: boolean): void {
    clearTimeout(this.#timer);
    if (!needsRepeat) return;
    this.#timer = setTimeout(() => {
      this.#lost = new Map(this.#held);
      this.#held.clear();
      this.#onLost();
    }, timeoutMs);
  }
}

/** Name of a key, as in {@link HeldKeys.names}. */
export function keyName(key: string): string {
  return key === ' ' ? 'space' : key.toLowerCase();
}

/** Virtual keyboards report no code. */
function codeOf({ code, key }: KeyPress): string {
  return code === '' ? keyName(key) : code;
}
