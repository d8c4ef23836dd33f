import { GearwayError } from '../../shared/errors.ts';

/**
 * Waits for a promise until the signal aborts. The work itself continues.
 *
 * @throws {GearwayError} `closed` when the signal aborts first.
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new GearwayError('closed', 'the gateway is stopping'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
