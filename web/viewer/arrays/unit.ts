import type { Value } from '../../../shared/protocol.ts';

/** The unit of the values in a frame, from the frame's message; empty without one. */
export function unitIn(message: Value): string {
  const isFields =
    typeof message === 'object' && message !== null && 'unit' in message && Object.hasOwn(message, 'unit');
  return isFields && typeof message.unit === 'string' ? message.unit : '';
}
