import type { Value } from '../../shared/protocol.ts';

/** Number of keys, lists and maps from which a message is passed to the page as text. */
export const LARGE_MESSAGE = 500;

/**
 * A large message as JSON, which the page parses only if it reads the message. Otherwise, the browser would copy
 * objects for each frame, in the page's thread.
 *
 * @returns null for a message that is small, or has a number that JSON cannot represent.
 */
export function messageText(message: Value): string | null {
  return nodesOf(message) < LARGE_MESSAGE ? null : JSON.stringify(message);
}

/** Number of keys, lists and maps; −∞ if there is a NaN, an infinity or a bigint. */
function nodesOf(value: Value): number {
  if (typeof value !== 'object' || value === null)
    return ['number', 'bigint'].includes(typeof value) && !Number.isFinite(value) ? -Infinity : 0;
  const isList = Array.isArray(value);
  let nodes = 1;
  for (const item of isList ? (value as readonly Value[]) : Object.values(value))
    nodes += nodesOf(item) + (isList ? 0 : 1);
  return nodes;
}
