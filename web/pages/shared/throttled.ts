/** Maximum fraction of the time that the work may take. */
const MAX_SHARE = 0.1;

/**
 * Limits calls of a function to one per interval, and to fewer if the calls take long, so that the page stays usable.
 * The first call is made at the end of the interval.
 */
export function throttled(work: () => void, intervalMs: number): () => void {
  let isScheduled = false;
  let lastMs = 0;
  return () => {
    if (isScheduled) return;
    isScheduled = true;
    setTimeout(
      () => {
        isScheduled = false;
        const startMs = performance.now();
        work();
        lastMs = performance.now() - startMs;
      },
      Math.max(intervalMs, lastMs / MAX_SHARE),
    );
  };
}
