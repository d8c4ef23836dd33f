import type { ClientState, ClientStatus } from '../../shared/status.ts';
import { errorText } from '../../shared/errors.ts';
import type { Frame } from '../hub/frame.ts';
import { Mailbox } from '../hub/mailbox.ts';
import { RateMeter } from '../hub/rate-meter.ts';
import type { ReturnData } from '../hub/returns.ts';
import { type Client, type Stream, round } from '../hub/stream.ts';
import { WindowedMinimum } from '../hub/windowed-minimum.ts';
import { ClientSocket, MAX_IN_FLIGHT } from '../netgear/client-socket.ts';
import { TERMINATION } from '../netgear/frame-codec.ts';
import { readJpegMarkers } from '../netgear/jpeg-markers.ts';
import type { Pattern } from '../netgear/pattern.ts';
import { type Reply, decodeReply } from '../netgear/reply-codec.ts';
import { describeReturnData } from './describe-return-data.ts';
import type { NativeHeaders } from './native-headers.ts';

/** A native client as `--client` lists it. */
export interface NativeClientOptions {
  readonly stream: Stream;
  readonly headers: NativeHeaders;
  readonly endpoint: string;
  readonly pattern: Exclude<Pattern, 'publish-subscribe'>;
  /** The client's identity in the stream. */
  readonly port: number;
  /** What a client gets before the first frame; null to stay silent then, and while the source is silent. */
  readonly card: Frame | null;
  /** The client was sent away: it is closed already, and will not come back. */
  readonly onSentAway?: () => void;
  readonly log: (message: string) => void;
}

const TICK_MS = 250;

/** A reply later than this is not waited for: the socket is closed and another made. Three of a client's own time-outs fit in. */
const REPLY_TIMEOUT_MS = 3500;

/** A connected client that hears nothing for 12 s closes its socket, and does not always come back. */
const REPEAT_AFTER_MS = 3000;

/** A peer that accepts TCP but does not shake hands is there, and stopped. */
const STUCK_AFTER_MS = 1000;

/** With one, a client that stumbles for a frame time would miss a frame; a stopped one gets what is in flight late. */
const MIN_IN_FLIGHT = 2;

/** How long a termination may take to be answered before the socket is closed. */
const TERMINATION_TIMEOUT_MS = 700;

/** A socket and what is under way on it. Thrown away as a whole, so that nothing late is taken for something new. */
interface Link {
  readonly socket: ClientSocket;
  connected: boolean;
  /** Since when somebody holds the other end of the TCP connection; null while nobody does. */
  acceptedAtMs: number | null;
  /** When each frame was sent that is not yet answered, oldest first. */
  readonly sentAtMs: number[];
  lastSentAtMs: number;
  onTerminated: (() => void) | null;
}

/** One NetGear receiver: its own socket, its own clock. Whatever it does is felt by no other client. */
export class NativeClient implements Client {
  readonly id: string;
  readonly #options: NativeClientOptions;
  readonly #mailbox = new Mailbox<Frame>();
  readonly #rate = new RateMeter();
  readonly #minimumMs = new WindowedMinimum();
  readonly #timer: NodeJS.Timeout;
  #link: Link;
  #state: ClientState = 'connecting';
  #closing = false;
  /** Whether it was reported as connected, and not yet as gone. */
  #isThere = false;
  #delivered = 0;
  #repeated = 0;
  #rejected = 0;
  #roundTripMs: number | null = null;
  /** The newest frame that this client was sent: again, it would be a repeat. */
  #lastSequence = 0;

  constructor(options: NativeClientOptions) {
    this.#options = options;
    this.id = `native-${options.port}`;
    options.stream.ports.reserve(options.port);
    this.#link = this.#open();
    options.stream.attach(this);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  offer(frame: Frame): void {
    // Who is not there needs no old frame later on: on connecting it gets the latest one.
    if (!this.#link.connected || this.#closing) return;
    this.#mailbox.put(frame);
    this.#pump();
  }

  streamChanged(): void {
    // A native client cannot be told; the repeats keep it alive.
  }

  status(): ClientStatus {
    const { port, endpoint, stream } = this.#options;
    return {
      id: this.id,
      port,
      kind: 'native',
      address: endpoint,
      state: this.#state,
      delivered: this.#delivered,
      dropped: this.#mailbox.dropped,
      repeated: this.#repeated,
      rejected: this.#rejected,
      framesPerSecond: round(this.#rate.perSecond(performance.now())),
      roundTripMs: this.#roundTripMs === null ? null : round(this.#roundTripMs),
      delayMs: this.#roundTripMs === null ? null : round(this.#roundTripMs),
      returnData: describeReturnData(stream.returns.get(port)),
    };
  }

  sendAway(reason: string): void {
    this.#options.log(`client ${this.#options.port}: sent away, ${reason}`);
    void this.close({ terminate: true });
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
    const { stream, port } = this.#options;
    stream.detach(this);
    const link = this.#link;
    if (options.terminate && link.connected) await this.#terminate(link);
    this.#leave('the gateway ended it');
    link.socket.close();
    stream.ports.free(port);
  }

  #open(): Link {
    const { endpoint, pattern } = this.#options;
    const isCurrent = (): boolean => this.#link === link;
    const link: Link = {
      socket: new ClientSocket(endpoint, pattern, {
        connected: () => {
          if (isCurrent()) this.#connected();
        },
        accepted: () => {
          link.acceptedAtMs = performance.now();
        },
        disconnected: () => {
          link.acceptedAtMs = null;
          if (isCurrent()) this.#disconnected();
        },
        reply: (parts) => {
          if (isCurrent()) this.#replied(parts);
        },
        failed: (error) => {
          if (isCurrent()) this.#reject(error);
        },
      }),
      connected: false,
      acceptedAtMs: null,
      sentAtMs: [],
      lastSentAtMs: -Infinity,
      onTerminated: null,
    };
    return link;
  }

  #reopen(): void {
    this.#link.socket.close();
    this.#mailbox.clear();
    this.#link = this.#open();
  }

  #connected(): void {
    this.#link.connected = true;
    this.#mailbox.clear();
    this.#sendAgain();
  }

  #disconnected(): void {
    const wasConnected = this.#link.connected;
    this.#leave('its connection ended');
    this.#state = 'connecting';
    if (wasConnected) this.#reopen();
  }

  /** Sends the latest frame, as a repeat when this client had it before; before the first frame, the card. */
  #sendAgain(): void {
    const { stream, card } = this.#options;
    if (this.#link.sentAtMs.length > 0) return;
    const { latest } = stream;
    if (latest !== null && (latest.sequence > this.#lastSequence || card !== null)) void this.#send(latest);
    else if (latest === null && card !== null) void this.#send(card);
  }

  #tick(): void {
    const { connected, acceptedAtMs, sentAtMs, lastSentAtMs } = this.#link;
    const now = performance.now();
    const oldest = sentAtMs[0];
    if (oldest !== undefined && now - oldest > REPLY_TIMEOUT_MS) {
      // No answer: stopped, or its queue is full. Frames for it are thrown away until it takes some again.
      this.#leave(`no answer for ${REPLY_TIMEOUT_MS / 1000} s`);
      this.#state = 'stuck';
      this.#reopen();
      return;
    }
    if (!connected && acceptedAtMs !== null && now - acceptedAtMs > STUCK_AFTER_MS) this.#state = 'stuck';
    if (connected && oldest === undefined && now - lastSentAtMs > REPEAT_AFTER_MS) this.#sendAgain();
  }

  #pump(): void {
    const { connected, sentAtMs } = this.#link;
    if (!connected || this.#closing || sentAtMs.length >= this.#window()) return;
    const frame = this.#mailbox.take();
    if (frame !== undefined) void this.#send(frame);
  }

  /** Frames in flight: 2 on one host, 3 as the round trip nears the frame time. */
  #window(): number {
    const minimumMs = this.#minimumMs.get(performance.now());
    const frameTimeMs = this.#options.stream.frameTimeMs();
    if (minimumMs === undefined || frameTimeMs === undefined || frameTimeMs <= 0) return MIN_IN_FLIGHT;
    return Math.max(MIN_IN_FLIGHT, Math.min(MAX_IN_FLIGHT, Math.ceil(minimumMs / frameTimeMs + 0.5)));
  }

  async #send(frame: Frame): Promise<void> {
    const { headers, pattern } = this.#options;
    const link = this.#link;
    const isRepeat = frame.sequence <= this.#lastSequence;
    const now = performance.now();
    link.sentAtMs.push(now);
    link.lastSentAtMs = now;
    if (isRepeat) this.#repeated += 1;
    else {
      this.#delivered += 1;
      this.#lastSequence = frame.sequence;
      this.#rate.mark(now);
    }
    try {
      await link.socket.send(headers.get(frame, pattern, isRepeat), frame.payload);
    } catch (error) {
      // The connection broke between its last event and this send.
      if (this.#link === link && !this.#closing) this.#disconnected();
      else this.#options.log(`client ${this.#options.port}: ${errorText(error)}`);
    }
  }

  #replied(parts: Uint8Array[]): void {
    const link = this.#link;
    const now = performance.now();
    const sentAt = link.sentAtMs.shift();
    if (sentAt !== undefined) {
      const roundTripMs = now - sentAt;
      this.#minimumMs.add(roundTripMs, now);
      this.#roundTripMs = this.#roundTripMs === null ? roundTripMs : this.#roundTripMs + (roundTripMs - this.#roundTripMs) / 8;
    }
    if (!this.#closing) {
      const { stream, port } = this.#options;
      if (this.#state !== 'live') {
        this.#state = 'live';
        this.#isThere = true;
        stream.returns.join(port);
        stream.report({ kind: 'connect', client: this.id, port, address: this.#options.endpoint, reason: 'answers frames' });
      }
    }
    try {
      const reply = decodeReply(parts);
      if (reply.kind === 'termination') link.onTerminated?.();
      else if (!this.#closing) this.#returned(reply);
    } catch (error) {
      this.#reject(error);
    }
    this.#pump();
  }

  #returned(reply: Exclude<Reply, { kind: 'termination' }>): void {
    const { returns } = this.#options.stream;
    const { port } = this.#options;
    const data = ownReturnData(reply);
    // What NetGear sends while its user has given nothing is no return data.
    if (data === null || (data.kind === 'value' && data.value === null && returns.get(port) === null)) return;
    returns.set(port, data);
  }

  #reject(error: unknown): void {
    this.#rejected += 1;
    this.#options.stream.returns.countRejected();
    if (this.#rejected === 1 || this.#rejected % 1000 === 0) this.#options.log(`client ${this.#options.port}: return data rejected (${this.#rejected} so far): ${errorText(error)}`);
  }

  #leave(reason: string): void {
    const { stream, port, endpoint } = this.#options;
    this.#link.connected = false;
    this.#mailbox.clear();
    stream.returns.leave(port);
    if (!this.#isThere) return;
    this.#isThere = false;
    stream.report({ kind: 'disconnect', client: this.id, port, address: endpoint, reason });
  }

  async #terminate(link: Link): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TERMINATION_TIMEOUT_MS);
      link.onTerminated = () => {
        clearTimeout(timer);
        resolve();
      };
      link.socket.send(TERMINATION).catch(() => link.onTerminated?.());
    });
  }
}

/** Return data with bytes of its own; null when the reply carries none. */
function ownReturnData(reply: Exclude<Reply, { kind: 'termination' }>): ReturnData | null {
  switch (reply.kind) {
    case 'text':
      return null;
    case 'value':
      return reply;
    case 'array':
      return reply;
    case 'jpeg':
      readJpegMarkers(reply.data); // a real peer's: size and end suffice
      return reply;
    default:
      return reply satisfies never;
  }
}
