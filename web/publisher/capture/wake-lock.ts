import { runInBackground } from '../../background.ts';

/**
 * Keeps a phone's screen on (https://www.w3.org/TR/screen-wake-lock/), because a sleeping phone stops its camera. Has
 * no effect in browsers without wake locks.
 */
export class WakeLock {
  #isHeld = false;
  #sentinel: WakeLockSentinel | null = null;

  hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    document.addEventListener('visibilitychange', this.#request);
    this.#request();
  }

  /** Idempotent. */
  release(): void {
    this.#isHeld = false;
    document.removeEventListener('visibilitychange', this.#request);
    this.#releaseSentinel(this.#sentinel);
    this.#sentinel = null;
  }

  #releaseSentinel(sentinel: WakeLockSentinel | null): void {
    if (sentinel !== null) runInBackground(sentinel.release());
  }

  /** Called again whenever the page becomes visible: browsers release the lock when it is hidden. */
  readonly #request = (): void => {
    if (document.hidden || !('wakeLock' in navigator)) return;
    navigator.wakeLock.request('screen').then(
      (sentinel) => {
        this.#releaseSentinel(this.#sentinel);
        this.#sentinel = this.#isHeld ? sentinel : null;
        if (!this.#isHeld) this.#releaseSentinel(sentinel);
      },
      // Refused if the battery is low, or by a policy: the screen then turns off as usual.
      () => undefined,
    );
  };
}
