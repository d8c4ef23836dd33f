import type { PortRange, StreamStatus } from '../../shared/status.ts';

/** A stream that a gateway lists, as the other gateways see it. */
export interface StreamAnnouncement {
  readonly name: string;
  /** Kind and address of its source, for display. */
  readonly kind: string;
  readonly address: string;
  readonly ranges: readonly PortRange[];
  readonly takesReturns: boolean;
  readonly verifiesJpegs: boolean;
  readonly state: StreamStatus['state'];
  readonly reason: string;
  readonly frame: StreamStatus['frame'];
  /** Number of its clients at that gateway. */
  readonly clients: number;
}
