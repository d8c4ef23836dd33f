import { runInBackground as run } from '../shared/background.ts';

/**
 * Runs asynchronous work without awaiting it.
 *
 * @param onFailure as in `shared/background.ts`. By default a failure is reported as an uncaught error: browsers log it
 * in the console, and pages receive the `error` event of `window`.
 */
export function runInBackground(
  work: Promise<unknown>,
  onFailure: (error: unknown) => void = (error) => reportError(error),
): void {
  run(work, onFailure);
}
