import type { Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { runInBackground } from '../../../shared/background.ts';
import { GearwayError, errorText } from '../../../shared/errors.ts';
import { checkNDArray, type NDArray } from '../../../shared/ndarray.ts';
import {
  type Ack,
  type ControlMessage,
  type ElementBudget,
  type Hello,
  type Return,
  type ReturnBody,
  type ViewerMessage,
  type WantFields,
  closeCode,
  decodeViewerMessage,
  feature,
  MAX_HELLO_BYTES,
} from '../../../shared/protocol.ts';
import { MAX_FRAMES_PER_SECOND } from '../../../shared/quality.ts';
import type { ClientState, StreamState } from '../../../shared/status.ts';
import type { JpegVerification } from '../../codecs/jpeg-verifier.ts';
import { nowUs } from '../../hub/clock.ts';
import type { ControlNotice, ControlView } from '../../hub/control.ts';
import { type Frame, type FrameOutline, hasPicture } from '../../hub/frame.ts';
import { Mailbox } from '../../hub/mailbox.ts';
import { RateMeter } from '../../hub/rate-meter.ts';
import type { ReturnData } from '../../hub/returns/returns.ts';
import { round } from '../../hub/stream.ts';
import { formatPythonJson, MAX_DEPTH } from '../../codecs/python-json.ts';
import type { InputBudget } from '../../connection/input-budget.ts';
import type { UserBudget } from '../../rights/user-budget.ts';
import { type JpegStep, SOURCE, type Step } from '../../renditions/ladder.ts';
import { Pacer } from './pacer.ts';
import { ViewerDelivery } from './viewer-delivery.ts';
import { ViewerVideo } from './viewer-video.ts';
import type { Admission, ViewerSocket, ViewerFigures, ViewerBinding } from './viewer-binding.ts';
import {
  type ProtocolPeer,
  ProtocolSocket,
  type ProtocolSocketLimits,
  type SocketEnd,
} from '../../connection/protocol-socket.ts';
import type { Rendition } from '../renditions.ts';
import { type FrameHolder, UnsentFrames } from '../unsent-frames.ts';

/** Limits of one web client. */
export interface WebClientLimits extends ProtocolSocketLimits {
  /**
   * Maximum size of a message from a viewer that may return data; otherwise {@link MAX_HELLO_BYTES}. Larger ones close
   * the WebSocket with 1009.
   */
  readonly messageBytes: number;
  /** Bytes per second from a viewer that may return data. */
  readonly bytesPerSecond: number;
  readonly ackTimeoutMs: number;
  /** Maximum bit rate of one viewer that shows renditions; Infinity for none. */
  readonly maxBitsPerSecond: number;
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
  maxBitsPerSecond: Infinity,
};

interface WebClientOptions {
  readonly binding: ViewerBinding;
  /** The connection below the WebSocket. */
  readonly transport: Transport;
  readonly limits: WebClientLimits;
  /** Called when the viewer is admitted, with the maximum size of its messages from now on. */
  readonly onAdmitted?: (messageBytes: number) => void;
  /** Input budget shared by all connections of the viewer's address. */
  readonly addressBudget?: InputBudget | null;
  /** Tracks the unsent frames of all clients. */
  readonly unsent?: UnsentFrames;
  /** Verifies a JPEG that the viewer returns. */
  readonly verifyJpeg: (jpeg: Uint8Array) => JpegVerification;
}

/** The stream to which frames are written. */
export interface Transport extends Pick<Writable, 'cork' | 'uncork' | 'writableLength'> {
  write(chunk: Uint8Array, taken?: () => void): boolean;
}

/** `WebSocket.OPEN`. */
const OPEN = 1;

/** Longest queue on the path of a viewer that gets H.264. */
const MAX_QUEUE_MS = 250;

/** Its multiples, modulo 1, are spread evenly. */
const GOLDEN_RATIO = 0.618;

/** Longest delay of a ping after the timer. */
const MAX_PING_DELAY_MS = 500;

/** Maximum number of pending values of one viewer, while JPEGs are being verified. */
const MAX_CHECKS = 4;

type Message = Exclude<ViewerMessage, Hello>;

/** WebSocket of one browser viewer, paced by its acknowledgements. */
export class WebClient implements ViewerSocket, FrameHolder, ProtocolPeer<Message> {
  readonly role = 'viewer';
  readonly addressKey: string;
  readonly #socket: WebSocket;
  readonly #protocol: ProtocolSocket<Message>;
  readonly #options: WebClientOptions;
  /** The pending frame, whose picture may not be here. */
  readonly #mailbox = new Mailbox<FrameOutline>();
  readonly #pacer = new Pacer();
  readonly #rate = new RateMeter();
  /** null before the viewer is admitted, and after the connection has closed. */
  #admission: {
    readonly port: number | null;
    readonly mayReturn: boolean;
    readonly budget: UserBudget;
  } | null = null;
  #paused = false;
  #wantsRaw = false;
  #wantsBaseline = false;
  /** Number of frames that the viewer could not decode, if it can decode none; otherwise null. */
  #failing: number | null = null;
  /** null for a viewer that does not show renditions. */
  #delivery: ViewerDelivery | null = null;
  #video: ViewerVideo | null = null;
  /** Whether the step for the latest frame was H.264. */
  #choosesVideo = false;
  /** The JPEG step of the latest frame that was taken from the mailbox; null if it needed the picture. */
  #jpegStep: JpegStep | null = null;
  #readsControl = false;
  /** Part of the interval between frames by which the next ping is delayed. */
  #pingPhase = 0;
  #pingTimer: NodeJS.Timeout | undefined;
  #minIntervalMs = 0;
  #nextSendAtMs = 0;
  #encoding = false;
  readonly #unsent: UnsentFrames;
  /**
   * Size of the frame that the connection has not accepted yet; 0 for none. No other frame is written until then.
   */
  #unsentBytes = 0;
  /** Sequence of that frame. */
  #unsentSequence: number | null = null;
  #delivered = 0;
  #deliveredBytes = 0;
  #delayMs: number | null = null;
  #rejected = 0;
  #checks: Promise<void> = Promise.resolve();
  /** The running or queued verification. */
  #verification: JpegVerification | null = null;
  #checksPending = 0;
  /** Number of urgent values so far. When it changes, values whose verification is pending are discarded. */
  #urgentCount = 0;

  constructor(socket: WebSocket, options: WebClientOptions) {
    this.addressKey = options.binding.addressKey;
    this.#socket = socket;
    this.#options = options;
    this.#unsent = options.unsent ?? new UnsentFrames();
    this.#protocol = new ProtocolSocket(socket, this, options.limits, options.addressBudget);
  }

  /** Resolves when the socket has closed and its port is reserved for its lease. */
  get closed(): Promise<void> {
    return this.#protocol.closed;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  offer(frame: Frame): void {
    if (this.#paused || this.#admission === null) return;
    this.#noteWaiting();
    if (this.#isInVideo(frame)) {
      this.#mailbox.clear();
      this.#jpegStep = null;
      return;
    }
    this.#mailbox.put(frame);
    this.#pump();
  }

  get needsPictures(): boolean {
    if (this.#choosesVideo) return this.#video?.continues(performance.now()) !== true;
    return this.#jpegStep === null || !this.#options.binding.isScaledElsewhere(this.#jpegStep);
  }

  /**
   * Chooses the step again. A viewer that gets JPEGs from another gateway gets the JPEG of this frame. H.264 continues
   * until the first picture has arrived, if the step needs pictures.
   */
  announce(outline: FrameOutline): void {
    if (this.#paused || this.#admission === null) return;
    this.#noteWaiting();
    const step = this.#step(outline);
    this.#choosesVideo = step.kind === 'h264' && this.#video?.use(step) === true;
    if (step.kind !== 'jpeg') this.#jpegStep = null;
    if (this.#jpegStep === null) return;
    this.#mailbox.put(outline);
    this.#pump();
  }

  /**
   * Selects the viewer's H.264 encoding, if any. @returns whether the viewer receives its chunks, which then contain
   * this frame, too.
   */
  #isInVideo(frame: Frame): boolean {
    if (this.#video === null) return false;
    const step = this.#step(frame);
    this.#choosesVideo = this.#video.use(step.kind === 'h264' ? step : null);
    return this.#choosesVideo && this.#video.isFlowing;
  }

  /** The step in which a frame is sent. */
  #step(frame: FrameOutline): Step {
    if (this.#wantsRaw && this.#options.binding.renditionsOf(frame) === 'pictures') return SOURCE;
    return this.#delivery?.choose(frame) ?? SOURCE;
  }

  /** Whether the path has a queue that another chunk would lengthen. */
  #isCongested(): boolean {
    const now = performance.now();
    const { oldestSentAtMs } = this.#pacer;
    return (
      this.#unsentBytes > 0 ||
      this.#admission?.budget.maySend(now) === false ||
      (oldestSentAtMs !== null && now - oldestSentAtMs > this.#pacer.link.minimumMs(now) + MAX_QUEUE_MS)
    );
  }

  /** A missing acknowledgement is the first sign that the link has become slower, unless a ping proves otherwise. */
  #noteWaiting(): void {
    if (this.#delivery === null) return;
    const now = performance.now();
    const { underWay } = this.#pacer;
    if (this.#pacer.needsPing(now)) this.#protocol.ping();
    if (underWay !== null) this.#delivery.waiting(underWay.sinceMs, underWay.bytes, now);
  }

  streamChanged(state: StreamState, reason: string): void {
    if (this.#admission !== null) this.#protocol.send({ type: 'state', state, reason });
  }

  controlChanged({ port, name, requests }: ControlView, notice: ControlNotice | null): void {
    if (this.#readsControl) this.#protocol.send({ type: 'controller', port, name, requests, ...notice });
  }

  close(code: number, reason: string): void {
    this.#protocol.close(code, reason);
  }

  figures(): ViewerFigures {
    const { roundTripMs, waitingSinceMs } = this.#pacer;
    const delivery = this.#admission === null ? null : this.#delivery;
    let state: ClientState = delivery?.isLimited(performance.now()) === true ? 'slow' : 'live';
    let reason = delivery?.describe(performance.now()) ?? '';
    if (reason === '' && this.#wantsBaseline)
      reason = 'gets its JPEGs encoded again, because it cannot decode their kind';
    if (this.#paused) {
      state = 'paused';
      reason = '';
    } else if (this.#failing !== null) {
      state = 'unsupported';
      reason = `the viewer can decode none of the frames (${this.#failing} failed)`;
    } else if (waitingSinceMs !== null && performance.now() - waitingSinceMs > 2000) {
      state = 'stuck';
    }
    return {
      state,
      reason,
      delivered: this.#delivered,
      deliveredBytes: this.#deliveredBytes,
      dropped: this.#mailbox.dropped,
      rejected: this.#rejected,
      framesPerSecond: round(this.#rate.perSecond(performance.now())),
      roundTripMs: roundTripMs === null ? null : round(roundTripMs),
      delayMs: this.#delayMs === null ? null : round(this.#delayMs),
    };
  }

  /** Counts received bytes against the budget. */
  receivedBytes(bytes: number): void {
    this.#protocol.receivedBytes(bytes);
  }

  /** Must be called at intervals while reading from the connection is paused. */
  inputPaused(): void {
    this.#protocol.inputPaused();
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
      case 'control':
        this.#changeControl(message);
        return;
      case 'ping':
        this.#protocol.send({ type: 'pong', id: message.id, clockUs: nowUs(), window: this.#pacer.window });
        return;
      default:
        message satisfies never;
    }
  }

  malformed(): void {
    // Not counted before admission: anyone could raise the stream's counter.
    if (this.#admission !== null) this.#countRejected();
  }

  greet(hello: Hello): void {
    const admission = this.#options.binding.enter(this, hello);
    if (!(admission instanceof Promise)) {
      this.#decided(hello, admission);
      return;
    }
    this.#protocol.postpone();
    runInBackground(
      admission.then((decided) => this.#decided(hello, decided)),
      (error) => this.close(closeCode.goingAway, errorText(error)),
    );
  }

  #decided(hello: Hello, admission: Admission): void {
    if (!admission.admitted) {
      this.#protocol.refuse(admission.closeCode, admission.reason, admission.delay);
      return;
    }
    const { binding, limits } = this.#options;
    const { port, leaseKey, spectatorReason, rights, mayReturn, budget } = admission;
    this.#admission = { port, mayReturn, budget };
    if (hello.features?.includes(feature.renditions) === true && binding.makesRenditions) {
      this.#delivery = new ViewerDelivery(
        binding,
        this.#pacer.link,
        {
          maxBitsPerSecond: Math.min(limits.maxBitsPerSecond, budget.bitsPerSecond),
          unpacks: hello.features.includes(feature.packedArrays),
        },
        performance.now(),
      );
      this.#video = new ViewerVideo({
        encoding: (step) => binding.video(step),
        address: binding.addressKey,
        send: (chunk) => {
          this.#delivery?.videoSent(this.#video?.isSlow === true);
          this.#sendFrame(binding.encoded(chunk));
        },
        isCongested: () => this.#isCongested(),
      });
    }
    const returnsData = mayReturn && port !== null;
    const messageBytes = returnsData ? limits.messageBytes : MAX_HELLO_BYTES;
    this.#options.onAdmitted?.(messageBytes);
    this.#protocol.admit(returnsData ? limits.bytesPerSecond : limits.watchingBytesPerSecond);
    const control = binding.controlView;
    this.#readsControl = hello.features?.includes(feature.control) === true;
    this.#protocol.send({
      type: 'welcome',
      stream: binding.stream,
      port,
      ...(spectatorReason === null ? {} : { spectatorReason }),
      leaseKey,
      rights,
      limits: { messageBytes, messagesPerSecond: limits.messagesPerSecond, depth: MAX_DEPTH },
      state: binding.state,
      reason: binding.reason,
      clockUs: nowUs(),
      ...(control === null ? {} : { control: { port: control.port, name: control.name } }),
    });
    this.#protocol.ping();
    if (hello.want !== undefined) this.#wanted(hello.want);
    const latest = binding.latest();
    if (latest !== null) this.offer(latest);
  }

  #acknowledged({ sequence, failed, failing, delayMs, waitMs }: Ack): void {
    this.#failing = failing === true ? failed : null;
    if (delayMs !== undefined) this.#delayMs = delayMs;
    const now = performance.now();
    const delivered = this.#pacer.acknowledged(sequence, this.#options.binding.frameTimeMs(), now, waitMs);
    if (delivered !== null) {
      this.#delivery?.delivered(delivered, now);
      if (this.#delivery !== null && this.#pacer.needsIdlePing(now)) this.#protocol.ping();
      this.#video?.released();
      // Otherwise acknowledging every frame of a fast stream would exhaust the message budget.
      this.#protocol.refundMessage();
      this.#options.binding.acknowledged(this.#pacer.latestRoundTripMs, delayMs);
    }
    this.#pump(now);
  }

  #wanted(want: WantFields): void {
    const { paused, maxFramesPerSecond, raw, baseline } = want;
    this.#delivery?.wanted(want);
    const wantedBaseline = this.#wantsBaseline;
    if (raw !== undefined) this.#wantsRaw = raw;
    if (baseline !== undefined) this.#wantsBaseline = baseline;
    if (maxFramesPerSecond !== undefined)
      this.#minIntervalMs = maxFramesPerSecond < MAX_FRAMES_PER_SECOND ? 1000 / maxFramesPerSecond : 0;
    const { binding } = this.#options;
    const latest = binding.latest();
    // The timer is started again, in case this is the only frame for a while.
    if (this.#wantsBaseline && !wantedBaseline && latest !== null) this.offer(latest);
    const changes = paused !== undefined && paused !== this.#paused;
    if (!changes) return;
    this.#paused = paused;
    if (paused) {
      this.#mailbox.clear();
      this.#video?.close();
      return;
    }
    this.#pacer.resumed(performance.now());
    binding.resumed();
    this.#protocol.send({
      type: 'state',
      state: binding.state,
      reason: binding.reason,
      ...(latest === null ? {} : { resumeSequence: latest.sequence }),
    });
    if (latest !== null) this.offer(latest);
  }

  #returned(message: Return): void {
    const { id, body, urgent = false } = message;
    const admission = this.#admission;
    if (admission === null) return;
    if (!admission.mayReturn) {
      this.#refuse(id, new GearwayError('not-allowed', 'this viewer may only watch, not return data'));
      return;
    }
    if (admission.port === null) {
      this.#refuse(id, new GearwayError('no-port', 'spectators have no port and may not return data'));
      return;
    }
    if (body.kind === 'jpeg') {
      try {
        this.#options.binding.checkControl();
      } catch (error) {
        this.#refuse(id, error);
        return;
      }
    }
    // A stop is always accepted.
    const isUrgent = urgent && body.kind === 'value' && message.mode === 'sticky';
    if (!isUrgent && !admission.budget.takeReturn(performance.now())) {
      this.#refuse(id, new GearwayError('too-many', 'this token returns too many values per second; send more slowly'));
      return;
    }
    if (isUrgent) {
      this.#urgentCount += 1;
      this.#accept(message, copyBody(body));
      return;
    }
    if (this.#checksPending >= MAX_CHECKS) {
      this.#refuse(
        id,
        new GearwayError('too-many', `${MAX_CHECKS} values of this viewer are still being verified; send more slowly`),
      );
      return;
    }
    const owned = copyBody(body);
    if (owned.kind !== 'jpeg' && this.#checksPending === 0) {
      this.#accept(message, owned);
      return;
    }
    // Values after a JPEG wait for its verification, to preserve the order.
    this.#checksPending += 1;
    const urgentBefore = this.#urgentCount;
    this.#checks = this.#checks
      .then(() => (owned.kind === 'jpeg' ? this.#verify(owned.data) : undefined))
      .then(
        () => {
          if (urgentBefore === this.#urgentCount) this.#accept(message, owned);
          else this.#refuse(id, new GearwayError('superseded', 'an urgent value of this viewer has replaced it'));
        },
        (error: unknown) => this.#refuse(id, error),
      )
      .finally(() => (this.#checksPending -= 1));
  }

  /** @throws {GearwayError} if the JPEG is invalid. */
  async #verify(jpeg: Uint8Array): Promise<void> {
    if (this.#admission === null) return;
    this.#verification = this.#options.verifyJpeg(jpeg);
    const verdict = await this.#verification.verdict;
    this.#verification = null;
    if (verdict === null) throw new GearwayError('closed', 'the gateway is stopping');
    if (!verdict.isGood) throw verdict.error;
  }

  #accept({ id, mode, ttlMs, urgent = false }: Return, body: ReturnBody): void {
    // The socket may have closed during the verification: its data must no longer be accepted.
    if (this.#admission === null) return;
    try {
      this.#options.binding.give(checkBody(body), mode, ttlMs, urgent);
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

  #changeControl(message: ControlMessage): void {
    if (this.#admission === null) return;
    const { id } = message;
    const accepted = (): void => {
      // The socket may have closed before another gateway has answered.
      if (this.#admission !== null) this.#protocol.send({ type: 'returned', id, accepted: true });
    };
    const refused = (error: unknown): void => {
      if (this.#admission === null) return;
      const code = error instanceof GearwayError ? error.code : 'value-invalid';
      this.#protocol.send({ type: 'returned', id, accepted: false, code, reason: errorText(error) });
    };
    try {
      const changed = this.#options.binding.changeControl(message);
      if (changed instanceof Promise) runInBackground(changed.then(accepted), refused);
      else accepted();
    } catch (error) {
      refused(error);
    }
  }

  #countRejected(): void {
    this.#rejected += 1;
    this.#options.binding.countRejected();
  }

  /** Sends the pending frame if the window allows. */
  #pump(nowMs?: number): void {
    if (this.#encoding || this.#paused || this.#unsentBytes > 0 || this.#mailbox.isEmpty || !this.#pacer.canSend())
      return;
    const now = nowMs ?? performance.now();
    // Tried again with the next frame or acknowledgement, and every second.
    if (this.#admission?.budget.maySend(now) === false) return;
    // The first frame alone measures the link: a second one would only queue on a slow link.
    if (this.#delivery !== null && this.#pacer.roundTripMs === null && this.#pacer.bytesInFlight > 0) return;
    const minIntervalMs = Math.max(this.#minIntervalMs, 1000 / (this.#delivery?.maxFramesPerSecond() ?? Infinity));
    if (minIntervalMs > 0) {
      // Half a frame interval of tolerance, so that a limit of 30 fps passes every frame of a 30 fps source.
      const toleranceMs = (this.#options.binding.frameTimeMs() ?? 0) / 2;
      if (now < this.#nextSendAtMs - toleranceMs) return;
      this.#nextSendAtMs = Math.max(this.#nextSendAtMs + minIntervalMs, now);
    }
    const frame = this.#mailbox.take();
    if (frame === undefined) return;
    const rendition = this.#rendition(frame);
    if (rendition === null) return;
    if (!(rendition instanceof Promise)) {
      this.#sendFrame(rendition, now);
      return;
    }
    this.#encoding = true;
    rendition
      .then(
        (encoded) => {
          // Null: the frame was skipped.
          if (encoded !== null) this.#sendFrame(encoded);
        },
        (error: unknown) => this.#options.binding.reject(error),
      )
      .finally(() => {
        this.#encoding = false;
        this.#pump();
      })
      // Both handlers only send on this socket, which reports failures as 'close'.
      .catch(() => undefined);
  }

  /** @returns null, or a promise of it, if the frame is skipped. */
  #rendition(frame: FrameOutline): Rendition | Promise<Rendition | null> | null {
    const { binding } = this.#options;
    const step = this.#step(frame);
    this.#jpegStep = step.kind === 'jpeg' ? step : null;
    if (!hasPicture(frame)) return step.kind === 'jpeg' ? binding.scaled(frame, step) : null;
    if (step.kind === 'packed') return binding.packed(frame);
    const jpegStep =
      step.kind === 'h264' ? (this.#delivery?.instead(step) ?? null) : step.kind === 'jpeg' ? step : null;
    const isBaseline = this.#wantsBaseline && frame.encoding.kind === 'jpeg';
    if (jpegStep === null && !isBaseline) return binding.rendition(frame, this.#wantsRaw);
    const encoded = jpegStep === null ? binding.baseline(frame) : binding.scaled(frame, jpegStep);
    // A JPEG that cannot be decoded here either is sent as it is: the viewer then reports that it cannot show it.
    return encoded.catch(() => binding.rendition(frame, this.#wantsRaw));
  }

  /** Bypasses ws to save two writes per frame. Safe, because both sides write whole WebSocket frames synchronously. */
  #sendFrame({ sequence, begin, payload }: Rendition, now = performance.now()): void {
    // The viewer may have paused while the frame was being encoded.
    if (this.#admission === null || this.#paused || this.#socket.readyState !== OPEN) return;
    this.#admission.budget.sent(payload.byteLength, now);
    this.#pacer.sent(sequence, begin.byteLength + payload.byteLength, now);
    this.#delivery?.sent(sequence, begin.byteLength + payload.byteLength);
    this.#delivered += 1;
    this.#deliveredBytes += payload.byteLength;
    this.#rate.mark(now);
    const { transport } = this.#options;
    transport.cork();
    transport.write(begin);
    // Not 'drain', which is emitted only if write() has returned false.
    transport.write(payload, () => this.#taken(sequence));
    transport.uncork();
    if (!(transport.writableLength > 0)) return;
    this.#unsentSequence = sequence;
    this.#unsentBytes = begin.byteLength + payload.byteLength;
    this.#unsent.hold(this, payload);
  }

  /** Called when the connection has accepted a frame, and when it has closed. */
  #taken(sequence: number): void {
    if (sequence !== this.#unsentSequence) return;
    this.#unsentSequence = null;
    this.#unsentBytes = 0;
    this.#unsent.release(this);
    if (this.#admission !== null) this.#pump();
  }

  cutOff(reason: string): void {
    this.#protocol.cutOff({ kind: 'closed', code: closeCode.tooMuch, reason });
  }

  tick(): void {
    const { ackTimeoutMs } = this.#options.limits;
    const { waitingSinceMs } = this.#pacer;
    if (!this.#paused && waitingSinceMs !== null && performance.now() - waitingSinceMs > ackTimeoutMs) {
      this.close(closeCode.noAcknowledgement, `no acknowledgement received for ${ackTimeoutMs / 1000} s`);
      return;
    }
    if (this.#delivery !== null) {
      const report = this.#delivery.report(performance.now());
      if (report !== null) this.#protocol.send(report);
      this.#pingBetweenFrames();
    }
    this.#noteWaiting();
    this.#video?.released();
    this.#pump();
  }

  /**
   * A timer of one second is in step with the frames of most sources: its pings always wait equally long behind a
   * frame, so frames seem to be transmitted in no time. Therefore, further pings are spread over the interval between
   * frames.
   */
  #pingBetweenFrames(): void {
    this.#pingPhase = (this.#pingPhase + GOLDEN_RATIO) % 1;
    clearTimeout(this.#pingTimer);
    this.#pingTimer = setTimeout(
      () => this.#protocol.ping(),
      this.#pingPhase * Math.min(MAX_PING_DELAY_MS, this.#options.binding.frameTimeMs() ?? 0),
    );
    this.#pingTimer.unref();
  }

  greetedAfter(ms: number): void {
    this.#pacer.link.roundTrip(ms, performance.now());
  }

  pingAnswered(sentAtMs: number): void {
    this.#pacer.answered(sentAtMs, performance.now());
  }

  ended(end: SocketEnd): void {
    this.#admission = null;
    clearTimeout(this.#pingTimer);
    this.#mailbox.clear();
    this.#unsent.release(this);
    this.#video?.close();
    this.#verification?.cancel();
    this.#options.binding.leave('disconnect', formatEnd(end));
  }
}

function formatEnd(end: SocketEnd): string {
  switch (end.kind) {
    case 'left':
      return 'the viewer disconnected';
    case 'silent':
      return `no data received from the viewer for ${end.timeoutMs / 1000} s`;
    case 'closed':
      return end.reason;
    default:
      return end satisfies never;
  }
}

/** Maximum ratio of a chunk's size to that of the data in it, for which the data is not copied. */
const MAX_CHUNK_RATIO = 1.1;

/** Copies the bytes of return data if they are a view of a larger chunk, which would be kept alive. */
function copyBody(body: ReturnBody): ReturnBody {
  switch (body.kind) {
    case 'value':
      return body;
    case 'jpeg':
      return { kind: 'jpeg', data: ownBytes(body.data) };
    case 'array':
      return { kind: 'array', array: { ...body.array, data: ownBytes(body.array.data) } };
    default:
      return body satisfies never;
  }
}

/** Large messages arrive in a separate chunk, which consists almost entirely of the data. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength <= bytes.byteLength * MAX_CHUNK_RATIO ? bytes : new Uint8Array(bytes);
}

/** Rejects data that would crash NetGear peers. A JPEG has already been verified. */
function checkBody(body: ReturnBody): ReturnData {
  if (body.kind === 'value') return { ...body, json: formatPythonJson(body.value) };
  if (body.kind === 'jpeg') return { ...body, colorspace: 'BGR' };
  checkArray(body.array);
  return body;
}

/** Maps all errors of arrays to `array-misfit`, the only such code of the viewer protocol. */
function checkArray(array: NDArray): void {
  try {
    checkNDArray(array);
  } catch (error) {
    throw new GearwayError('array-misfit', errorText(error), { cause: error });
  }
}
