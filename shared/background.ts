/**
 * Runs asynchronous work that nobody awaits, such as the reading loop of a socket. The lint rules allow no other way to start some: without a failure
 * handler a rejection would end the process.
 *
 * @param work what was started.
 * @param onFailure called at most once, with the error that `work` rejects with. It ends or restarts the owner of the work (closes the connection, fails
 * the source), must not repeat what failed, and must not throw.
 */
export function runInBackground(work: Promise<unknown>, onFailure: (error: unknown) => void): void {
  work.catch(onFailure);
}

/**
 * The same for work that its owner waits for when it closes.
 *
 * @returns resolves when the work and, if it failed, `onFailure` are done. Never rejects.
 */
export function containFailure(work: Promise<unknown>, onFailure: (error: unknown) => void): Promise<void> {
  return work.then(() => undefined, onFailure);
}
