/** Time without a frame after which an input has stalled; at a low rate, the number of frame intervals. */
const STALL_MS = 5000;
const STALL_FRAMES = 5;

/**
 * Maximum time without a frame.
 *
 * @param fps the requested rate; null for none.
 */
export function stallTimeMs(fps: number | null): number {
  return Math.max(STALL_MS, (STALL_FRAMES * 1000) / (fps ?? Infinity));
}

/**
 * How much earlier than the supervisor a source itself reports a silent network, because its error names the cause.
 */
export const SOONER_MS = 500;
