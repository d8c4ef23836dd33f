import { runInBackground as run } from '../shared/background.ts';

/**
 * Runs asynchronous work that nobody awaits.
 *
 * @param onFailure as in `shared/background.ts`. Unless given, a failure is reported as an uncaught error of the page, which browsers print in their
 * console and pages hear of by the `error` event of `window`.
 */
export function runInBackground(work: Promise<unknown>, onFailure: (error: unknown) => void = (error) => reportError(error)): void {
  run(work, onFailure);
}
