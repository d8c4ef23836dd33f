import type { ReturnBody } from '../../shared/protocol.ts';

/** Return data that stays in effect until it is replaced or expires. */
export interface StickyReturn {
  readonly body: ReturnBody;
  /** Expiry by `performance.now()`; Infinity for no limit. */
  readonly expiresAtMs: number;
}

/** @param ttlMs time to live; null for no limit. @returns null to clear the value. */
export function createSticky(body: ReturnBody | null, ttlMs: number | null): StickyReturn | null {
  return body === null ? null : { body, expiresAtMs: ttlMs === null ? Infinity : performance.now() + ttlMs };
}

/** The value with its remaining time to live; null when there is none or it has expired. */
export function remainingSticky(
  sticky: StickyReturn | null,
): { readonly body: ReturnBody; readonly ttlMs: number | null } | null {
  if (sticky === null) return null;
  const ttlMs = sticky.expiresAtMs - performance.now();
  // The protocol's minimum is 1 ms.
  return ttlMs < 1 ? null : { body: sticky.body, ttlMs: ttlMs === Infinity ? null : ttlMs };
}
