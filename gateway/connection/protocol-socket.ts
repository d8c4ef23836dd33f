import { BoundedMap } from '../../shared/bounded-map.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { closeCode, type ElementBudget, encodeMessage, type Hello } from '../../shared/protocol.ts';
import { InputBudget, type InputLimits } from './input-budget.ts';
import { closeWebSocket, type WebSocket } from './web-socket.ts';

/** Limits of one connection of the viewing or publishing protocol. */
export interface ProtocolSocketLimits extends Omit<InputLimits, 'bytesPerSecond'> {
  /** Byte rate of a peer that sends no data, and of any peer before its hello. */
  readonly watchingBytesPerSecond: number;
  /** Maximum number of bytes in the socket's user-space buffer, in addition to one frame or value. */
  readonly bufferedBytes: number;
  readonly helloTimeoutMs: number;
  /** Time without a pong after which the peer is considered disconnected. */
  readonly silenceTimeoutMs: number;
}

/** How a connection ended. */
export type SocketEnd =
  /** Closed by the peer or the network. */
  | { readonly kind: 'left' }
  /** The peer has not answered pings for this long. */
  | { readonly kind: 'silent'; readonly timeoutMs: number }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string };

/** A message other than a hello. */
interface Message {
  readonly type: string;
}

/** The owner of a {@link ProtocolSocket}. */
export interface ProtocolPeer<M extends Message> {
  /** Name of the peer in close reasons. */
  readonly role: 'viewer' | 'publisher';
  /** @throws {GearwayError} `message-invalid`, `too-much`. */
  decode(data: Uint8Array, elements: ElementBudget): Hello | M | undefined;
  /**
   * Called with the first message. Must call {@link ProtocolSocket.admit}, {@link ProtocolSocket.refuse} or {@link
   * ProtocolSocket.close}, or first {@link ProtocolSocket.postpone}.
   */
  greet(hello: Hello): void;
  /** Called for each message of an admitted peer. Throwing closes the connection. */
  received(message: M): void;
  /** Called for a malformed message, before the connection is closed. */
  malformed?(): void;
  /** Number of bytes in the socket's user-space buffer that are allowed in addition to `bufferedBytes`. */
  readonly unsentBytes: number;
  /** Called every second while the connection is open, after the socket's own checks. */
  tick?(): void;
  /** Called with the time from the opening to the hello. */
  greetedAfter?(ms: number): void;
  /** Called when a ping is answered. Everything that was sent before `sentAtMs` has then arrived. */
  pingAnswered?(sentAtMs: number): void;
  /** Called once, as the last callback. */
  ended(end: SocketEnd): void;
}

/** Refusal of a peer that lacks a right. */
export interface NotAllowed {
  readonly allowed: false;
  readonly message: string;
  /** The refusal must not be sent before this promise has settled; null: it can be sent immediately. */
  readonly delay: Promise<void> | null;
  /** Whether the refusal has been reported as an event. */
  readonly isReported: boolean;
}

/**
 * `deciding`: messages are kept until the peer is admitted or refused; `refused`: the refusal is delayed; input is
 * counted, but not decoded.
 */
type Phase = 'greeting' | 'deciding' | 'refused' | 'admitted' | 'closed';

/** Maximum number of messages of a peer that is being admitted, besides the limits of a peer before its hello. */
const MAX_POSTPONED = 16;

const TICK_MS = 1000;

/** A ping contains its number. */
const PING_BYTES = 4;

/** Maximum number of unanswered pings whose times are kept. */
const MAX_PINGS = 32;

/**
 * Implements the common part of the WebSocket protocols: a hello as the first message and in time, budgets of messages,
 * bytes and decoding, keep-alive pings, and closing.
 */
export class ProtocolSocket<M extends Message> {
  /** Resolves when the socket has closed. */
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #peer: ProtocolPeer<M>;
  readonly #limits: ProtocolSocketLimits;
  readonly #budget: InputBudget;
  readonly #elements: ElementBudget;
  readonly #timer: NodeJS.Timeout;
  readonly #openedAtMs = performance.now();
  #heardAtMs = performance.now();
  #phase: Phase = 'greeting';
  readonly #postponed: Buffer[] = [];
  #countsBytes = true;
  /** When unanswered pings were sent, by number. */
  readonly #pings = new BoundedMap<number, number>(MAX_PINGS);
  #pingCount = 0;

  /** @param addressBudget shared by all connections of the peer's address. */
  constructor(
    socket: WebSocket,
    peer: ProtocolPeer<M>,
    limits: ProtocolSocketLimits,
    addressBudget: InputBudget | null = null,
  ) {
    this.#socket = socket;
    this.#peer = peer;
    this.#limits = limits;
    this.#budget = new InputBudget({ ...limits, bytesPerSecond: limits.watchingBytesPerSecond }, addressBudget);
    this.#elements = this.#budget.elementBudget();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#end({ kind: 'left' });
        resolve();
      });
    });
    socket.on('ping', () => this.#receivedControl());
    socket.on('pong', (data: Buffer) => {
      this.#receivedControl();
      this.#answered(data);
    });
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#received(data, isBinary));
    // A transport error is followed by 'close'; an unhandled 'error' event would end the process.
    socket.on('error', () => undefined);
  }

  /** Keeps further messages until {@link admit} or {@link refuse} is called, in at most `helloTimeoutMs`. */
  postpone(): void {
    if (this.#phase === 'greeting') this.#phase = 'deciding';
  }

  /**
   * Accepts the peer after its hello: its other messages are received from now on.
   *
   * @param bytesPerSecond maximum byte rate of the peer; null for no limit, if back-pressure of the socket limits it.
   */
  admit(bytesPerSecond: number | null): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'admitted';
    if (this.#postponed.length > 0) {
      const postponed = this.#postponed.splice(0);
      // The messages must follow the welcome, which the caller sends next.
      queueMicrotask(() => postponed.forEach((data) => this.#process(data, true)));
    }
    if (bytesPerSecond === null) this.#countsBytes = false;
    else if (bytesPerSecond !== this.#limits.watchingBytesPerSecond) this.#budget.allowBytes(bytesPerSecond);
  }

  /** Closes the connection once `delay` has settled; null: immediately. */
  refuse(code: number, reason: string, delay: Promise<void> | null): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'refused';
    const close = (): void => this.close(code, reason);
    if (delay === null) close();
    else delay.then(close, close);
  }

  /** Closes the connection with a close code of the protocol. Idempotent. */
  close(code: number, reason: string): void {
    if (this.#end({ kind: 'closed', code, reason })) closeWebSocket(this.#socket, code, reason);
  }

  /** Terminates the connection immediately and discards unsent data. Idempotent. */
  cutOff(end: SocketEnd): void {
    if (this.#end(end)) this.#socket.terminate();
  }

  /** Sends a message, unless the connection is closed. */
  send(message: Parameters<typeof encodeMessage>[0]): void {
    if (this.#phase !== 'closed') this.#socket.send(encodeMessage(message));
  }

  /** Refunds an acknowledgement of new frames, whose number the gateway itself limits. */
  refundMessage(): void {
    this.#budget.refundMessage();
  }

  /** Counts received bytes, including those of incomplete messages. */
  receivedBytes(bytes: number): void {
    if (this.#phase === 'closed') this.#budget.noteBytes(bytes, performance.now());
    else if (this.#countsBytes) {
      try {
        this.#budget.spendBytes(bytes, performance.now());
      } catch (error) {
        this.#closeFor(error);
      }
    }
  }

  /**
   * Must be called at intervals while reading is paused: the peer's pongs are unread, but it is not silent.
   */
  inputPaused(): void {
    this.#heardAtMs = performance.now();
  }

  #receivedControl(): void {
    this.#heardAtMs = performance.now();
    this.#countMessage();
  }

  #countMessage(): void {
    if (this.#phase === 'closed') {
      this.#budget.noteMessage(this.#heardAtMs);
      return;
    }
    try {
      this.#budget.spendMessage(this.#heardAtMs);
    } catch (error) {
      this.#closeFor(error);
    }
  }

  #received(data: Buffer, isBinary: boolean): void {
    this.#heardAtMs = performance.now();
    this.#countMessage();
    if (this.#phase !== 'deciding') this.#process(data, isBinary);
    else if (isBinary && this.#postponed.length < MAX_POSTPONED) this.#postponed.push(data);
    else {
      const text = `received more than ${MAX_POSTPONED} messages, or a text message, before the welcome`;
      this.#closeFor(new GearwayError('message-invalid', text));
    }
  }

  #process(data: Buffer, isBinary: boolean): void {
    if (this.#phase === 'closed' || this.#phase === 'refused') return;
    try {
      if (!isBinary) throw new GearwayError('message-invalid', 'received a text message, expected binary messages');
      const message = this.#peer.decode(data, this.#elements);
      if (message === undefined) return;
      if (this.#phase === 'greeting') {
        if (!isHello(message))
          throw new GearwayError('message-invalid', `the first message is ${message.type}, expected hello`);
        this.#peer.greetedAfter?.(performance.now() - this.#openedAtMs);
        this.#peer.greet(message);
        return;
      }
      if (isHello(message)) throw new GearwayError('message-invalid', 'received a second hello');
      this.#peer.received(message);
    } catch (error) {
      this.#closeFor(error);
    }
  }

  /** Closes the connection because the peer's input is malformed or exceeds a limit. */
  #closeFor(error: unknown): void {
    const isTooMuch = error instanceof GearwayError && error.code === 'too-much';
    if (!isTooMuch) this.#peer.malformed?.();
    this.close(isTooMuch ? closeCode.tooMuch : closeCode.badMessage, errorText(error));
  }

  #tick(): void {
    const { helloTimeoutMs, bufferedBytes, silenceTimeoutMs } = this.#limits;
    const now = performance.now();
    if ((this.#phase === 'greeting' || this.#phase === 'deciding') && now - this.#openedAtMs > helloTimeoutMs) {
      const seconds = `within ${helloTimeoutMs / 1000} s`;
      this.close(
        closeCode.noHello,
        this.#phase === 'greeting'
          ? `no hello received ${seconds}`
          : `the gateway could not admit the ${this.#peer.role} ${seconds}`,
      );
      return;
    }
    if (this.#socket.bufferedAmount > bufferedBytes + this.#peer.unsentBytes) {
      this.close(closeCode.tooMuch, `the ${this.#peer.role} is not reading`);
      return;
    }
    if (now - this.#heardAtMs > silenceTimeoutMs) {
      this.cutOff({ kind: 'silent', timeoutMs: silenceTimeoutMs });
      return;
    }
    this.ping();
    this.#peer.tick?.();
  }

  /**
   * Measures the round trip ({@link ProtocolPeer.pingAnswered}); also called every second. Before the first data, the
   * result is that of an empty path.
   */
  ping(): void {
    this.#pingCount = (this.#pingCount + 1) % 2 ** 32;
    this.#pings.set(this.#pingCount, performance.now());
    const number = Buffer.allocUnsafe(PING_BYTES);
    number.writeUInt32BE(this.#pingCount);
    this.#socket.ping(number);
  }

  /** A peer may leave out answers to earlier pings (RFC 6455, 5.5.3). */
  #answered(data: Buffer): void {
    const number = data.byteLength === PING_BYTES ? data.readUInt32BE() : -1;
    const sentAtMs = this.#pings.get(number);
    if (sentAtMs === undefined) return;
    for (const earlier of this.#pings.keys()) {
      this.#pings.delete(earlier);
      if (earlier === number) break;
    }
    if (this.#phase === 'admitted') this.#peer.pingAnswered?.(sentAtMs);
  }

  /** @returns false if the connection was already closed. */
  #end(end: SocketEnd): boolean {
    if (this.#phase === 'closed') return false;
    this.#phase = 'closed';
    clearInterval(this.#timer);
    this.#peer.ended(end);
    return true;
  }
}

function isHello<M extends Message>(message: Hello | M): message is Hello {
  return message.type === 'hello';
}
