import { runInBackground } from '../background.ts';
import type { ArrayStyleTexts } from '../../shared/arrays/array-style.ts';
import { closeCode } from '../../shared/close-code.ts';
import {
  decodeGatewayMessage,
  encodeMessage,
  encodeReturn,
  feature,
  type FrameMessage,
  type GatewayMessage,
  type Hello,
  MAX_HEADER_BYTES,
  type Pong,
  type ReturnBody,
  type State,
  type WantFields,
  type Welcome,
} from '../../shared/protocol.ts';
import { type ConnectionEnd, GatewayConnection, type Retry } from '../connection/gateway-connection.ts';
import { ArrayPictures } from './arrays/array-pictures.ts';
import type { InspectionQuery } from './arrays/inspection-query.ts';
import { CanvasSwitch, type DecodedFrame } from './canvas-switch.ts';
import { DecodeFailures } from './decode-failures.ts';
import { canDecodeH264 } from './h264-decoder.ts';
import { Decoder } from './decoder.ts';
import type { OverlayCommand } from './overlays/overlay-commands.ts';
import type { OverlaySession } from './overlays/overlay-session.ts';
import { type DecodedPicture, decodeJpeg, encodePng, Painter, type Surface } from './painter.ts';
import { createSticky, remainingSticky, type StickyReturn } from './sticky-return.ts';
import type {
  Box,
  DeliveryOptions,
  SnapshotFormat,
  ViewerCommand,
  ViewerEvent,
  ViewerOptions,
} from './viewer-messages.ts';
import { pictureSize } from './picture-size.ts';
import { ViewerStatsMeter } from './viewer-stats.ts';

/** Refusals of the requested port. */
const PORT_REFUSALS: ReadonlySet<number> = new Set([
  closeCode.portTaken,
  closeCode.portOutOfRange,
  closeCode.notAllowed,
]);

/** Maximum length of a side that is reported; with longer sides, the viewer requests every pixel. */
const MAX_SIDE = 65_535;

/**
 * Interval before H.264 is requested again after the failure of a decoder that had worked. Doubles with each failure.
 */
const VIDEO_RETRY_MS = 2000;
const MAX_VIDEO_RETRY_MS = 300_000;

/** Maximum time to wait for a paint. A hidden page paints nothing, and a busy page paints late. */
const PAINT_TIMEOUT_MS = 500;

/** Parameters of a session. `canvas` is new, without a context and not yet transferred. */
export interface ViewerOpening {
  readonly options: ViewerOptions;
  readonly canvas: Surface;
}

type EmitViewerEvent = (event: ViewerEvent, transfer?: Transferable[]) => void;

/** Opens a session, in the worker or on the main thread. */
export function openViewerSession(opening: ViewerOpening, emit: EmitViewerEvent): ViewerSession {
  return new ViewerSession(opening, emit);
}

/** Calls back when the browser has probably painted the drawn picture; in a hidden page after a timeout. */
function whenPainted(callback: () => void): void {
  let isDone = false;
  const once = (): void => {
    if (!isDone) callback();
    isDone = true;
  };
  setTimeout(once, PAINT_TIMEOUT_MS);
  requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(once)));
}

/** Session of one viewer: decodes and draws the frames, and keeps sticky return data across reconnects. */
class ViewerSession {
  readonly #options: ViewerOptions;
  readonly #emit: EmitViewerEvent;
  #canvas: Surface;
  #painter: Painter;
  readonly #canvasSwitch: CanvasSwitch;
  readonly #decoder: Decoder;
  readonly #arrays: ArrayPictures;
  readonly #failures: DecodeFailures;
  readonly #connection: GatewayConnection<GatewayMessage>;
  #stats = new ViewerStatsMeter();
  #leaseKey: string | null;
  /** Port of the last connection. A restarted gateway does not know the lease, but the port may still be free. */
  #formerPort: number | null = null;
  #paused: boolean;
  /** Whether 8-bit samples are requested unmodified. */
  #raw = false;
  #sticky: StickyReturn | null = null;
  #nextId = 1;
  /** Unanswered returns of this connection: the element's id by message id; null for repeated sticky data. */
  readonly #unanswered = new Map<number, number | null>();
  #box: Box | null = null;
  #delivery: DeliveryOptions;
  /** Presents the frames, once overlays are needed and their code is loaded. */
  #overlays: OverlaySession | null = null;
  #loadingOverlays: Promise<OverlaySession> | null = null;
  #isClosed = false;
  #maxMessageBytes = 0;
  /**
   * Whether the next frame is the first one of a connection or after a pause. The age of this frame is not a latency,
   * because the source may have been silent.
   */
  #isFirst = true;
  /** The frame on the canvas. Its payload is kept for snapshots. */
  #drawn: FrameMessage | null = null;
  /** State of the stream, as the gateway reported it. */
  #streamState: Pick<State, 'state' | 'reason'> = { state: 'waiting', reason: '' };
  /** Why no frame can be shown; null if frames can be shown. */
  #unsupported: string | null = null;
  /** The latest `want` of this connection with size and limits, as JSON. */
  #sentWant = '';
  /** Whether H.264 can be decoded, as far as is known. */
  #canDecodeVideo = false;
  #videoRetryMs = VIDEO_RETRY_MS;
  #videoRetry: ReturnType<typeof setTimeout> | undefined;
  /** Sequence of the latest frame whose decoding has started. */
  #started = 0;

  constructor({ options, canvas }: ViewerOpening, emit: EmitViewerEvent) {
    this.#options = options;
    this.#emit = emit;
    this.#canvas = canvas;
    this.#leaseKey = options.leaseKey;
    this.#paused = options.paused;
    this.#delivery = options.delivery;
    this.#painter = new Painter(canvas);
    this.#canvasSwitch = new CanvasSwitch(
      () => emit({ kind: 'canvas' }),
      (decoded) => this.#draw(decoded),
    );
    this.#arrays = new ArrayPictures(
      () => import(/*@vite-ignore*/ /* webpackIgnore: true */ options.arraysScript),
      (shown) => emit({ kind: 'array', shown }),
    );
    this.#decoder = new Decoder({
      scale: (frame) => this.#scale(frame),
      decodeArray: (frame) => this.#arrays.decode(frame),
      started: (frame, waitMs) => this.#acknowledge(frame, waitMs),
      decoded: (frame, picture, decodeMs) => {
        this.#failures.decoded();
        this.#canvasSwitch.add({ frame, picture, decodeMs }, this.#isStretched());
      },
      failed: (frame, error) => this.#failures.failed(frame, error),
      videoFailed: (hasWorked) => this.#videoFailed(hasWorked),
    });
    this.#failures = new DecodeFailures({
      needsBaseline: () => this.#connection.send(encodeMessage({ type: 'want', baseline: true })),
      failing: (reason) => this.#setUnsupported(reason),
      recovered: () => this.#setUnsupported(null),
    });
    this.#connection = new GatewayConnection(options.url, decodeGatewayMessage, {
      hello: () => this.#hello(),
      welcomed: (welcome) => this.#welcomed(welcome),
      received: (message, bytes) => this.#received(message, bytes),
      ended: (end) => this.#ended(end),
      report: emit,
      tick: () => this.#emitStats(),
    });
    runInBackground(canDecodeH264().then((can) => this.#setVideo(can)));
  }

  command(command: ViewerCommand): void {
    switch (command.kind) {
      case 'paused':
        if (this.#paused === command.paused) return;
        this.#paused = command.paused;
        this.#connection.send(encodeMessage({ type: 'want', paused: command.paused }));
        if (command.paused) this.#decoder.releaseVideo();
        else this.#connection.retryNow();
        return;
      case 'return-data': {
        const { id, body, ttlMs, urgent } = command;
        this.#sticky = createSticky(body, ttlMs);
        if (this.#connection.isOpen) this.#return(body ?? { kind: 'value', value: null }, 'sticky', ttlMs, id, urgent);
        // Without a connection, the value is accepted now, and sent with the next one.
        else this.#emit({ kind: 'returned', id, accepted: true, code: '', reason: '' });
        return;
      }
      case 'send':
        if (this.#connection.isOpen) this.#return(command.body, 'once', command.ttlMs, command.id);
        else this.#refuse(command.id, 'closed', 'there is no connection to the gateway');
        return;
      case 'control': {
        const { id: elementId, action, port } = command;
        if (!this.#connection.isOpen) {
          this.#refuse(elementId, 'closed', 'there is no connection to the gateway');
          return;
        }
        const id = this.#takeId(elementId);
        this.#connection.send(encodeMessage({ type: 'control', id, action, ...(port === null ? {} : { port }) }));
        return;
      }
      case 'snapshot': {
        const { id, format } = command;
        const failed = (): void => this.#emit({ kind: 'snapshot', id, snapshot: null });
        runInBackground(this.#snapshot(id, format), failed);
        return;
      }
      case 'box':
        this.#box = command.box;
        this.#sendWant();
        return;
      case 'delivery':
        this.#delivery = command.delivery;
        this.#sendWant();
        return;
      case 'overlay':
        // Not fatal: the picture is shown without overlays.
        runInBackground(this.#commandOverlays(command.script, command.command), (error) =>
          console.error('gearway-viewer: overlays could not be loaded', error),
        );
        return;
      case 'inspect': {
        const { id } = command;
        const failed = (): void => this.#emit({ kind: 'inspection', id, inspection: null });
        runInBackground(this.#inspect(id, command.query), failed);
        return;
      }
      case 'canvas':
        this.#canvas = command.canvas;
        this.#painter = new Painter(command.canvas);
        this.#overlays?.setSurface(this.#canvas, this.#painter);
        this.#canvasSwitch.replaced();
        return;
      case 'array-style':
        runInBackground(this.#setArrayStyle(command.style));
        return;
      case 'raw':
        if (this.#raw === command.raw) return;
        this.#raw = command.raw;
        this.#connection.send(encodeMessage({ type: 'want', raw: command.raw }));
        return;
      case 'retry':
        this.#connection.retryNow();
        return;
      case 'close':
        this.#isClosed = true;
        this.#canvasSwitch.close();
        this.#overlays?.close();
        this.#connection.close();
        clearTimeout(this.#videoRetry);
        this.#decoder.reset();
        this.#failures.reset();
        this.#drawn = null;
        return;
      default:
        command satisfies never;
    }
  }

  #hello(): Omit<Hello, 'type'> {
    const { name, spectate, token } = this.#options;
    const port = this.#options.port ?? this.#formerPort;
    return {
      name,
      features: [feature.renditions, feature.control, ...('DecompressionStream' in self ? [feature.packedArrays] : [])],
      // Without `paused`, which follows the welcome: a viewer that is out of view gets a picture to show when it comes
      // into view.
      want: { ...this.#wantFields(), raw: this.#raw },
      ...(port === null ? {} : { port }),
      ...(spectate ? { spectate } : {}),
      ...(token === null ? {} : { token }),
      ...(this.#leaseKey === null ? {} : { leaseKey: this.#leaseKey }),
    };
  }

  #welcomed({ port, spectatorReason, rights, leaseKey, state, reason, limits, control }: Welcome): void {
    this.#maxMessageBytes = limits.messageBytes;
    this.#leaseKey = leaseKey ?? this.#leaseKey;
    this.#formerPort = port ?? this.#formerPort;
    this.#stats = new ViewerStatsMeter();
    this.#decoder.reset();
    runInBackground(this.#arrays.reset());
    this.#isFirst = true;
    this.#emit({
      kind: 'open',
      port,
      spectatorReason: spectatorReason ?? null,
      rights,
      leaseKey,
      control: control ?? null,
    });
    this.#failures.reset();
    this.#unsupported = null;
    this.#setStreamState({ state, reason });
    this.#sentWant = '';
    this.#sendWant();
    if (this.#paused) this.#connection.send(encodeMessage({ type: 'want', paused: true }));
    if (this.#raw) this.#connection.send(encodeMessage({ type: 'want', raw: true }));
    const sticky = remainingSticky(this.#sticky);
    if (sticky === null) this.#sticky = null;
    else this.#return(sticky.body, 'sticky', sticky.ttlMs, null);
  }

  #setVideo(canDecode: boolean): void {
    this.#canDecodeVideo = canDecode;
    this.#sendWant();
  }

  #videoFailed(hasWorked: boolean): void {
    this.#setVideo(false);
    clearTimeout(this.#videoRetry);
    if (!hasWorked) return;
    this.#videoRetry = setTimeout(() => this.#setVideo(true), this.#videoRetryMs);
    this.#videoRetryMs = Math.min(MAX_VIDEO_RETRY_MS, 2 * this.#videoRetryMs);
  }

  /** Sends quality, limits and size on screen. A gateway that does not support the fields ignores them. */
  #wantFields(): WantFields {
    const { quality, maxBitsPerSecond, maxFramesPerSecond } = this.#delivery;
    const [width, height] = [this.#box?.width ?? Infinity, this.#box?.height ?? Infinity];
    // A picture that covers its box is larger than the box in one direction.
    const isKnown = width <= MAX_SIDE && height <= MAX_SIDE && this.#box?.covers === false;
    const size = isKnown ? { width: Math.ceil(width), height: Math.ceil(height) } : { width: 0, height: 0 };
    return { video: this.#canDecodeVideo, quality, maxBitsPerSecond, maxFramesPerSecond, ...size };
  }

  #sendWant(): void {
    const fields = this.#wantFields();
    // The box is set with each update of the element.
    const key = JSON.stringify(fields);
    if (key === this.#sentWant || !this.#connection.isOpen) return;
    this.#sentWant = key;
    this.#connection.send(encodeMessage({ type: 'want', ...fields }));
  }

  #received(message: Exclude<GatewayMessage, Welcome | Pong>, bytes: number): void {
    switch (message.type) {
      case 'frame':
        this.#stats.received(message, bytes);
        this.#decoder.add(message);
        return;
      case 'state':
        if (message.resumeSequence !== undefined) {
          this.#decoder.skipBefore(message.resumeSequence);
          this.#stats.resumed(message.resumeSequence);
          this.#isFirst = true;
        }
        this.#setStreamState(message);
        return;
      case 'controller':
        this.#emit({ kind: 'control', controller: message });
        return;
      case 'delivery':
        this.#stats.delivery(message);
        this.#emitStats();
        return;
      case 'returned': {
        const id = this.#unanswered.get(message.id);
        this.#unanswered.delete(message.id);
        if (id === undefined) return;
        const { accepted, code = '', reason = '' } = message;
        // Without control, sticky data that is repeated after a reconnection is refused. The state already shows this.
        if (id === null && code === 'no-control') return;
        this.#emit({ kind: 'returned', id, accepted, code, reason });
        return;
      }
      default:
        message satisfies never;
    }
  }

  #ended({ code, reason, wasOpen, isRefused }: ConnectionEnd): Retry | null {
    for (const id of this.#unanswered.values()) {
      if (id !== null) this.#refuse(id, 'closed', 'the connection ended before the gateway answered');
    }
    this.#unanswered.clear();
    if (wasOpen) this.#emit({ kind: 'close', code, reason });
    const askedForFormerPort = this.#options.port === null && this.#formerPort !== null;
    if (isRefused) this.#formerPort = null;
    // The port of the last connection is no longer available: request any port.
    if (!wasOpen && askedForFormerPort && PORT_REFUSALS.has(code)) return { delay: 'none', reason: null };
    if (code === closeCode.takenOver) this.#leaseKey = null;
    return null;
  }

  #takeId(elementId: number | null): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#unanswered.set(id, elementId);
    return id;
  }

  #return(
    body: ReturnBody,
    mode: 'sticky' | 'once',
    ttlMs: number | null,
    elementId: number | null,
    urgent = false,
  ): void {
    const id = this.#nextId;
    const { head, payload } = encodeReturn({
      type: 'return',
      id,
      mode,
      body,
      ...(ttlMs === null ? {} : { ttlMs }),
      ...(urgent ? { urgent } : {}),
    });
    const bytes = head.byteLength + payload.byteLength;
    // Otherwise, the gateway would close the connection, and sticky data would close the next one as well.
    if (head.byteLength > MAX_HEADER_BYTES || bytes > this.#maxMessageBytes) {
      if (mode === 'sticky') this.#sticky = null;
      const limit = bytes > this.#maxMessageBytes ? this.#maxMessageBytes : MAX_HEADER_BYTES;
      this.#refuse(elementId, 'too-large', `the value takes ${bytes} bytes, expected at most ${limit}`);
      return;
    }
    this.#takeId(elementId);
    // A Blob of both parts would also be a copy, and would be read back from another process while later values wait.
    const message = new Uint8Array(bytes);
    message.set(head);
    message.set(payload, head.byteLength);
    this.#connection.send(message);
  }

  #refuse(id: number | null, code: string, reason: string): void {
    this.#emit({ kind: 'returned', id, accepted: false, code, reason });
  }

  #setStreamState({ state, reason }: Pick<State, 'state' | 'reason'>): void {
    this.#streamState = { state, reason };
    this.#emitState();
  }

  #setUnsupported(reason: string | null): void {
    this.#unsupported = reason;
    this.#emitState();
    // Sent immediately, because the next frame may arrive much later.
    this.#sendAck(this.#started);
  }

  #emitState(): void {
    const { state, reason } = this.#streamState;
    if (state === 'live' && this.#unsupported !== null)
      this.#emit({ kind: 'state', state: 'unsupported', reason: this.#unsupported });
    else this.#emit({ kind: 'state', state, reason });
  }

  #acknowledge({ sequence }: FrameMessage, waitMs: number): void {
    this.#started = sequence;
    this.#sendAck(sequence, waitMs);
  }

  #sendAck(sequence: number, waitMs = 0): void {
    const { skipped, failed } = this.#decoder;
    const { painted, decodeMs, delayMs } = this.#stats;
    const delay = delayMs === null ? {} : { delayMs: Math.max(0, delayMs) };
    const failing = this.#unsupported === null ? {} : { failing: true };
    this.#connection.send(
      encodeMessage({ type: 'ack', sequence, painted, skipped, failed, decodeMs, waitMs, ...delay, ...failing }),
    );
  }

  /**
   * Whether the page scales the canvas to new proportions, after the worker has drawn the frame. On the main thread,
   * both happen together.
   */
  #isStretched(): boolean {
    return 'convertToBlob' in this.#canvas && this.#overlays?.fillsBox !== true;
  }

  #draw({ frame, picture, decodeMs }: DecodedFrame): void {
    const shown = (): void => this.#shown(frame, decodeMs);
    if (this.#overlays !== null) {
      this.#overlays.present(frame, picture, shown);
      return;
    }
    this.#painter.draw(picture);
    picture.close();
    shown();
  }

  #shown(frame: FrameMessage, decodeMs: number): void {
    const { sequence, width, height, message, receivedAtUs, capturedAtUs } = frame;
    if (frame.encoding.kind !== 'raw' && this.#drawn?.encoding.kind === 'raw') runInBackground(this.#arrays.reset());
    const ageMs = this.#connection.clock.ageMs(receivedAtUs);
    const capturedAtMs = capturedAtUs === undefined || capturedAtUs === null ? null : capturedAtUs / 1000;
    // The gateway's clock stamps the arrival, and the camera's clock must agree with it, as on one machine or with NTP.
    const latencyMs = capturedAtMs === null || ageMs === null ? null : ageMs + receivedAtUs / 1000 - capturedAtMs;
    if (this.#isFirst) this.#stats.drawn(frame, null, null, decodeMs);
    else this.#stats.drawn(frame, ageMs, latencyMs, decodeMs);
    this.#isFirst = false;
    this.#drawn = frame;
    const event = { kind: 'frame', sequence, width, height, message, ageMs, capturedAtMs, latencyMs } as const;
    if (!this.#canvasSwitch.isSwitching) {
      this.#emit(event);
      return;
    }
    whenPainted(() => {
      if (this.#isClosed) return;
      this.#emit(event);
      this.#canvasSwitch.finish(this.#isStretched());
    });
  }

  async #commandOverlays(script: string, command: OverlayCommand): Promise<void> {
    this.#loadingOverlays ??= import(/*@vite-ignore*/ /* webpackIgnore: true */ script).then(
      ({ OverlaySession: Session }: typeof import('./overlays/index.ts')) => {
        const session = new Session(this.#canvas, this.#painter, (event, transfer) =>
          this.#emit({ kind: 'overlay', event }, transfer),
        );
        if (!this.#isClosed) this.#overlays = session;
        return session;
      },
    );
    (await this.#loadingOverlays).command(command);
  }

  /** Draws the picture on the canvas again, so that a change is visible while paused. */
  async #setArrayStyle(style: ArrayStyleTexts): Promise<void> {
    await this.#arrays.setStyle(style);
    const frame = this.#drawn;
    if (frame?.encoding.kind !== 'raw') return;
    const picture = await this.#arrays.decode(frame, false);
    if (this.#drawn === frame && this.#overlays !== null) {
      this.#overlays.present(frame, picture, () => undefined);
      return;
    }
    if (this.#drawn === frame) this.#painter.draw(picture);
    picture.close();
  }

  #scale(frame: FrameMessage): number {
    if (this.#box === null) return 1;
    const { width, height } = pictureSize(frame);
    const scales = [this.#box.width / width, this.#box.height / height];
    return this.#box.covers ? Math.max(...scales) : Math.min(...scales);
  }

  async #snapshot(id: number, format: SnapshotFormat): Promise<void> {
    const frame = this.#drawn;
    if (frame === null) {
      this.#emit({ kind: 'snapshot', id, snapshot: null });
      return;
    }
    const { sequence, message } = frame;
    const { width, height } = pictureSize(frame);
    // A chunk of H.264 is not a complete picture. With an overlay, the canvas shows more than the picture.
    if (frame.encoding.kind === 'h264') {
      const source = this.#overlays?.source ?? null;
      const blob = await (source === null
        ? this.#painter.png()
        : encodePng({ source, width, height, close: () => undefined }));
      this.#emit({ kind: 'snapshot', id, snapshot: { sequence, width, height, message, encoding: 'png', blob } });
      return;
    }
    const received = frame.encoding.kind === 'jpeg' ? 'jpeg' : frame.encoding.dtype;
    const encoding = format === 'png' ? 'png' : received;
    const type = received === 'jpeg' ? 'image/jpeg' : 'application/octet-stream';
    const payload = frame.payload as Uint8Array<ArrayBuffer>;
    const blob = format === 'png' ? await encodePng(await this.#decodeWhole(frame)) : new Blob([payload], { type });
    this.#emit({ kind: 'snapshot', id, snapshot: { sequence, width, height, message, encoding, blob } });
  }

  async #inspect(id: number, query: InspectionQuery): Promise<void> {
    const decoder = await this.#arrays.decoder();
    const frame = this.#drawn;
    const inspection = frame && (await decoder.inspect(frame, query, (shown) => this.#pictureOf(shown)));
    this.#emit({ kind: 'inspection', id, inspection });
  }

  /**
   * The picture of a frame at full resolution. For H.264, this is the shown picture, because the chunks cannot be
   * decoded again.
   */
  #pictureOf(frame: FrameMessage): Promise<DecodedPicture> | { source: CanvasImageSource | ImageData; close(): void } {
    if (frame.encoding.kind !== 'h264') return decodeJpeg(frame);
    return { source: this.#overlays?.source ?? this.#canvas, close: () => undefined };
  }

  #decodeWhole(frame: FrameMessage): Promise<DecodedPicture> {
    return frame.encoding.kind === 'raw' ? this.#arrays.decode(frame, false) : decodeJpeg(frame);
  }

  #emitStats(): void {
    const { skipped, failed } = this.#decoder;
    const { clock, window } = this.#connection;
    this.#emit({ kind: 'stats', stats: this.#stats.read(skipped, failed, clock.roundTripMs, window) });
  }
}
