import type { ControlState } from '../hub/control.ts';
import { type PortRange, STREAM_STATES, type StreamStatus } from '../../shared/status.ts';
import { isControlState } from './control-wire.ts';

/** Description of a stream that is configured at a gateway, for the other gateways. */
export interface StreamAnnouncement {
  readonly name: string;
  /** Kind and address of its source, for display. */
  readonly kind: string;
  readonly address: string;
  /** State of its source, in one or two words; undefined from gateways that do not report it. */
  readonly sourceState?: string;
  readonly ranges: readonly PortRange[];
  readonly takesReturns: boolean;
  readonly verifiesJpegs: boolean;
  readonly state: StreamStatus['state'];
  readonly reason: string;
  readonly frame: StreamStatus['frame'];
  /** State of control, if that gateway runs the source; null if all clients may return data. */
  readonly control: ControlState | null;
  /** Number of its clients at that gateway. */
  readonly clients: number;
}

/** Whether a value from the store is an announcement. Other programs can write there too. */
export function isAnnouncement(value: unknown): value is StreamAnnouncement {
  if (typeof value !== 'object' || value === null) return false;
  const {
    name,
    kind,
    address,
    sourceState = '',
    ranges,
    takesReturns,
    verifiesJpegs,
    state,
    reason,
    frame,
  } = value as Partial<Record<keyof StreamAnnouncement, unknown>>;
  const { control, clients } = value as Partial<Record<keyof StreamAnnouncement, unknown>>;
  return (
    typeof name === 'string' &&
    NAME.test(name) &&
    [kind, address, sourceState, reason].every((text) => typeof text === 'string' && text.length <= MAX_TEXT) &&
    [takesReturns, verifiesJpegs].every((flag) => typeof flag === 'boolean') &&
    STREAM_STATES.some((known) => known === state) &&
    Number.isInteger(clients) &&
    Array.isArray(ranges) &&
    ranges.length <= MAX_PORTS &&
    ranges.every(isRange) &&
    ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0) <= MAX_PORTS &&
    (frame === null || isFrame(frame)) &&
    (control === null || isControlState(control))
  );
}

/** The name in the configuration; a source that feeds several streams appends up to 65 characters. */
const NAME = /^[A-Za-z0-9_-]{1,129}$/;

/** Maximum length of a string for display. Gateways shorten their own strings to 1000 code points. */
const MAX_TEXT = 4096;

/** Maximum number of virtual ports of a stream, as in the options of a gateway: each viewer costs a pass over them. */
const MAX_PORTS = 4096;

function isRange(value: unknown): value is PortRange {
  if (typeof value !== 'object' || value === null) return false;
  const { from, to } = value as Partial<Record<keyof PortRange, unknown>>;
  return (
    Number.isInteger(from) &&
    Number.isInteger(to) &&
    Number(from) >= 1 &&
    Number(from) <= Number(to) &&
    Number(to) <= 65_535
  );
}

function isFrame(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { sequence, width, height, encoding, framesPerSecond } = value as Partial<
    Record<keyof NonNullable<StreamAnnouncement['frame']>, unknown>
  >;
  return (
    [sequence, width, height, framesPerSecond].every((number) => typeof number === 'number') &&
    typeof encoding === 'string' &&
    encoding.length <= MAX_TEXT
  );
}
