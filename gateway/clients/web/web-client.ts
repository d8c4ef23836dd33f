import type { Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { GearwayError, errorText } from '../../../shared/errors.ts';
import { checkNDArray, type NDArray } from '../../../shared/ndarray.ts';
import {
  type Ack,
  type ElementBudget,
  type Hello,
  type Return,
  type ReturnBody,
  type ViewerMessage,
  type Want,
  closeCode,
  decodeViewerMessage,
  MAX_HELLO_BYTES,
} from '../../../shared/protocol.ts';
import type { ClientState, StreamState } from '../../../shared/status.ts';
import type { JpegVerification } from '../../codecs/jpeg-verifier.ts';
import { nowUs } from '../../hub/clock.ts';
import type { Frame } from '../../hub/frame.ts';
import { Mailbox } from '../../hub/mailbox.ts';
import { RateMeter } from '../../hub/rate-meter.ts';
import type { ReturnData } from '../../hub/returns/returns.ts';
import { round } from '../../hub/stream.ts';
import { formatPythonJson, MAX_DEPTH } from '../../codecs/python-json.ts';
import type { InputBudget } from '../../connection/input-budget.ts';
import { Pacer } from './pacer.ts';
import type { Admission, ViewerEnd, ViewerFigures, ViewerPlace } from './place.ts';
import { type ProtocolPeer, ProtocolSocket, type ProtocolSocketLimits, type SocketEnd } from '../../connection/protocol-socket.ts';
import type { Rendition } from '../renditions.ts';
import { type FrameHolder, UnsentFrames } from '../unsent-frames.ts';

/** Limits of one web client. */
export interface WebClientLimits extends ProtocolSocketLimits {
  /** Bytes of one message from a viewer that may return data; the WebSocket closes with 1009 above. Any other has {@link MAX_HELLO_BYTES}. */
  readonly messageBytes: number;
  /** Bytes per second from a viewer that may return data. */
  readonly bytesPerSecond: number;
  readonly ackTimeoutMs: number;
}

export const DEFAULT_WEB_CLIENT_LIMITS: WebClientLimits = {
  messageBytes: 8 << 20,
  messagesPerSecond: 500,
  bytesPerSecond: 32 << 20,
  watchingBytesPerSecond: 256 << 10,
  elementsPerSecond: 1 << 17,
  bufferedBytes: 1 << 20,
  helloTimeoutMs: 5000,
  ackTimeoutMs: 10_000,
  silenceTimeoutMs: 15_000,
};

export interface WebClientOptions {
  readonly place: ViewerPlace;
  /** The connection below the WebSocket. */
  readonly transport: Transport;
  readonly limits: WebClientLimits;
  /** The viewer was admitted: from now on its messages may have this many bytes. */
  readonly onAdmitted?: (messageBytes: number) => void;
  /** The input budget that the viewer shares with others of its address. */
  readonly addressBudget?: InputBudget | null;
  /** The frames that wait for all clients' connections. */
  readonly unsent?: UnsentFrames;
  /** Decodes a JPEG that the viewer returns, in its turn. */
  readonly verifyJpeg: (jpeg: Uint8Array) => JpegVerification;
}

/** What frames are written to. */
export interface Transport extends Pick<Writable, 'cork' | 'uncork' | 'writableLength'> {
  write(chunk: Uint8Array, taken?: () => void): boolean;
}

/** `WebSocket.OPEN`. */
const OPEN = 1;

/** Most verifications of JPEGs under way for one viewer. */
const MAX_CHECKS = 4;

type Message = Exclude<ViewerMessage, Hello>;

/** WebSocket of one browser viewer, paced by its acknowledgements. */
export class WebClient implements ViewerEnd, FrameHolder, ProtocolPeer<Message> {
  readonly role = 'viewer';
  readonly addressKey: string;
  readonly #socket: WebSocket;
  readonly #protocol: ProtocolSocket<Message>;
  readonly #options: WebClientOptions;
  readonly #mailbox = new Mailbox<Frame>();
  readonly #pacer = new Pacer();
  readonly #rate = new RateMeter();
  /** null before the viewer is admitted, and once the connection has ended. */
  #seat: { readonly port: number | null; readonly mayReturn: boolean } | null = null;
  #paused = false;
  #wantsRaw = false;
  #minIntervalMs = 0;
  #nextSendAtMs = 0;
  #encoding = false;
  readonly #unsent: UnsentFrames;
  /** Bytes of the frame that the connection has not taken yet. While there are some, no further one is written: the newest waits in the mailbox. */
  #unsentBytes = 0;
  /** Number of that frame. */
  #unsentSequence: number | null = null;
  #delivered = 0;
  #delayMs: number | null = null;
  #rejected = 0;
  #checks: Promise<void> = Promise.resolve();
  /** The one that is under way, or waits for its turn. */
  #verification: JpegVerification | null = null;
  #checksPending = 0;

  constructor(socket: WebSocket, options: WebClientOptions) {
    this.addressKey = options.place.addressKey;
    this.#socket = socket;
    this.#options = options;
    this.#unsent = options.unsent ?? new UnsentFrames();
    this.#protocol = new ProtocolSocket(socket, this, options.limits, options.addressBudget);
  }

  /** Settles when the socket has ended and the port's hold has begun. */
  get closed(): Promise<void> {
    return this.#protocol.closed;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  offer(frame: Frame): void {
    if (this.#paused || this.#seat === null) return;
    this.#mailbox.put(frame);
    this.#pump();
  }

  streamChanged(state: StreamState, reason: string): void {
    if (this.#seat !== null) this.#protocol.send({ type: 'state', state, reason });
  }

  close(code: number, reason: string): void {
    this.#protocol.close(code, reason);
  }

  figures(): ViewerFigures {
    const { roundTripMs, waitingSinceMs } = this.#pacer;
    let state: ClientState = 'live';
    if (this.#paused) state = 'paused';
    else if (waitingSinceMs !== null && performance.now() - waitingSinceMs > 2000) state = 'stuck';
    return {
      state,
      delivered: this.#delivered,
      dropped: this.#mailbox.dropped,
      rejected: this.#rejected,
      framesPerSecond: round(this.#rate.perSecond(performance.now())),
      roundTripMs: roundTripMs === null ? null : round(roundTripMs),
      delayMs: this.#delayMs === null ? null : round(this.#delayMs),
    };
  }

  /** Counts bytes that arrived on the connection. */
  receivedBytes(bytes: number): void {
    this.#protocol.receivedBytes(bytes);
  }

  decode(data: Uint8Array, elements: ElementBudget): ViewerMessage | undefined {
    return decodeViewerMessage(data, elements);
  }

  received(message: Message): void {
    switch (message.type) {
      case 'ack':
        this.#acknowledged(message);
        return;
      case 'return':
        this.#returned(message);
        return;
      case 'want':
        this.#wanted(message);
        return;
      case 'ping':
        this.#protocol.send({ type: 'pong', id: message.id, clockUs: nowUs(), window: this.#pacer.window });
        return;
      default:
        message satisfies never;
    }
  }

  malformed(): void {
    // Anybody can send something malformed: it counts for the stream once the viewer is admitted.
    if (this.#seat !== null) this.#countRejected();
  }

  greet(hello: Hello): void {
    const admission: Admission = this.#options.place.enter(this, hello);
    if (!admission.admitted) {
      this.#protocol.refuse(admission.closeCode, admission.reason, admission.delay);
      return;
    }
    const { place, limits } = this.#options;
    const { port, leaseKey, spectatorReason, rights, mayReturn } = admission;
    this.#seat = { port, mayReturn };
    const returnsData = mayReturn && port !== null;
    const messageBytes = returnsData ? limits.messageBytes : MAX_HELLO_BYTES;
    this.#options.onAdmitted?.(messageBytes);
    this.#protocol.admit(returnsData ? limits.bytesPerSecond : limits.watchingBytesPerSecond);
    this.#protocol.send({
      type: 'welcome',
      stream: place.stream,
      port,
      ...(spectatorReason === null ? {} : { spectatorReason }),
      leaseKey,
      rights,
      limits: { messageBytes, messagesPerSecond: limits.messagesPerSecond, depth: MAX_DEPTH },
      state: place.state,
      reason: place.reason,
      clockUs: nowUs(),
    });
    const latest = place.latest();
    if (latest !== null) this.offer(latest);
  }

  #acknowledged({ sequence, delayMs }: Ack): void {
    if (delayMs !== undefined) this.#delayMs = delayMs;
    const isNew = this.#pacer.acknowledged(sequence, this.#options.place.frameTimeMs(), performance.now());
    // Otherwise acknowledging every frame of a fast stream would exhaust the message budget.
    if (isNew) this.#protocol.refundMessage();
    this.#pump();
  }

  #wanted({ paused, maxFramesPerSecond, raw }: Want): void {
    if (raw !== undefined) this.#wantsRaw = raw;
    if (maxFramesPerSecond !== undefined) this.#minIntervalMs = 1000 / maxFramesPerSecond;
    const { place } = this.#options;
    const changes = paused !== undefined && paused !== this.#paused;
    if (!changes) return;
    this.#paused = paused;
    if (paused) {
      this.#mailbox.clear();
      return;
    }
    this.#pacer.resumed(performance.now());
    const latest = place.latest();
    this.#protocol.send({ type: 'state', state: place.state, reason: place.reason, ...(latest === null ? {} : { resumeSequence: latest.sequence }) });
    if (latest !== null) this.offer(latest);
  }

  #returned(message: Return): void {
    const { id, body } = message;
    const seat = this.#seat;
    if (seat === null) return;
    if (!seat.mayReturn) {
      this.#refuse(id, new GearwayError('not-allowed', 'this viewer may watch, and not return data'));
      return;
    }
    if (seat.port === null) {
      this.#refuse(id, new GearwayError('no-port', 'a spectator has no port and returns nothing'));
      return;
    }
    if (this.#checksPending >= MAX_CHECKS) {
      this.#refuse(id, new GearwayError('too-many', `${MAX_CHECKS} values of this viewer are still being checked; send slower`));
      return;
    }
    const owned = copyBody(body);
    if (owned.kind !== 'jpeg' && this.#checksPending === 0) {
      this.#accept(message, owned);
      return;
    }
    // Decoding takes a while: what comes behind a JPEG waits for it, so that the order stays.
    this.#checksPending += 1;
    this.#checks = this.#checks
      .then(() => (owned.kind === 'jpeg' ? this.#verify(owned.data) : undefined))
      .then(
        () => this.#accept(message, owned),
        (error: unknown) => this.#refuse(id, error),
      )
      .finally(() => (this.#checksPending -= 1));
  }

  /** @throws {GearwayError} what is wrong with the JPEG. */
  async #verify(jpeg: Uint8Array): Promise<void> {
    if (this.#seat === null) return;
    this.#verification = this.#options.verifyJpeg(jpeg);
    const verdict = await this.#verification.verdict;
    this.#verification = null;
    if (verdict === null) throw new GearwayError('closed', 'the gateway stops');
    if (!verdict.isGood) throw verdict.error;
  }

  #accept({ id, mode, ttlMs }: Return, body: ReturnBody): void {
    // The socket may have ended while a JPEG was checked: its data ends with it.
    if (this.#seat === null) return;
    try {
      this.#options.place.give(checkBody(body), mode, ttlMs);
      this.#protocol.send({ type: 'returned', id, accepted: true });
    } catch (error) {
      this.#refuse(id, error);
    }
  }

  #refuse(id: number, error: unknown): void {
    this.#countRejected();
    const code = error instanceof GearwayError ? error.code : 'value-invalid';
    this.#protocol.send({ type: 'returned', id, accepted: false, code, reason: errorText(error) });
  }

  #countRejected(): void {
    this.#rejected += 1;
    this.#options.place.countRejected();
  }

  /** Sends what waits, as far as the window allows. */
  #pump(): void {
    if (this.#encoding || this.#paused || this.#unsentBytes > 0 || this.#mailbox.isEmpty || !this.#pacer.canSend()) return;
    const now = performance.now();
    if (this.#minIntervalMs > 0) {
      // Half a frame time of tolerance: 30 frames/s asked of a 30 frames/s source is every frame.
      const toleranceMs = (this.#options.place.frameTimeMs() ?? 0) / 2;
      if (now < this.#nextSendAtMs - toleranceMs) return;
      this.#nextSendAtMs = Math.max(this.#nextSendAtMs + this.#minIntervalMs, now);
    }
    const frame = this.#mailbox.take();
    if (frame === undefined) return;
    const rendition = this.#options.place.rendition(frame, this.#wantsRaw);
    if (!(rendition instanceof Promise)) {
      this.#sendFrame(rendition);
      return;
    }
    this.#encoding = true;
    rendition
      .then(
        (encoded) => this.#sendFrame(encoded),
        (error: unknown) => this.#options.place.reject(error),
      )
      .finally(() => {
        this.#encoding = false;
        this.#pump();
      })
      // Both handlers above only send on this socket, which reports its failures by 'close'.
      .catch(() => undefined);
  }

  /** Past ws, whose sends would be two writes of two pieces each: ours never meet its own, since both write whole WebSocket frames at once. */
  #sendFrame({ sequence, begin, payload }: Rendition): void {
    // A pause may have come while the frame was being encoded.
    if (this.#seat === null || this.#paused || this.#socket.readyState !== OPEN) return;
    const now = performance.now();
    this.#pacer.sent(sequence, begin.byteLength + payload.byteLength, now);
    this.#delivered += 1;
    this.#rate.mark(now);
    const { transport } = this.#options;
    transport.cork();
    transport.write(begin);
    // Not 'drain', which is emitted only where write() has returned false.
    transport.write(payload, () => this.#taken(sequence));
    transport.uncork();
    if (!(transport.writableLength > 0)) return;
    this.#unsentSequence = sequence;
    this.#unsentBytes = begin.byteLength + payload.byteLength;
    this.#unsent.hold(this, payload);
  }

  /** The connection has taken a frame; also called when it has ended. */
  #taken(sequence: number): void {
    if (sequence !== this.#unsentSequence) return;
    this.#unsentSequence = null;
    this.#unsentBytes = 0;
    this.#unsent.release(this);
    if (this.#seat !== null) this.#pump();
  }

  cutOff(reason: string): void {
    this.#protocol.cutOff({ kind: 'closed', code: closeCode.tooMuch, reason });
  }

  tick(): void {
    const { ackTimeoutMs } = this.#options.limits;
    const { waitingSinceMs } = this.#pacer;
    if (!this.#paused && waitingSinceMs !== null && performance.now() - waitingSinceMs > ackTimeoutMs) {
      this.close(closeCode.noAcknowledgement, `no acknowledgement came for ${ackTimeoutMs / 1000} s`);
      return;
    }
    this.#pump();
  }

  ended(end: SocketEnd): void {
    this.#seat = null;
    this.#mailbox.clear();
    this.#unsent.release(this);
    this.#verification?.cancel();
    this.#options.place.leave('disconnect', formatEnd(end));
  }
}

function formatEnd(end: SocketEnd): string {
  switch (end.kind) {
    case 'left':
      return 'the viewer left';
    case 'silent':
      return `nothing was heard of the viewer for ${end.timeoutMs / 1000} s`;
    case 'closed':
      return end.reason;
    default:
      return end satisfies never;
  }
}

/** Copies the bytes of return data: what a socket delivers is a view of a larger chunk, which would be pinned. */
function copyBody(body: ReturnBody): ReturnBody {
  switch (body.kind) {
    case 'value':
      return body;
    case 'jpeg':
      return { kind: 'jpeg', data: Uint8Array.from(body.data) };
    case 'array':
      return { kind: 'array', array: { ...body.array, data: Uint8Array.from(body.array.data) } };
    default:
      return body satisfies never;
  }
}

/** Checks what NetGear's peers would choke on. A JPEG has been checked before, since that takes a while. */
function checkBody(body: ReturnBody): ReturnData {
  if (body.kind === 'value') return { ...body, json: formatPythonJson(body.value) };
  if (body.kind === 'jpeg') return { ...body, colorspace: 'BGR' };
  checkArray(body.array);
  return body;
}

/** Whatever is wrong with an array has one code in the viewer protocol. */
function checkArray(array: NDArray): void {
  try {
    checkNDArray(array);
  } catch (error) {
    throw new GearwayError('array-misfit', errorText(error), { cause: error });
  }
}
