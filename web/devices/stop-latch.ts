/** State of an emergency stop. */
export type StopState =
  | 'ready'
  /** The stop was requested; the server has not confirmed it. */
  | 'stopping'
  /** The server has confirmed the stop. */
  | 'stopped'
  /** The reset was requested; the server has not confirmed it. */
  | 'clearing';

/**
 * Emergency stop of one viewer: the request of this viewer, and the confirmation in the server's messages. Only the
 * server's confirmation ends a stop.
 */
export class StopLatch {
  #request: 'none' | 'stop' | 'clear' = 'none';
  #isConfirmed = false;

  get state(): StopState {
    switch (this.#request) {
      case 'stop':
        return this.#isConfirmed ? 'stopped' : 'stopping';
      case 'clear':
        return 'clearing';
      case 'none':
        // Another viewer, or the server itself, has stopped.
        return this.#isConfirmed ? 'stopped' : 'ready';
      default:
        return this.#request satisfies never;
    }
  }

  /** Value that this viewer returns: true to stop, false to clear; null while it requests nothing. */
  get value(): boolean | null {
    return this.#request === 'none' ? null : this.#request === 'stop';
  }

  /** Requests a stop. It must be confirmed again, even if the server has already stopped. */
  stop(): void {
    this.#request = 'stop';
    this.#isConfirmed = false;
  }

  /**
   * Requests that the server clear the stop, if the server has confirmed it.
   *
   * @returns whether the stop was confirmed.
   */
  clear(): boolean {
    if (this.state !== 'stopped') return false;
    this.#request = 'clear';
    return true;
  }

  /** Ends this viewer's request to stop, once the server has confirmed it. The server stays stopped. */
  withdraw(): void {
    if (this.state === 'stopped') this.#request = 'none';
  }

  /** Ends an unconfirmed request to clear the stop, which must then be made again. */
  giveUpClear(): void {
    if (this.#request === 'clear') this.#request = 'none';
  }

  /** Whether {@link confirm} with this value would change anything. */
  awaits(stop: boolean): boolean {
    return stop !== this.#isConfirmed || (!stop && this.#request === 'clear');
  }

  /**
   * Processes a message of the server. @param stop whether the server has stopped; null if the message does not contain
   * it.
   */
  confirm(stop: boolean | null): void {
    if (stop === null) return;
    this.#isConfirmed = stop;
    if (!stop && this.#request === 'clear') this.#request = 'none';
  }
}
