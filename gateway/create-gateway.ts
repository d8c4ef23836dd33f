import { GearwayError } from '../shared/errors.ts';
import type { NDArray } from '../shared/ndarray.ts';
import { arrayBytes } from '../shared/ndarray.ts';
import { closeCode, type Value } from '../shared/protocol.ts';
import type { ClientStatus, GatewayEvent, StreamStatus } from '../shared/status.ts';
import { NativeClient } from './clients/native-client.ts';
import { NativeHeaders } from './clients/native-headers.ts';
import { DEFAULT_WEB_CLIENT_LIMITS, type WebClient } from './clients/web-client.ts';
import { createCard } from './card.ts';
import { createSource } from './create-source.ts';
import { Access } from './http/access.ts';
import { createServer } from './http/server.ts';
import { EventLog } from './hub/event-log.ts';
import type { PortData } from './hub/returns.ts';
import { Stream } from './hub/stream.ts';
import { DEFAULT_FRAME_LIMITS } from './netgear/frame-codec.ts';
import { readJpegMarkers } from './netgear/jpeg-markers.ts';
import { formatPythonJson } from './netgear/python-json.ts';
import { type GatewayOptions, resolveOptions } from './options.ts';

export type { GatewayOptions } from './options.ts';
export type { PortData } from './hub/returns.ts';
export type { ClientStatus, GatewayEvent, StreamStatus } from '../shared/status.ts';
export type { NDArray } from '../shared/ndarray.ts';
export type { Value } from '../shared/protocol.ts';
export { GearwayError } from '../shared/errors.ts';

/** A stream as an embedding program sees it. */
export interface GatewayStream {
  readonly name: string;
  /** All clients, native and web, ordered by port; spectators last. */
  readonly clients: readonly ClientStatus[];
  /**
   * Sends a frame to every client: one JPEG, or an array of `[height, width]` or `[height, width, channels]` (BGR).
   * The bytes are not copied and must not be written to again.
   *
   * @param options `message`: what travels with the frame; anything that Python's JSON can hold.
   * @returns the frame's sequence number.
   * @throws {GearwayError} `jpeg-invalid`, `dtype-unknown`, `shape-invalid`, `array-misfit`, `too-large`, `value-invalid`, `closed`, `source-busy` when the stream has another source than `push:`.
   */
  push(frame: Uint8Array | NDArray, options?: { message?: Value }): number;
  /** Return data from now on: a sticky value when it changes, each once-only value. Bounded; what is missed is counted. */
  returns(): AsyncIterableIterator<PortData>;
  /**
   * Ends the client with this id, as its status shows it: a viewer is told `reason` and stays away, a native client gets
   * NetGear's termination and is not connected again.
   *
   * @returns false when there is no such client.
   */
  sendAway(id: string, reason?: string): boolean;
  status(): StreamStatus;
}

/** A running gateway. The creator closes it. */
export interface Gateway {
  /** The stream `main`. */
  readonly stream: GatewayStream;
  readonly streams: ReadonlyMap<string, GatewayStream>;
  /** Clients that came and went, were refused or replaced, and streams that changed: the latest 256, then each as it happens. */
  events(): AsyncIterableIterator<GatewayEvent>;
  /** Serves HTTP; resolves with the address. @throws when the port is taken. */
  listen(): Promise<{ readonly url: string; readonly host: string; readonly port: number }>;
  /** Closes sources, then native clients, then viewers, then HTTP. Idempotent; takes at most about a second whatever peers do. */
  close(options?: { onClose?: 'keep' | 'terminate' }): Promise<void>;
  /** Settles when `close()` is done. */
  readonly closed: Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const STREAM_NAME = 'main';

const SENT_AWAY = 'the program that runs this gateway has sent this client away';

/**
 * Builds a gateway: its source is open and its native clients are being connected when this resolves. Call `listen()` to serve web viewers.
 *
 * @throws {GearwayError} for options that make no sense, and `source-unavailable` when the source cannot work.
 */
export async function createGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const resolved = resolveOptions(options);
  const { log } = resolved;
  const source = createSource(resolved.source, log);
  const events = new EventLog();
  const stream = new Stream({
    name: STREAM_NAME,
    virtualPorts: resolved.virtualPorts,
    reservedPorts: resolved.reservedPorts.keys(),
    events,
    sourceTakesReturns: source.takesReturns,
    waitingReason: source.waitingReason,
    log,
  });
  const nativeClients = new Set<NativeClient>();
  const webClients = new Set<WebClient>();
  const status = (): StreamStatus => stream.status({ kind: source.kind, address: source.address, state: source.state() });
  const access = new Access(resolved);
  const app = await createServer({ streams: new Map([[STREAM_NAME, { stream, status }]]), access, limits: DEFAULT_WEB_CLIENT_LIMITS, webClients, events, createCard });

  let closing: Promise<void> | null = null;
  const { promise: closed, resolve: settleClosed } = withResolvers();
  const close = (onClose: 'keep' | 'terminate'): Promise<void> => {
    closing ??= closeAll(onClose).finally(settleClosed);
    return closing;
  };
  const closeAll = async (onClose: 'keep' | 'terminate'): Promise<void> => {
    await source.close();
    await Promise.all([...nativeClients].map((client) => client.close({ terminate: onClose === 'terminate' })));
    for (const client of webClients) client.close(closeCode.goingAway, 'the gateway stops');
    events.close();
    await app.close();
    stream.close();
  };

  try {
    const card = resolved.idle === 'card' ? await createCard(source.waitingReason) : null;
    const headers = new NativeHeaders();
    for (const address of resolved.clients) {
      const client: NativeClient = new NativeClient({ ...address, stream, headers, card, log, onSentAway: () => nativeClients.delete(client) });
      nativeClients.add(client);
    }
    await source.open(stream);
  } catch (error) {
    await close('keep');
    throw error;
  }

  const gatewayStream: GatewayStream = {
    name: STREAM_NAME,
    get clients() {
      return stream.clientStatuses();
    },
    push(frame, { message = null } = {}) {
      if (source.kind !== 'push') throw new GearwayError('source-busy', `the stream's source is ${source.kind}:, expected push: for frames of this program`);
      if (closing !== null) throw new GearwayError('closed', 'the gateway is closed');
      formatPythonJson(message); // what cannot be written for Python must fail here, not at a client
      return stream.publish({ ...describeFrame(frame), message, wireHeader: null }).sequence;
    },
    returns: () => stream.returns.values(),
    sendAway: (id, reason = SENT_AWAY) => stream.sendAway(id, reason) !== null,
    status,
  };
  return {
    stream: gatewayStream,
    streams: new Map([[STREAM_NAME, gatewayStream]]),
    events: () => events.events(),
    async listen() {
      const { host, port } = resolved;
      await app.listen({ host, port });
      const address = app.server.address();
      const actualPort = typeof address === 'object' && address !== null ? address.port : port;
      return { url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}/`, host, port: actualPort };
    },
    close: ({ onClose = resolved.onClose } = {}) => close(onClose),
    closed,
    [Symbol.asyncDispose]: () => close(resolved.onClose),
  };
}

function describeFrame(frame: Uint8Array | NDArray): Parameters<Stream['publish']>[0] {
  const checkSize = (width: number, height: number, payloadBytes: number): void => {
    const limits = DEFAULT_FRAME_LIMITS;
    if (width < 1 || height < 1 || width > limits.side || height > limits.side || width * height > limits.pixels || payloadBytes > limits.payloadBytes) {
      throw new GearwayError('too-large', `frame is ${width}×${height} pixels and ${payloadBytes} bytes, expected at most ${limits.side} a side, ${limits.pixels} pixels and ${limits.payloadBytes} bytes`);
    }
  };
  const rest = { message: null, wireHeader: null };
  if (frame instanceof Uint8Array) {
    const { width, height } = readJpegMarkers(frame);
    checkSize(width, height, frame.byteLength);
    return { width, height, encoding: { kind: 'jpeg' }, payload: frame, ...rest };
  }
  const { dtype, shape, data } = frame;
  const expected = arrayBytes(dtype, shape);
  if ((shape.length !== 2 && shape.length !== 3) || expected === 0 || expected !== data.byteLength) {
    throw new GearwayError('array-misfit', `frame is ${data.byteLength} bytes of shape [${shape.join(', ')}], expected [height, width] or [height, width, channels] and ${expected} bytes`);
  }
  const [height = 0, width = 0] = shape;
  checkSize(width, height, data.byteLength);
  return { width, height, encoding: { kind: 'raw', dtype, shape }, payload: data, ...rest };
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let settle: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => (settle = resolve));
  return { promise, resolve: () => settle() };
}
