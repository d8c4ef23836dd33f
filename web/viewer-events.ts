import type { Value } from '../shared/protocol.ts';
import type { ViewerState } from './session-messages.ts';

/** Connected: `port` is the viewer's identity in the stream, null for a spectator. */
export class GearwayOpenEvent extends CustomEvent<{ readonly port: number | null }> {
  constructor(port: number | null) {
    super('gearway-open', { detail: { port } });
  }
}

/** A frame has been drawn: once per frame, with the message that the server sent with it. */
export class GearwayFrameEvent extends CustomEvent<{ readonly sequence: number; readonly width: number; readonly height: number; readonly message: Value }> {
  constructor(detail: { sequence: number; width: number; height: number; message: Value }) {
    super('gearway-frame', { detail });
  }
}

export class GearwayStateEvent extends CustomEvent<{ readonly state: ViewerState; readonly reason: string }> {
  constructor(state: ViewerState, reason: string) {
    super('gearway-state', { detail: { state, reason } });
  }
}

/** The gateway refused the viewer; `code` is the WebSocket's close code (docs/protocol.md), `reason` says what to do. */
export class GearwayRefusedEvent extends CustomEvent<{ readonly code: number; readonly reason: string }> {
  constructor(code: number, reason: string) {
    super('gearway-refused', { detail: { code, reason } });
  }
}

export class GearwayCloseEvent extends CustomEvent<{ readonly code: number; readonly reason: string }> {
  constructor(code: number, reason: string) {
    super('gearway-close', { detail: { code, reason } });
  }
}

declare global {
  interface HTMLElementEventMap {
    'gearway-open': GearwayOpenEvent;
    'gearway-frame': GearwayFrameEvent;
    'gearway-state': GearwayStateEvent;
    'gearway-refused': GearwayRefusedEvent;
    'gearway-close': GearwayCloseEvent;
  }
}
