/** The gateway's clock: Unix time in microseconds, monotonic for the lifetime of the process. */
export function nowUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}
