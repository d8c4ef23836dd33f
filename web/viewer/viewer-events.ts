import type { Value } from '../../shared/protocol.ts';
import type { ShownArray } from './arrays/shown-array.ts';
import type { Matrix } from './picture-geometry.ts';
import type { ViewerControl, ViewerState } from './viewer-messages.ts';

/**
 * Fired when the viewer is connected. `port` is the viewer's identity in the stream. It is null for a spectator;
 * `spectatorReason` explains why a viewer that requested a port has none.
 */
export class GearwayOpenEvent extends CustomEvent<{
  readonly port: number | null;
  readonly rights: readonly string[];
  readonly spectatorReason: string | null;
}> {
  constructor(detail: { port: number | null; rights: readonly string[]; spectatorReason: string | null }) {
    super('gearway-open', { detail });
  }
}

/**
 * Fired once per drawn frame, with the message that the server sent with it. `ageMs` is the time since the frame
 * arrived at the gateway, by the gateway's clock; null before the gateway's clock is known. `latencyMs` is the time
 * since it was captured, if the message contains this time, and the camera's clock agrees with the gateway's.
 */
export class GearwayFrameEvent extends CustomEvent<{
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
  readonly message: Value;
  readonly ageMs: number | null;
  readonly capturedAtMs: number | null;
  readonly latencyMs: number | null;
}> {
  readonly #text: string | null;

  /**
   * @param text a large message as JSON, instead of the message in `detail`. It is parsed when the message is first
   * read.
   */
  constructor(detail: GearwayFrameEvent['detail'], text: string | null = null) {
    let message: Value | undefined;
    if (text !== null)
      Object.defineProperty(detail, 'message', {
        get: () => (message ??= JSON.parse(text) as Value),
        enumerable: true,
      });
    super('gearway-frame', { detail });
    this.#text = text;
  }

  /**
   * Whether the message may have this key, at any level. If not, `detail.message` need not be read, which takes
   * milliseconds if the message has thousands of keys.
   *
   * @param value whether it may have the key with this value. Default: any value.
   */
  mayHave(key: string, value?: string | number | boolean | null): boolean {
    const name = JSON.stringify(key);
    return this.#text?.includes(value === undefined ? name : `${name}:${JSON.stringify(value)}`) ?? true;
  }
}

/**
 * Fired when an array is shown with a range, type, unit or style that differs from the previous one. `detail` is null when a
 * picture that is not an array follows. Fired at most once per frame.
 */
export class GearwayArrayEvent extends CustomEvent<ShownArray | null> {
  constructor(detail: ShownArray | null) {
    super('gearway-array', { detail });
  }
}

/**
 * Fired when control of the stream has changed, or this viewer's request has ended, and after the viewer has connected
 * to a stream with exclusive control. `code` and `reason` are empty, unless this viewer did not get control or lost it:
 * `request-refused`, `request-unanswered`, `request-ended`, `control-revoked`, `control-lost`.
 */
export class GearwayControlEvent extends CustomEvent<{
  readonly control: ViewerControl;
  readonly code: string;
  readonly reason: string;
}> {
  constructor(control: ViewerControl, code: string, reason: string) {
    super('gearway-control', { detail: { control, code, reason } });
  }
}

export class GearwayStateEvent extends CustomEvent<{ readonly state: ViewerState; readonly reason: string }> {
  constructor(state: ViewerState, reason: string) {
    super('gearway-state', { detail: { state, reason } });
  }
}

/**
 * Fired when the gateway refused the viewer. `code` is the WebSocket close code (docs/protocol.md); `reason` suggests
 * what to do.
 */
export class GearwayRefusedEvent extends CustomEvent<{ readonly code: number; readonly reason: string }> {
  constructor(code: number, reason: string) {
    super('gearway-refused', { detail: { code, reason } });
  }
}

/** Fired when a value of the property `returnData` was refused. `send()` and `setReturnData()` reject instead. */
export class GearwayReturnRefusedEvent extends CustomEvent<{ readonly code: string; readonly reason: string }> {
  constructor(code: string, reason: string) {
    super('gearway-return-refused', { detail: { code, reason } });
  }
}

export class GearwayCloseEvent extends CustomEvent<{ readonly code: number; readonly reason: string }> {
  constructor(code: number, reason: string) {
    super('gearway-close', { detail: { code, reason } });
  }
}

/**
 * Fired when position, size, rotation or zoom of the picture has changed. `width` and `height` are its size in its own
 * pixels, `matrix` maps these to CSS px of the element's box (for `setTransform()` of a canvas), and `scale` is the
 * number of CSS px per pixel.
 */
export class GearwayViewEvent extends CustomEvent<{
  readonly width: number;
  readonly height: number;
  readonly matrix: Matrix;
  readonly scale: number;
  readonly zoom: number;
  readonly rotate: number;
  readonly mirror: boolean;
}> {
  constructor(detail: GearwayViewEvent['detail']) {
    super('gearway-view', { detail });
  }
}

/** Events of `<gearway-viewer>` by name. None of them bubbles. */
export interface GearwayViewerEventMap {
  'gearway-open': GearwayOpenEvent;
  'gearway-frame': GearwayFrameEvent;
  'gearway-array': GearwayArrayEvent;
  'gearway-state': GearwayStateEvent;
  'gearway-control': GearwayControlEvent;
  'gearway-refused': GearwayRefusedEvent;
  'gearway-return-refused': GearwayReturnRefusedEvent;
  'gearway-close': GearwayCloseEvent;
  'gearway-view': GearwayViewEvent;
}

declare global {
  interface HTMLElementEventMap extends GearwayViewerEventMap {}
}
