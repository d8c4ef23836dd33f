import { setImmediate as nextTurn } from 'node:timers/promises';

/** Number of samples that loops over pictures process per iteration of the event loop: about half a millisecond. */
export const SAMPLES_PER_TURN = 1 << 16;

/**
 * Divides a long loop among iterations of the event loop, so that it does not delay the frames of other clients. The
 * data that it reads and writes must not be used in the meantime.
 *
 * @param count number of iterations of the loop.
 * @param perTurn number of them per iteration of the event loop.
 * @param work runs the iterations `from` (inclusive) to `to` (exclusive); may throw.
 */
export async function inTurns(count: number, perTurn: number, work: (from: number, to: number) => void): Promise<void> {
  const step = Math.max(1, Math.floor(perTurn));
  for (let from = 0; from < count; from += step) {
    if (from > 0) await nextTurn();
    work(from, Math.min(from + step, count));
  }
}
