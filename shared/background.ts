/**
 * Runs asynchronous work that is not awaited, such as the reading loop of a socket. The lint rules forbid other
 * methods, because an unhandled rejection would end the process.
 *
 * @param work the running work.
 * @param onFailure called at most once, with the error with which `work` rejects. It should end or restart the owner of
 *   the work (close the connection, fail the source). It must not repeat the failed operation, and must not throw.
 */
export function runInBackground(work: Promise<unknown>, onFailure: (error: unknown) => void): void {
  work.catch(onFailure);
}

/**
 * Like {@link runInBackground}, for work that its owner awaits when it closes.
 *
 * @returns a promise that resolves when the work and, if it failed, `onFailure` have finished. The promise never
 * rejects.
 */
export function containFailure(work: Promise<unknown>, onFailure: (error: unknown) => void): Promise<void> {
  return work.then(() => undefined, onFailure);
}
