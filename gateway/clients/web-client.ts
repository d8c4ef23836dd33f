import type { Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { GearwayError, errorText } from '../../shared/errors.ts';
import { checkNDArray, type NDArray } from '../../shared/ndarray.ts';
import {
  type Ack,
  type ElementBudget,
  type GatewayMessage,
  type Hello,
  type FrameMessage,
  type Return,
  type ReturnBody,
  type Want,
  closeCode,
  decodeViewerMessage,
  encodeMessage,
  MAX_HELLO_BYTES,
} from '../../shared/protocol.ts';
import type { ClientState, StreamState } from '../../shared/status.ts';
import type { JpegVerification } from '../codecs/jpeg-verifier.ts';
import { nowUs } from '../hub/clock.ts';
import type { Frame } from '../hub/frame.ts';
import { Mailbox } from '../hub/mailbox.ts';
import { RateMeter } from '../hub/rate-meter.ts';
import type { ReturnData } from '../hub/returns.ts';
import { round } from '../hub/stream.ts';
import { formatPythonJson, MAX_DEPTH } from '../netgear/python-json.ts';
import { InputBudget, type InputLimits } from './input-budget.ts';
import { Pacer } from './pacer.ts';
import type { Admission, ViewerEnd, ViewerFigures, ViewerPlace } from './place.ts';
import type { Rendition } from './renditions.ts';
import { type FrameHolder, UnsentFrames } from './unsent-frames.ts';
import { closeWebSocket } from './web-socket.ts';

/** Limits of one web client. */
export interface WebClientLimits extends InputLimits {
  /** Bytes of one message from a viewer that may return data; the WebSocket closes with 1009 above. Any other has {@link MAX_HELLO_BYTES}. */
  readonly messageBytes: number;
  /** Bytes per second from a viewer that returns no data, also before its hello. */
  readonly watchingBytesPerSecond: number;
  /** Bytes that may wait in the socket's user-space buffer besides the one frame that may. */
  readonly bufferedBytes: number;
  readonly helloTimeoutMs: number;
  readonly ackTimeoutMs: number;
  /** A peer that answers no ping for so long is gone, though its socket is open. */
  readonly silenceTimeoutMs: number;
}

export const DEFAULT_WEB_CLIENT_LIMITS: WebClientLimits = {
  messageBytes: 8 << 20,
  messagesPerSecond: 500,
  bytesPerSecond: 32 << 20,
  watchingBytesPerSecond: 256 << 10,
  elementsPerSecond: 1 << 18,
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
  /** The frames that wait for all clients' connections. Its creator calls {@link WebClient.drained}. */
  readonly unsent?: UnsentFrames;
  /** Decodes a JPEG that the viewer returns, in its turn. */
  readonly verifyJpeg: (jpeg: Uint8Array) => JpegVerification;
}

/** What frames are written to. */
export type Transport = Pick<Writable, 'cork' | 'uncork' | 'write' | 'writableLength'>;

/** `WebSocket.OPEN`. */
const OPEN = 1;

const TICK_MS = 1000;

/** Most verifications of JPEGs under way for one viewer. */
const MAX_CHECKS = 4;

type Phase =
  | { readonly kind: 'greeting' }
  /** A refusal that is delayed: nothing that comes meanwhile is read. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'seated'; readonly port: number | null; readonly mayReturn: boolean }
  | { readonly kind: 'closed' };

/** WebSocket of one browser viewer, paced by its acknowledgements. */
export class WebClient implements ViewerEnd, FrameHolder {
  /** Settles when the socket has ended and the port's hold has begun. */
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #options: WebClientOptions;
  readonly #mailbox = new Mailbox<Frame>();
  readonly #pacer = new Pacer();
  readonly #rate = new RateMeter();
  readonly #budget: InputBudget;
  readonly #elements: ElementBudget;
  readonly #timer: NodeJS.Timeout;
  readonly #openedAtMs = performance.now();
  #phase: Phase = { kind: 'greeting' };
  #paused = false;
  #wantsRaw = false;
  #minIntervalMs = 0;
  #nextSendAtMs = 0;
  #encoding = false;
  readonly #unsent: UnsentFrames;
  /** Bytes of the frame that the connection has not taken yet. While there are some, no further one is written: the newest waits in the mailbox. */
  #unsentBytes = 0;
  #delivered = 0;
  #delayMs: number | null = null;
  #heardAtMs = performance.now();
  #rejected = 0;
  #checks: Promise<void> = Promise.resolve();
  /** The one that is under way, or waits for its turn. */
  #verification: JpegVerification | null = null;
  #checksPending = 0;

  constructor(socket: WebSocket, options: WebClientOptions) {
    this.#socket = socket;
    this.#options = options;
    const { limits, addressBudget = null } = options;
    this.#budget = new InputBudget({ ...limits, bytesPerSecond: limits.watchingBytesPerSecond }, addressBudget);
    this.#elements = this.#budget.elementBudget();
    this.#unsent = options.unsent ?? new UnsentFrames();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#ended('the viewer left');
        resolve();
      });
    });
    socket.on('ping', () => this.#receivedControl());
    socket.on('pong', () => this.#receivedControl());
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#received(data, isBinary));
    // A transport error is followed by 'close'; an unhandled 'error' event would end the process.
    socket.on('error', () => undefined);
  }

  offer(frame: Frame): void {
    if (this.#paused || this.#phase.kind !== 'seated') return;
    this.#mailbox.put(frame);
    this.#pump();
  }

  streamChanged(state: StreamState, reason: string): void {
    if (this.#phase.kind === 'seated') this.#send({ type: 'state', state, reason });
  }

  close(code: number, reason: string): void {
    if (this.#phase.kind === 'closed') return;
    this.#ended(reason);
    closeWebSocket(this.#socket, code, reason);
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

  /** Counts bytes that came on the connection, whatever they are: parts of messages that never end among them. */
  receivedBytes(bytes: number): void {
    if (this.#phase.kind === 'closed') return;
    try {
      this.#budget.spendBytes(bytes, performance.now());
    } catch (error) {
      this.#failed(error);
    }
  }

  #receivedControl(): void {
    if (this.#phase.kind === 'closed') return;
    this.#heardAtMs = performance.now();
    try {
      this.#budget.spendMessage(this.#heardAtMs);
    } catch (error) {
      this.#failed(error);
    }
  }

  #received(data: Buffer, isBinary: boolean): void {
    if (this.#phase.kind === 'closed' || this.#phase.kind === 'refused') return;
    this.#heardAtMs = performance.now();
    try {
      this.#budget.spendMessage(this.#heardAtMs);
      if (!isBinary) throw new GearwayError('message-invalid', 'a text message came, expected binary ones');
      const message = decodeViewerMessage(data, this.#elements);
      if (message === undefined) return;
      if (this.#phase.kind === 'greeting') {
        if (message.type !== 'hello') throw new GearwayError('message-invalid', `the first message is ${message.type}, expected hello`);
        this.#greet(message);
        return;
      }
      switch (message.type) {
        case 'hello':
          throw new GearwayError('message-invalid', 'hello came twice');
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
          this.#send({ type: 'pong', id: message.id, clockUs: nowUs(), window: this.#pacer.window });
          return;
        default:
          message satisfies never;
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const isTooMuch = error instanceof GearwayError && error.code === 'too-much';
    if (!isTooMuch) this.#countRejected();
    this.close(isTooMuch ? closeCode.tooMuch : closeCode.badMessage, errorText(error));
  }

  #greet(hello: Hello): void {
    const admission: Admission = this.#options.place.enter(this, hello);
    if (!admission.admitted) {
      this.#phase = { kind: 'refused' };
      const close = (): void => this.close(admission.closeCode, admission.reason);
      if (admission.delay === null) close();
      else admission.delay.then(close, close);
      return;
    }
    const { place, limits } = this.#options;
    const { port, leaseKey, spectatorReason, rights, mayReturn } = admission;
    this.#phase = { kind: 'seated', port, mayReturn };
    const messageBytes = mayReturn && port !== null ? limits.messageBytes : MAX_HELLO_BYTES;
    this.#options.onAdmitted?.(messageBytes);
    if (mayReturn && port !== null) this.#budget.allowBytes(limits.bytesPerSecond);
    this.#send({
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
    // Else a viewer of a very fast stream would be closed for answering every frame.
    if (isNew) this.#budget.refundMessage();
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
    this.#send({ type: 'state', state: place.state, reason: place.reason, ...(latest === null ? {} : { resumeSequence: latest.sequence }) });
    if (latest !== null) this.offer(latest);
  }

  #returned(message: Return): void {
    const { id, body } = message;
    const phase = this.#phase;
    if (phase.kind !== 'seated') return;
    if (!phase.mayReturn) {
      this.#refuse(id, new GearwayError('not-allowed', 'this viewer may watch, and not return data'));
      return;
    }
    if (phase.port === null) {
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
    if (this.#phase.kind !== 'seated') return;
    this.#verification = this.#options.verifyJpeg(jpeg);
    const verdict = await this.#verification.verdict;
    this.#verification = null;
    if (verdict === null) throw new GearwayError('closed', 'the gateway stops');
    if (!verdict.isGood) throw verdict.error;
  }

  #accept({ id, mode, ttlMs }: Return, body: ReturnBody): void {
    // The socket may have ended while a JPEG was checked: its data ends with it.
    if (this.#phase.kind !== 'seated') return;
    try {
      this.#options.place.give(checkBody(body), mode, ttlMs);
      this.#send({ type: 'returned', id, accepted: true });
    } catch (error) {
      this.#refuse(id, error);
    }
  }

  #refuse(id: number, error: unknown): void {
    this.#countRejected();
    const code = error instanceof GearwayError ? error.code : 'value-invalid';
    this.#send({ type: 'returned', id, accepted: false, code, reason: errorText(error) });
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
    if (this.#phase.kind !== 'seated' || this.#paused || this.#socket.readyState !== OPEN) return;
    const now = performance.now();
    this.#pacer.sent(sequence, begin.byteLength + payload.byteLength, now);
    this.#delivered += 1;
    this.#rate.mark(now);
    const { transport } = this.#options;
    transport.cork();
    transport.write(begin);
    transport.write(payload);
    transport.uncork();
    if (!(transport.writableLength > 0)) return;
    this.#unsentBytes = begin.byteLength + payload.byteLength;
    this.#unsent.hold(this, payload);
  }

  /** The connection has taken everything that was written. */
  drained(): void {
    if (this.#unsentBytes === 0) return;
    this.#unsentBytes = 0;
    this.#unsent.release(this);
    if (this.#phase.kind === 'seated') this.#pump();
  }

  cutOff(reason: string): void {
    this.#ended(reason);
    this.#socket.terminate();
  }

  #send(message: Exclude<GatewayMessage, FrameMessage>): void {
    if (this.#phase.kind === 'closed') return;
    this.#socket.send(encodeMessage(message));
  }

  #tick(): void {
    const { limits } = this.#options;
    const now = performance.now();
    if (this.#phase.kind === 'greeting' && now - this.#openedAtMs > limits.helloTimeoutMs) {
      this.close(closeCode.noHello, `no hello came within ${limits.helloTimeoutMs / 1000} s`);
      return;
    }
    if (this.#socket.bufferedAmount > limits.bufferedBytes + this.#unsentBytes) {
      this.close(closeCode.tooMuch, 'the socket does not drain: the viewer does not read');
      return;
    }
    const { waitingSinceMs } = this.#pacer;
    if (!this.#paused && waitingSinceMs !== null && now - waitingSinceMs > limits.ackTimeoutMs) {
      this.close(closeCode.noAcknowledgement, `no acknowledgement came for ${limits.ackTimeoutMs / 1000} s`);
      return;
    }
    if (now - this.#heardAtMs > limits.silenceTimeoutMs) {
      this.#ended(`nothing was heard of the viewer for ${limits.silenceTimeoutMs / 1000} s`);
      this.#socket.terminate();
      return;
    }
    this.#socket.ping();
    this.#pump();
  }

  #ended(reason: string): void {
    if (this.#phase.kind === 'closed') return;
    this.#phase = { kind: 'closed' };
    clearInterval(this.#timer);
    this.#mailbox.clear();
    this.#unsent.release(this);
    this.#verification?.cancel();
    this.#options.place.leave('disconnect', reason);
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
