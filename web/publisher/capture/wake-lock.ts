import { runInBackground } from '../../background.ts';

/** Keeps a phone's screen on while it is held (https://www.w3.org/TR/screen-wake-lock/): one that sleeps takes the camera along. Browsers without it sleep. */
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
    this.#drop(this.#sentinel);
    this.#sentinel = null;
  }

  #drop(sentinel: WakeLockSentinel | null): void {
    if (sentinel !== null) runInBackground(sentinel.release());
  }

  /** The browser takes it away whenever the page is hidden. */
  readonly #request = (): void => {
    if (document.hidden || !('wakeLock' in navigator)) return;
    navigator.wakeLock.request('screen').then(
      (sentinel) => {
        this.#drop(this.#sentinel);
        this.#sentinel = this.#isHeld ? sentinel : null;
        if (!this.#isHeld) this.#drop(sentinel);
      },
      // Refused on an empty battery or by a policy: the screen goes dark as it always does.
      () => undefined,
    );
  };
}
