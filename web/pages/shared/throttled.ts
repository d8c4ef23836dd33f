/** Limits calls of a function to one per interval. The first one is made at the end of the interval. */
export function throttled(work: () => void, intervalMs: number): () => void {
  let isScheduled = false;
  return () => {
    if (isScheduled) return;
    isScheduled = true;
    setTimeout(() => {
      isScheduled = false;
      work();
    }, intervalMs);
  };
}
