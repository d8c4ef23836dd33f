/** The gateway's clock: microseconds of Unix time, never going back while the process lives. */
export function nowUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}
