import type { CameraFailure, PublisherState, ReturnedValue } from './publisher-messages.ts';

export class GearwayPublisherStateEvent extends CustomEvent<{ readonly state: PublisherState; readonly reason: string }> {
  constructor(state: PublisherState, reason: string) {
    super('gearway-publisher-state', { detail: { state, reason } });
  }
}

/**
 * A client of the stream has returned something: `value` is what JSON holds, an array, or a Blob of a JPEG. `sticky` counts until the next one
 * of its port, null for none any more; `once` is delivered once, in order. A connection that ends takes all sticky data with it.
 */
export class GearwayPublisherDataEvent extends CustomEvent<{ readonly port: number; readonly mode: 'sticky' | 'once'; readonly value: ReturnedValue }> {
  constructor(detail: { port: number; mode: 'sticky' | 'once'; value: ReturnedValue }) {
    super('gearway-publisher-data', { detail });
  }
}

/** The gateway refused the publisher; `code` is the WebSocket's close code (docs/protocol.md), `reason` says what to do. */
export class GearwayPublisherRefusedEvent extends CustomEvent<{ readonly code: number; readonly reason: string }> {
  constructor(code: number, reason: string) {
    super('gearway-publisher-refused', { detail: { code, reason } });
  }
}

/** There is no camera, or no screen; `reason` says what to do. */
export class GearwayPublisherFailedEvent extends CustomEvent<{ readonly code: CameraFailure; readonly reason: string }> {
  constructor(code: CameraFailure, reason: string) {
    super('gearway-publisher-failed', { detail: { code, reason } });
  }
}

/** A frame, or a value of the property `message`, was refused; told once for frames that are refused for the same. */
export class GearwayPublisherFrameRefusedEvent extends CustomEvent<{ readonly code: string; readonly reason: string }> {
  constructor(code: string, reason: string) {
    super('gearway-publisher-frame-refused', { detail: { code, reason } });
  }
}

/** The events of `<gearway-publisher>` by name. None of them bubbles. */
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
