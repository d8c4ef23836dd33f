/** Does work that is asked for again and again at most once in so many milliseconds, the first time after as many: as fast as anybody reads. */
export function throttled(work: () => void, ms: number): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    setTimeout(() => {
      isDue = false;
      work();
    }, ms);
  };
}
