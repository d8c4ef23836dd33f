/** Formats a bit rate for display: `850 kbit/s` or `1.4 Mbit/s`. */
export function formatBitRate(bitsPerSecond: number): string {
  if (bitsPerSecond < 1e6) return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
  const megabits = bitsPerSecond / 1e6;
  return `${megabits < 100 ? megabits.toFixed(1) : Math.round(megabits)} Mbit/s`;
}
