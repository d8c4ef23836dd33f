/** Formats a value with at most four significant digits, or all digits of its integer part. */
export function formatValue(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e7) return value.toPrecision(4);
  return String(size >= 1000 ? Math.round(value) : Number(value.toPrecision(4)));
}
