/**
 * Text of a property that frameworks and scripts may set to another type: React sets `true` for an attribute without a
 * value, and undefined when it removes one. The elements of a list are joined with commas; other types have no text.
 */
export function textOf(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return `${value}`;
  return Array.isArray(value) ? value.join() : '';
}
