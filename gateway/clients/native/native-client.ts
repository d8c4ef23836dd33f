import { setTimeout as sleep } from 'node:timers/promises';
import { runInBackground } from '../../../shared/background.ts';
import type { ClientState, ClientStatus } from '../../../shared/status.ts';
import { errorText } from '../../../shared/errors.ts';
import type { Logger } from '../../../shared/logger.ts';
import type { Frame } from '../../hub/frame.ts';
import { Mailbox } from '../../hub/mailbox.ts';
import { RateMeter } from '../../hub/rate-meter.ts';
import { isSameReturnData } from '../../hub/returns/return-data.ts';
import { NOTHING, type ReturnData } from '../../hub/returns/returns.ts';
import { type ListedClient, type Stream, round } from '../../hub/stream.ts';
import { ClientConnection, type ConnectionState } from '../../netgear/client-connection.ts';
import { MAX_IN_FLIGHT } from '../../netgear/client-socket.ts';
import type { Security } from '../../netgear/curve-keys.ts';
import { encodeTermination } from '../../netgear/frame-codec.ts';
import type { JpegVerification } from '../../codecs/jpeg-verifier.ts';
import type { Pattern } from '../../netgear/pattern.ts';
import { decodeReply } from '../../netgear/reply-codec.ts';
import { describeReturnData } from '../../hub/returns/describe-return-data.ts';
import type { NativeHeaders } from './native-headers.ts';
import type { PlaceholderFrames } from './placeholder-frames.ts';
import { QueuePacer } from './queue-pacer.ts';
import type { VerifiedFrames } from './verified-frames.ts';
import { VerifiedReturns } from './verified-returns.ts';

/** Address and options of a native client, from `--client`. */
export interface NativeClientAddress {
  /** `tcp://HOST:PORT` or `ipc://PATH:PORT` on which it listens. */
  readonly endpoint: string;
  readonly pattern: Pattern;
  readonly security: Security | null;
  /** The client's identity in the stream. */
  readonly port: number;
  /** The server port in the headers, for a receiver in multi-servers mode; otherwise null. */
  readonly serverPort: string | null;
  /** Infinity for no limit. */
  readonly maxFramesPerSecond: number;
  /** Whether to detect a program that reads more slowly than frames arrive, and limit its rate. */
  readonly paced: boolean;
}

interface NativeClientOptions {
  readonly stream: Stream;
  readonly headers: NativeHeaders;
  /** Shared by the native clients of the stream. */
  readonly frames: VerifiedFrames;
  /** Verifies a JPEG that the client returns, before it is accepted. */
  readonly verifyReturned: (jpeg: Uint8Array, colorspace: string) => JpegVerification;
  readonly address: NativeClientAddress;
  /** Placeholders that are sent after a while without a frame; null to send nothing. */
  readonly placeholders: PlaceholderFrames | null;
  /** Called when the client is disconnected permanently; it closes itself. */
  readonly onSentAway?: () => void;
  /** Called in a cluster when a client of another gateway has taken the port; this client must then be closed. */
  readonly onPortLost?: (reason: string) => void;
  /** The logger of the stream. */
  readonly log: Logger;
}

const TICK_MS = 250;

/**
 * Interval of repeated frames: a client that receives nothing for 12 s closes its socket, and often fails to reopen it.
 */
const REPEAT_AFTER_MS = 3000;

/**
 * With one frame in flight, a client that pauses for a frame interval would miss a frame. With more than two, frames
 * would arrive late after a longer pause.
 */
const MIN_IN_FLIGHT = 2;

/**
 * How long a subscriber may refuse frames before it is reported as not receiving: it sends no replies by which this
 * could be detected.
 */
const REFUSING_AFTER_MS = 3000;

/** How long to wait for a client's reply to a termination. */
const TERMINATION_TIMEOUT_MS = 700;
const TERMINATION_RETRY_MS = 50;

/** One NetGear receiver, with its own socket and timers, so that it cannot affect other clients. */
export class NativeClient implements ListedClient {
  readonly id: string;
  readonly port: number;
  readonly #options: NativeClientOptions;
  readonly #connection: ClientConnection;
  readonly #mailbox = new Mailbox<Frame>();
  readonly #rate = new RateMeter();
  readonly #pacer: QueuePacer;
  readonly #returns: VerifiedReturns;
  readonly #timer: NodeJS.Timeout;
  #closing = false;
  /**
   * State for the API; `live` only after the client has answered a frame, or connected while there was none, or
   * subscribed.
   */
  #state: ClientState = 'connecting';
  readonly #log: Logger;
  /** Why the client is stuck; kept while a new connection has not been answered yet. */
  #stuckReason = '';
  #hasAnswered = false;
  #delivered = 0;
  #deliveredBytes = 0;
  #repeated = 0;
  #rejected = 0;
  #failedSends = 0;
  #roundTripMs: number | null = null;
  #lastSentAtMs = -Infinity;
  /** When the current connection was made. */
  #readyAtMs = -Infinity;
  /** Time since which a subscriber has accepted no frame; null while it accepts them. */
  #refusingSinceMs: number | null = null;
  /** Sequence of the newest frame sent to this client; anything older is a repeat. */
  #lastSequence = 0;
  #ended: (() => void) | null = null;
  /** Value that was refused for lack of control. It is repeated with each reply, and counted once. */
  #uncontrolled: ReturnData | null = null;
  /** The frame that is being verified for this client. */
  #verifying: Frame | null = null;
  /** Number of frames that were not sent because NetGear clients cannot decode them. */
  #withheld = 0;
  /** Sequence of the newest frame that was not sent. */
  #withheldSequence = 0;

  /** @throws {GearwayError} `port-taken`, `keys-missing`, `keys-invalid`. */
  constructor(options: NativeClientOptions) {
    this.#options = options;
    const { stream, address } = options;
    this.port = address.port;
    this.id = `native-${address.port}`;
    this.#log = options.log.child({ client: this.id, port: this.port, peer: address.endpoint });
    this.#pacer = new QueuePacer({ maxFramesPerSecond: address.maxFramesPerSecond, detectsFullQueue: address.paced });
    this.#returns = new VerifiedReturns({
      verify: options.verifyReturned,
      accept: (data) => this.#setReturns(data),
      reject: (error) => this.#reject(error),
    });
    stream.ports.reserve(address.port, options.onPortLost);
    try {
      this.#connection = new ClientConnection(address, {
        changed: (state, reason) => this.#changed(state, reason),
        replied: (parts, roundTripMs) => this.#replied(parts, roundTripMs),
        failed: (error) => this.#reject(error),
      });
    } catch (error) {
      stream.ports.free(address.port);
      throw error;
    }
    stream.attachListed(this);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get address(): NativeClientAddress {
    return this.#options.address;
  }

  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  get readiness(): 'ready' | 'busy' | 'absent' {
    if (this.#state !== 'live') return 'absent';
    if (!this.#mailbox.isEmpty || this.#verifying !== null || this.#connection.inFlight >= this.#window())
      return 'busy';
    return this.#pacer.isDue(performance.now()) ? 'ready' : 'busy';
  }

  get isActive(): boolean {
    return this.#connection.isReady;
  }

  offer(frame: Frame): void {
    // No frame is kept for a disconnected client: it gets the latest one when it connects.
    if (!this.#connection.isReady || this.#closing) return;
    this.#mailbox.put(frame);
    this.#pump();
  }

  streamChanged(): void {
    // NetGear has no message for this; repeated frames keep the client connected.
  }

  notifyEndOfStream(): void {
    const { pattern, serverPort } = this.#options.address;
    if (!this.#connection.isReady || this.#closing) return;
    runInBackground(this.#connection.send(encodeTermination(serverPort)), (error) => this.#notSent(error));
    this.#log.info({}, `client ${this.port}: sent a termination because the stream has ended, pattern ${pattern}`);
  }

  status(): ClientStatus {
    const { stream, address } = this.#options;
    return {
      id: this.id,
      port: this.port,
      kind: 'native',
      address: address.endpoint,
      state: this.#state,
      reason: this.#reason(),
      delivered: this.#delivered,
      deliveredBytes: this.#deliveredBytes,
      dropped: this.#mailbox.dropped,
      withheld: this.#withheld,
      repeated: this.#repeated,
      rejected: this.#rejected,
      framesPerSecond: round(this.#rate.perSecond(performance.now())),
      roundTripMs: this.#roundTripMs === null ? null : round(this.#roundTripMs),
      delayMs: this.#roundTripMs === null ? null : round(this.#roundTripMs),
      returnData: describeReturnData(stream.returns.get(this.port)),
    };
  }

  sendAway(reason: string): void {
    this.#log.info({}, `client ${this.port}: disconnected permanently, ${reason}`);
    runInBackground(this.close({ terminate: true }), (error) =>
      this.#log.warn({}, `client ${this.port}: closing failed: ${errorText(error)}`),
    );
    this.#options.onSentAway?.();
  }

  /**
   * Closes the connection, after a termination to the client if requested. Idempotent. Takes less than a second, even
   * if the client does not answer.
   */
  async close(options: { terminate: boolean } = { terminate: false }): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    clearInterval(this.#timer);
    const { stream } = this.#options;
    stream.detachListed(this);
    if (options.terminate && this.#connection.isReady) await this.#terminate();
    this.#leave('closed by the gateway');
    this.#connection.close();
    stream.ports.free(this.port);
  }

  #reason(): string {
    if (this.#isRefusing()) {
      const hint = ": NetGear's pattern 2 does not work in secure mode (VidGear bug); use pattern 1";
      return `subscribed but not receiving${this.#options.address.security === null ? '' : hint}`;
    }
    if (this.#state === 'stuck') return this.#stuckReason;
    if (this.#state !== 'live')
      return this.#connection.state === 'ready' ? 'connected, but has not answered yet' : this.#connection.reason;
    if (this.#withheldSequence > this.#lastSequence) {
      const cause = `${this.#withheld} frames were not sent because NetGear clients cannot decode them (see counters.lastRejections)`;
      return `${cause}; the last valid frame is repeated`;
    }
    return this.#pacer.reason() ?? '';
  }

  #isRefusing(): boolean {
    return this.#refusingSinceMs !== null && performance.now() - this.#refusingSinceMs > REFUSING_AFTER_MS;
  }

  #changed(state: ConnectionState, reason: string): void {
    this.#refusingSinceMs = null;
    if (state === 'ready') {
      this.#mailbox.clear();
      this.#pacer.reset();
      this.#readyAtMs = performance.now();
      if (this.#options.address.pattern === 'publish-subscribe') this.#arrived('has subscribed');
      // Nothing was sent that the client could answer.
      else if (this.#options.stream.latest === null) this.#arrived('has connected');
      this.#sendAgain({ usesPlaceholder: false });
      this.#options.stream.noteNeed();
      return;
    }
    this.#leave(reason);
    this.#state = state;
    this.#stuckReason = reason;
    this.#ended?.();
  }

  /** The client is connected and accepts frames. */
  #arrived(reason: string): void {
    this.#answered();
    if (this.#closing || this.#state === 'live') return;
    this.#state = 'live';
    const { stream, address } = this.#options;
    stream.returns.join(this.port);
    stream.report({ kind: 'connect', client: this.id, port: this.port, address: address.endpoint, reason });
  }

  #answered(): void {
    if (this.#hasAnswered) return;
    this.#hasAnswered = true;
    this.#options.stream.onClientReady();
  }

  /**
   * Sends the latest frame, as a repeat if this client already had it. If NetGear clients cannot decode it, sends the
   * last valid frame instead; if there is none, the placeholder frame, unless the client has only just connected: a
   * program may assume that all frames have the size of its first one.
   */
  #sendAgain({ usesPlaceholder }: { readonly usesPlaceholder: boolean }): void {
    const { stream, placeholders, frames } = this.#options;
    if (this.#connection.inFlight > 0) return;
    const { latest } = stream;
    if (latest === null) frames.forget();
    const checked = latest === null ? false : frames.check(latest);
    const good = checked === false ? frames.lastGood : latest;
    if (good === null) {
      const picture = usesPlaceholder ? (placeholders?.get() ?? null) : null;
      if (picture !== null) this.#startSending(picture, true);
    } else if (good.sequence > this.#lastSequence || placeholders !== null)
      this.#deliver(good, stream.distribution === 'round-robin');
  }

  #tick(): void {
    if (!this.#connection.isReady) return;
    if (this.#isRefusing() && this.#state === 'live') {
      this.#leave(this.#reason());
      this.#state = 'stuck';
    }
    // A frame may be pending that was not due, or did not fit into the window, when it arrived.
    this.#pump();
    if (this.#connection.inFlight > 0) return;
    const now = performance.now();
    if (this.#lastSentAtMs >= this.#readyAtMs) {
      if (now - this.#lastSentAtMs > REPEAT_AFTER_MS) this.#sendAgain({ usesPlaceholder: true });
      return;
    }
    const waitedMs = now - this.#readyAtMs;
    const waitMs = this.#firstWaitMs();
    if (waitedMs > waitMs) this.#sendAgain({ usesPlaceholder: true });
    // Drawn in advance, because drawing takes time on a busy machine.
    else if (waitedMs > waitMs / 2 && this.#options.stream.latest === null) this.#options.placeholders?.get();
  }

  /** How long this client waits for the first frame of its connection. */
  #firstWaitMs(): number {
    const { stream, placeholders } = this.#options;
    return stream.latest === null && placeholders !== null ? placeholders.waitMs : REPEAT_AFTER_MS;
  }

  #pump(): void {
    if (!this.#connection.isReady || this.#closing || this.#connection.inFlight >= this.#window()) return;
    // A frame whose verification has not started is replaced by the newer one in the mailbox.
    if (this.#verifying !== null && this.#options.frames.isStarted(this.#verifying)) return;
    const now = performance.now();
    if (!this.#pacer.isDue(now)) return;
    const frame = this.#mailbox.take();
    if (frame !== undefined) this.#deliver(frame);
  }

  /** Sends a frame after it has been verified. */
  #deliver(frame: Frame, asRepeat = false): void {
    const checked = this.#options.frames.check(frame);
    if (typeof checked === 'boolean') {
      this.#verified(frame, checked, asRepeat);
      return;
    }
    this.#verifying = frame;
    const settle = (isGood: boolean | null): void => {
      if (this.#verifying !== frame) return;
      this.#verifying = null;
      if (this.#closing) return;
      if (isGood === null) this.#mailbox.countDropped();
      else if (this.#connection.isReady) this.#verified(frame, isGood, asRepeat);
      this.#pump();
    };
    runInBackground(checked.then(settle), (error) => this.#notSent(error));
  }

  #verified(frame: Frame, isGood: boolean, asRepeat: boolean): void {
    if (isGood) {
      this.#startSending(frame, asRepeat);
      return;
    }
    // If the client receives nothing for too long, `#tick` repeats the last valid frame.
    if (frame.sequence > this.#withheldSequence) this.#withheld += 1;
    this.#withheldSequence = Math.max(this.#withheldSequence, frame.sequence);
  }

  /** Maximum number of frames in flight: 2, or 3 if the round trip exceeds 1.5 frame intervals. */
  #window(): number {
    const minimumMs = this.#pacer.minimumMs(performance.now());
    const frameTimeMs = this.#options.stream.frameTimeMs();
    if (minimumMs === undefined || frameTimeMs === undefined || frameTimeMs <= 0) return MIN_IN_FLIGHT;
    return Math.max(MIN_IN_FLIGHT, Math.min(MAX_IN_FLIGHT, Math.ceil(minimumMs / frameTimeMs + 0.5)));
  }

  /** @param asRepeat whether to omit its message, which was not meant for this client or has already been delivered. */
  #startSending(frame: Frame, asRepeat = false): void {
    runInBackground(this.#send(frame, asRepeat), (error) => this.#notSent(error));
  }

  /** Counts a frame that could not be sent; later frames may succeed. */
  #notSent(error: unknown): void {
    this.#failedSends += 1;
    if (this.#failedSends !== 1 && this.#failedSends % 1000 !== 0) return;
    this.#log.warn(
      {},
      `client ${this.port}: frame could not be sent (${this.#failedSends} so far): ${errorText(error)}`,
    );
  }

  async #send(frame: Frame, asRepeat = false): Promise<void> {
    const { headers, address } = this.#options;
    const { pattern, serverPort } = address;
    const previousSequence = this.#lastSequence;
    const isRepeat = asRepeat || frame.sequence <= previousSequence;
    this.#lastSequence = Math.max(previousSequence, frame.sequence);
    const now = performance.now();
    this.#lastSentAtMs = now;
    if (!isRepeat) this.#pacer.sent(now);
    const header = headers.get(frame, { pattern, serverPort, dropMessage: isRepeat });
    const isAccepted = await this.#connection.send(header, frame.payload);
    if (!isAccepted) {
      if (pattern === 'publish-subscribe' && this.#connection.isReady) this.#refusingSinceMs ??= now;
      // Nothing was sent: the subscriber's queue is full, or the connection has just been lost.
      if (this.#lastSequence === frame.sequence) this.#lastSequence = previousSequence;
      if (!isRepeat && this.#connection.isReady) this.#mailbox.restore(frame);
      return;
    }
    if (this.#refusingSinceMs !== null) {
      this.#refusingSinceMs = null;
      this.#arrived('accepts frames again');
    }
    if (isRepeat) this.#repeated += 1;
    else {
      this.#delivered += 1;
      this.#deliveredBytes += frame.payload.byteLength;
      this.#rate.mark(now);
    }
  }

  #replied(parts: Uint8Array[], roundTripMs: number): void {
    const now = performance.now();
    this.#roundTripMs =
      this.#roundTripMs === null ? roundTripMs : this.#roundTripMs + (roundTripMs - this.#roundTripMs) / 8;
    this.#options.stream.roundTrips.native.observe(roundTripMs);
    this.#pacer.replied(roundTripMs, this.#connection.inFlight, now);
    this.#arrived('answers frames');
    try {
      const reply = decodeReply(parts);
      if (reply.kind === 'termination') this.#ended?.();
      else if (reply.kind !== 'text' && !this.#closing) this.#returns.give(reply);
    } catch (error) {
      this.#reject(error);
    }
    this.#pump();
  }

  #setReturns(returned: ReturnData): void {
    const { returns } = this.#options.stream;
    const data = this.#admit(returned);
    // NetGear sends None until its program returns something.
    if (data.kind === 'value' && data.value === null && returns.get(this.port) === null) return;
    try {
      returns.set(this.port, data);
    } catch (error) {
      this.#reject(error);
    }
  }

  /** The part of the client's data that is accepted: with exclusive control, only an emergency stop. */
  #admit(data: ReturnData): ReturnData {
    const { control } = this.#options.stream;
    if (control === null) return data;
    const isRepeated = this.#uncontrolled !== null && isSameReturnData(this.#uncontrolled, data);
    if (isRepeated) return NOTHING;
    this.#uncontrolled = null;
    try {
      return control.admit(null, data);
    } catch (error) {
      this.#uncontrolled = data;
      this.#reject(error);
      return NOTHING;
    }
  }

  #reject(error: unknown): void {
    this.#rejected += 1;
    this.#options.stream.returns.countRejected();
    if (this.#rejected !== 1 && this.#rejected % 1000 !== 0) return;
    this.#log.warn({}, `client ${this.port}: return data rejected (${this.#rejected} so far): ${errorText(error)}`);
  }

  #leave(reason: string): void {
    const { stream, address } = this.#options;
    this.#mailbox.clear();
    this.#returns.forget();
    stream.returns.leave(this.port);
    if (this.#state !== 'live') return;
    this.#state = 'connecting';
    stream.report({ kind: 'disconnect', client: this.id, port: this.port, address: address.endpoint, reason });
  }

  /**
   * Sends a termination. Only clients of pattern 1 answer it; with others, the connection closing or a timeout ends the
   * wait.
   */
  async #terminate(): Promise<void> {
    const deadlineMs = performance.now() + TERMINATION_TIMEOUT_MS;
    const termination = encodeTermination(this.#options.address.serverPort);
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    while (performance.now() < deadlineMs && this.#connection.isReady && !(await this.#connection.send(termination))) {
      await sleep(TERMINATION_RETRY_MS);
    }
    await Promise.race([ended, sleep(deadlineMs - performance.now())]);
  }
}
