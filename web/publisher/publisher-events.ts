import type { CameraFailure } from '../capture/capture-types.ts';
import type { PublisherState, ReturnedValue } from './publisher-messages.ts';

export class GearwayPublisherStateEvent extends CustomEvent<{
  readonly state: PublisherState;
  readonly reason: string;
}> {
  constructor(state: PublisherState, reason: string) {
    super('gearway-publisher-state', { detail: { state, reason } });
  }
}

/**
 * Fired when a client of the stream has returned data: a JSON value, an array, or a Blob with a JPEG. `sticky` data is
 * in effect until the next value of its port, null for none; `once` data is delivered once, in order. All sticky data
 * ends with the connection.
 */
export class GearwayPublisherDataEvent extends CustomEvent<{
  readonly port: number;
  readonly mode: 'sticky' | 'once';
  readonly value: ReturnedValue;
}> {
  constructor(detail: { port: number; mode: 'sticky' | 'once'; value: ReturnedValue }) {
    super('gearway-publisher-data', { detail });
  }
}

/**
 * Fired when the gateway refused the publisher. `code` is the WebSocket close code (docs/protocol.md); `reason`
 * suggests what to do.
 */
export class GearwayPublisherRefusedEvent extends CustomEvent<{ readonly code: number; readonly reason: string }> {
  constructor(code: number, reason: string) {
    super('gearway-publisher-refused', { detail: { code, reason } });
  }
}

/** Fired when no camera or screen is available. `reason` suggests what to do. */
export class GearwayPublisherFailedEvent extends CustomEvent<{
  readonly code: CameraFailure;
  readonly reason: string;
}> {
  constructor(code: CameraFailure, reason: string) {
    super('gearway-publisher-failed', { detail: { code, reason } });
  }
}

/**
 * Fired when a frame, or a value of the property `message`, was refused. Fired once for consecutive frames that were
 * refused with the same code.
 */
export class GearwayPublisherFrameRefusedEvent extends CustomEvent<{ readonly code: string; readonly reason: string }> {
  constructor(code: string, reason: string) {
    super('gearway-publisher-frame-refused', { detail: { code, reason } });
  }
}

/** Events of `<gearway-publisher>` by name. None of them bubbles. */
export interface GearwayPublisherEventMap {
  'gearway-publisher-state': GearwayPublisherStateEvent;
  'gearway-publisher-data': GearwayPublisherDataEvent;
  'gearway-publisher-refused': GearwayPublisherRefusedEvent;
  'gearway-publisher-failed': GearwayPublisherFailedEvent;
  'gearway-publisher-frame-refused': GearwayPublisherFrameRefusedEvent;
}

declare global {
  interface HTMLElementEventMap extends GearwayPublisherEventMap {}
}
