import { setTimeout as elapse } from 'node:timers/promises';
import { runInBackground } from '../../../shared/background.ts';
import type { ClientState, ClientStatus } from '../../../shared/status.ts';
import { errorText } from '../../../shared/errors.ts';
import type { Frame } from '../../hub/frame.ts';
import { Mailbox } from '../../hub/mailbox.ts';
import { RateMeter } from '../../hub/rate-meter.ts';
import type { ReturnData } from '../../hub/returns/returns.ts';
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
import { QueuePacer } from './queue-pacer.ts';
import type { VerifiedFrames } from './verified-frames.ts';
import { VerifiedReturns } from './verified-returns.ts';

/** Where a native client is, and how it is served; `--client` lists it. */
export interface NativeClientAddress {
  /** `tcp://HOST:PORT` or `ipc://PATH:PORT`, where it binds. */
  readonly endpoint: string;
  readonly pattern: Pattern;
  readonly security: Security | null;
  /** Its identity in the stream. */
  readonly port: number;
  /** The port that stands in the headers for a receiver in multi-servers mode; else null. */
  readonly serverPort: string | null;
  /** Most frames a second; Infinity for all. */
  readonly maxFramesPerSecond: number;
  /** Whether a client whose user is slower than the frames is found out and gets fewer. */
  readonly paced: boolean;
}

export interface NativeClientOptions {
  readonly stream: Stream;
  readonly headers: NativeHeaders;
  /** Shared by the native clients of the stream. */
  readonly frames: VerifiedFrames;
  /** Decodes a JPEG that the client returns, before it counts. */
  readonly verifyReturned: (jpeg: Uint8Array, colorspace: string) => JpegVerification;
  readonly address: NativeClientAddress;
  /** What a client gets before the first frame, as soon as it is made; null to stay silent then, and while the source is silent. */
  readonly card: (() => Frame | null) | null;
  /** The client was sent away: it is closed already, and will not come back. */
  readonly onSentAway?: () => void;
  readonly log: (message: string) => void;
}

const TICK_MS = 250;

/** A connected client that hears nothing for 12 s closes its socket, and does not always come back. */
const REPEAT_AFTER_MS = 3000;

/** With one, a client that stumbles for a frame time would miss a frame; a stopped one gets what is in flight late. */
const MIN_IN_FLIGHT = 2;

/** A subscriber answers nothing: one that takes no frame for so long, while there are some, gets none. */
const REFUSING_AFTER_MS = 3000;

/** How long a client that is told to end is waited for. */
const TERMINATION_TIMEOUT_MS = 700;
const TERMINATION_RETRY_MS = 50;

/** One NetGear receiver: its own socket, its own clock. Whatever it does is felt by no other client. */
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
  /** What the API shows; `live` is only who has answered, or subscribed. */
  #state: ClientState = 'connecting';
  /** Why it is stuck, also while the next connection is not answered yet. */
  #stuckReason = '';
  #hasAnswered = false;
  #delivered = 0;
  #repeated = 0;
  #rejected = 0;
  #failedSends = 0;
  #roundTripMs: number | null = null;
  #lastSentAtMs = -Infinity;
  /** Since when a subscriber takes no frame; null while it does. */
  #refusingSinceMs: number | null = null;
  /** The newest frame that this client was sent: again, it would be a repeat. */
  #lastSequence = 0;
  #ended: (() => void) | null = null;
  /** The frame whose verification this client waits for. */
  #verifying: Frame | null = null;
  /** Number of frames that were not sent because a NetGear client could not decode them. */
  #withheld = 0;
  /** Of the newest of them. */
  #withheldSequence = 0;

  /** @throws {GearwayError} `port-taken`, `keys-missing`, `keys-invalid`. */
  constructor(options: NativeClientOptions) {
    this.#options = options;
    const { stream, address } = options;
    this.port = address.port;
    this.id = `native-${address.port}`;
    this.#pacer = new QueuePacer({ maxFramesPerSecond: address.maxFramesPerSecond, detectsFullQueue: address.paced });
    this.#returns = new VerifiedReturns({
      verify: options.verifyReturned,
      accept: (data) => this.#setReturns(data),
      reject: (error) => this.#reject(error),
    });
    stream.ports.reserve(address.port);
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

  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  get readiness(): 'ready' | 'busy' | 'absent' {
    if (this.#state !== 'live') return 'absent';
    return this.#mailbox.isEmpty && this.#verifying === null && this.#connection.inFlight < this.#window() && this.#pacer.isDue(performance.now()) ? 'ready' : 'busy';
  }

  get isActive(): boolean {
    return this.#connection.isReady;
  }

  offer(frame: Frame): void {
    // Who is not there needs no old frame later on: on connecting it gets the latest one.
    if (!this.#connection.isReady || this.#closing) return;
    this.#mailbox.put(frame);
    this.#pump();
  }

  streamChanged(): void {
    // A native client cannot be told; the repeats keep it alive.
  }

  notifyEndOfStream(): void {
    const { pattern, serverPort } = this.#options.address;
    if (!this.#connection.isReady || this.#closing) return;
    runInBackground(this.#connection.send(encodeTermination(serverPort)), (error) => this.#notSent(error));
    this.#options.log(`client ${this.port}: told that the stream has ended, pattern ${pattern}`);
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
      dropped: this.#mailbox.dropped,
      repeated: this.#repeated,
      rejected: this.#rejected,
      framesPerSecond: round(this.#rate.perSecond(performance.now())),
      roundTripMs: this.#roundTripMs === null ? null : round(this.#roundTripMs),
      delayMs: this.#roundTripMs === null ? null : round(this.#roundTripMs),
      returnData: describeReturnData(stream.returns.get(this.port)),
    };
  }

  sendAway(reason: string): void {
    this.#options.log(`client ${this.port}: sent away, ${reason}`);
    runInBackground(this.close({ terminate: true }), (error) => this.#options.log(`client ${this.port}: closing failed: ${errorText(error)}`));
    this.#options.onSentAway?.();
  }

  /**
   * Ends the client's socket, after telling the client to end too when asked. Idempotent, and takes less than a second
   * whatever the client does.
   */
  async close(options: { terminate: boolean } = { terminate: false }): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    clearInterval(this.#timer);
    const { stream } = this.#options;
    stream.detachListed(this);
    if (options.terminate && this.#connection.isReady) await this.#terminate();
    this.#leave('the gateway ended it');
    this.#connection.close();
    stream.ports.free(this.port);
  }

  #reason(): string {
    if (this.#isRefusing()) return `it has subscribed and takes no frames${this.#options.address.security === null ? '' : ": in secure mode NetGear's receiver of pattern 2 never does, whoever sends; use pattern 1"}`;
    if (this.#state === 'stuck') return this.#stuckReason;
    if (this.#state !== 'live') return this.#connection.state === 'ready' ? 'it is connected and has not answered yet' : this.#connection.reason;
    if (this.#withheldSequence > this.#lastSequence) return `${this.#withheld} frames were not sent: a NetGear client cannot decode them (see counters.lastRejections); the last good frame is repeated`;
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
      if (this.#options.address.pattern === 'publish-subscribe') this.#arrived('has subscribed');
      else if (this.#options.card === null) this.#answered();
      this.#sendAgain();
      return;
    }
    this.#leave(reason);
    this.#state = state;
    this.#stuckReason = reason;
    this.#ended?.();
  }

  /** The client is there and takes frames. */
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
   * Sends the latest frame, as a repeat when this client had it before; the last good one in place of a frame that no NetGear client can
   * decode; the card where there is neither.
   */
  #sendAgain(): void {
    const { stream, card, frames } = this.#options;
    if (this.#connection.inFlight > 0) return;
    const { latest } = stream;
    if (latest === null) frames.forget();
    const checked = latest === null ? false : frames.check(latest);
    const good = checked === false ? frames.lastGood : latest;
    if (good === null) {
      const picture = card?.() ?? null;
      if (picture !== null) this.#startSending(picture, true);
    } else if (good.sequence > this.#lastSequence || card !== null) this.#deliver(good, stream.distribution === 'round-robin');
  }

  #tick(): void {
    if (!this.#connection.isReady) return;
    if (this.#isRefusing() && this.#state === 'live') {
      this.#leave(this.#reason());
      this.#state = 'stuck';
    }
    // A frame that was not due when it came, or did not fit.
    this.#pump();
    if (this.#connection.inFlight === 0 && performance.now() - this.#lastSentAtMs > REPEAT_AFTER_MS) this.#sendAgain();
  }

  #pump(): void {
    if (!this.#connection.isReady || this.#closing || this.#connection.inFlight >= this.#window()) return;
    // A frame that waits for a decoder gives way to the one in the mailbox.
    if (this.#verifying !== null && this.#options.frames.isStarted(this.#verifying)) return;
    const now = performance.now();
    if (!this.#pacer.isDue(now)) return;
    const frame = this.#mailbox.take();
    if (frame !== undefined) this.#deliver(frame);
  }

  /** Sends a frame once it is known that a NetGear client can decode it. */
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
    // The next tick repeats the last good frame where the client would hear nothing for too long.
    if (frame.sequence > this.#withheldSequence) this.#withheld += 1;
    this.#withheldSequence = Math.max(this.#withheldSequence, frame.sequence);
  }

  /** Frames in flight: 2 on one host, 3 as the round trip nears the frame time. */
  #window(): number {
    const minimumMs = this.#pacer.minimumMs(performance.now());
    const frameTimeMs = this.#options.stream.frameTimeMs();
    if (minimumMs === undefined || frameTimeMs === undefined || frameTimeMs <= 0) return MIN_IN_FLIGHT;
    return Math.max(MIN_IN_FLIGHT, Math.min(MAX_IN_FLIGHT, Math.ceil(minimumMs / frameTimeMs + 0.5)));
  }

  /** @param asRepeat without the message, which is not for this client, or not any more. */
  #startSending(frame: Frame, asRepeat = false): void {
    runInBackground(this.#send(frame, asRepeat), (error) => this.#notSent(error));
  }

  /** The frame is skipped: the next one may pass. */
  #notSent(error: unknown): void {
    this.#failedSends += 1;
    if (this.#failedSends === 1 || this.#failedSends % 1000 === 0) this.#options.log(`client ${this.port}: frame could not be sent (${this.#failedSends} so far): ${errorText(error)}`);
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
    const isTaken = await this.#connection.send(headers.get(frame, { pattern, serverPort, dropMessage: isRepeat }), frame.payload);
    if (!isTaken) {
      if (pattern === 'publish-subscribe' && this.#connection.isReady) this.#refusingSinceMs ??= now;
      // Nothing of it was sent: a subscriber takes no more, or the connection has just broken.
      if (this.#lastSequence === frame.sequence) this.#lastSequence = previousSequence;
      if (!isRepeat && this.#connection.isReady) this.#mailbox.restore(frame);
      return;
    }
    if (this.#refusingSinceMs !== null) {
      this.#refusingSinceMs = null;
      this.#arrived('takes frames again');
    }
    if (isRepeat) this.#repeated += 1;
    else {
      this.#delivered += 1;
      this.#rate.mark(now);
    }
  }

  #replied(parts: Uint8Array[], roundTripMs: number): void {
    const now = performance.now();
    this.#roundTripMs = this.#roundTripMs === null ? roundTripMs : this.#roundTripMs + (roundTripMs - this.#roundTripMs) / 8;
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

  #setReturns(data: ReturnData): void {
    const { returns } = this.#options.stream;
    // What NetGear sends while its user has given nothing is no return data.
    if (data.kind === 'value' && data.value === null && returns.get(this.port) === null) return;
    try {
      returns.set(this.port, data);
    } catch (error) {
      this.#reject(error);
    }
  }

  #reject(error: unknown): void {
    this.#rejected += 1;
    this.#options.stream.returns.countRejected();
    if (this.#rejected === 1 || this.#rejected % 1000 === 0) this.#options.log(`client ${this.port}: return data rejected (${this.#rejected} so far): ${errorText(error)}`);
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

  /** Only in pattern 1 a client answers this; in the others the end of its connection has to do. */
  async #terminate(): Promise<void> {
    const deadlineMs = performance.now() + TERMINATION_TIMEOUT_MS;
    const termination = encodeTermination(this.#options.address.serverPort);
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    while (performance.now() < deadlineMs && this.#connection.isReady && !(await this.#connection.send(termination))) await elapse(TERMINATION_RETRY_MS);
    await Promise.race([ended, elapse(deadlineMs - performance.now())]);
  }
}
