import type { ClientStatus } from '../../shared/status.ts';

/** Status of a viewer that has not received a frame yet. */
export function idleClientStatus(id: string, port: number | null = null): ClientStatus {
  return {
    id,
    port,
    kind: 'web',
    address: '',
    state: 'live',
    reason: '',
    delivered: 0,
    deliveredBytes: 0,
    dropped: 0,
    withheld: 0,
    repeated: 0,
    rejected: 0,
    framesPerSecond: 0,
    roundTripMs: null,
    delayMs: null,
    returnData: null,
  };
}
