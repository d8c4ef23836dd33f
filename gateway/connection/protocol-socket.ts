import { errorText, GearwayError } from '../../shared/errors.ts';
import { closeCode, type ElementBudget, encodeMessage, type Hello } from '../../shared/protocol.ts';
import { InputBudget, type InputLimits } from './input-budget.ts';
import { closeWebSocket, type WebSocket } from './web-socket.ts';

/** Limits of one connection of the viewer or the publishing protocol. */
export interface ProtocolSocketLimits extends Omit<InputLimits, 'bytesPerSecond'> {
  /** Bytes per second from a peer that sends no data, also before its hello. */
  readonly watchingBytesPerSecond: number;
  /** Bytes that may wait in the socket's user-space buffer, besides those of one frame or value. */
  readonly bufferedBytes: number;
  readonly helloTimeoutMs: number;
  /** A peer that answers no ping for this long is gone, although its socket is open. */
  readonly silenceTimeoutMs: number;
}

/** How a connection ended. */
export type SocketEnd =
  /** The peer closed it, or the network did. */
  | { readonly kind: 'left' }
  /** The peer did not answer pings for this long. */
  | { readonly kind: 'silent'; readonly timeoutMs: number }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string };

/** A message that is not a hello. */
interface Message {
  readonly type: string;
}

/** The owner of a {@link ProtocolSocket}. */
export interface ProtocolPeer<M extends Message> {
  /** For close reasons. */
  readonly role: 'viewer' | 'publisher';
  /** @throws {GearwayError} `message-invalid`, `too-much`. */
  decode(data: Uint8Array, elements: ElementBudget): Hello | M | undefined;
  /** The first message. It calls {@link ProtocolSocket.admit}, {@link ProtocolSocket.refuse} or {@link ProtocolSocket.close}. */
  greet(hello: Hello): void;
  /** A message of an admitted peer. What it throws closes the connection. */
  received(message: M): void;
  /** A message was malformed. The connection is closed next. */
  malformed?(): void;
  /** Bytes in the socket's user-space buffer that are allowed besides `bufferedBytes`. */
  readonly unsentBytes: number;
  /** Called every second while the connection is open, after its own checks. */
  tick?(): void;
  /** Called once; nothing else is called afterwards. */
  ended(end: SocketEnd): void;
}

/** The answer to a peer that lacks a right. */
export interface NotAllowed {
  readonly allowed: false;
  readonly message: string;
  /** The refusal must not be sent before this has settled; null: it can be sent immediately. */
  readonly delay: Promise<void> | null;
  /** Whether the refusal has been reported as an event. */
  readonly isReported: boolean;
}

/** `refused`: a refusal that is delayed; what comes meanwhile is counted, and not decoded. */
type Phase = 'greeting' | 'refused' | 'admitted' | 'closed';

const TICK_MS = 1000;

/**
 * A WebSocket up to its protocol's messages: hello first and in time, budgets of messages, bytes and decoding, pings, and the ways in which it ends.
 */
export class ProtocolSocket<M extends Message> {
  /** Settles when the socket has ended. */
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
  #countsBytes = true;

  /** @param addressBudget what the peer shares with others of its address. */
  constructor(socket: WebSocket, peer: ProtocolPeer<M>, limits: ProtocolSocketLimits, addressBudget: InputBudget | null = null) {
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
    socket.on('pong', () => this.#receivedControl());
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#received(data, isBinary));
    // A transport error is followed by 'close'; an unhandled 'error' event would end the process.
    socket.on('error', () => undefined);
  }

  /**
   * The peer's hello was accepted: its other messages are received from now on.
   *
   * @param bytesPerSecond what it may send; null when bytes do not count, because what is not read stays in the socket.
   */
  admit(bytesPerSecond: number | null): void {
    this.#phase = 'admitted';
    if (bytesPerSecond === null) this.#countsBytes = false;
    else if (bytesPerSecond !== this.#limits.watchingBytesPerSecond) this.#budget.allowBytes(bytesPerSecond);
  }

  /** Closes the connection once `delay` has settled; null: immediately. */
  refuse(code: number, reason: string, delay: Promise<void> | null): void {
    this.#phase = 'refused';
    const close = (): void => this.close(code, reason);
    if (delay === null) close();
    else delay.then(close, close);
  }

  /** Ends the connection with a code of the protocol. Idempotent. */
  close(code: number, reason: string): void {
    if (this.#end({ kind: 'closed', code, reason })) closeWebSocket(this.#socket, code, reason);
  }

  /** Ends the connection immediately, with what is unsent. Idempotent. */
  cutOff(end: SocketEnd): void {
    if (this.#end(end)) this.#socket.terminate();
  }

  /** Sends a message, unless the connection has ended. */
  send(message: Parameters<typeof encodeMessage>[0]): void {
    if (this.#phase !== 'closed') this.#socket.send(encodeMessage(message));
  }

  /** Gives back the budget of a message that acknowledged new frames: the gateway bounds how many there can be. */
  refundMessage(): void {
    this.#budget.refundMessage();
  }

  /** Counts bytes that arrived on the connection, including those of messages that never end. */
  receivedBytes(bytes: number): void {
    if (this.#phase === 'closed') this.#budget.noteBytes(bytes, performance.now());
    else if (this.#countsBytes) this.#guard(() => this.#budget.spendBytes(bytes, performance.now()));
  }

  #receivedControl(): void {
    this.#heardAtMs = performance.now();
    this.#countMessage();
  }

  #countMessage(): void {
    if (this.#phase === 'closed') this.#budget.noteMessage(this.#heardAtMs);
    else this.#guard(() => this.#budget.spendMessage(this.#heardAtMs));
  }

  #received(data: Buffer, isBinary: boolean): void {
    this.#heardAtMs = performance.now();
    this.#countMessage();
    if (this.#phase === 'closed' || this.#phase === 'refused') return;
    this.#guard(() => {
      if (!isBinary) throw new GearwayError('message-invalid', 'a text message came, expected binary ones');
      const message = this.#peer.decode(data, this.#elements);
      if (message === undefined) return;
      if (this.#phase === 'greeting') {
        if (!isHello(message)) throw new GearwayError('message-invalid', `the first message is ${message.type}, expected hello`);
        this.#peer.greet(message);
        return;
      }
      if (isHello(message)) throw new GearwayError('message-invalid', 'hello came twice');
      this.#peer.received(message);
    });
  }

  /** Closes the connection when what the peer sent is malformed, or too much. */
  #guard(receive: () => void): void {
    try {
      receive();
    } catch (error) {
      const isTooMuch = error instanceof GearwayError && error.code === 'too-much';
      if (!isTooMuch) this.#peer.malformed?.();
      this.close(isTooMuch ? closeCode.tooMuch : closeCode.badMessage, errorText(error));
    }
  }

  #tick(): void {
    const { helloTimeoutMs, bufferedBytes, silenceTimeoutMs } = this.#limits;
    const now = performance.now();
    if (this.#phase === 'greeting' && now - this.#openedAtMs > helloTimeoutMs) {
      this.close(closeCode.noHello, `no hello came within ${helloTimeoutMs / 1000} s`);
      return;
    }
    if (this.#socket.bufferedAmount > bufferedBytes + this.#peer.unsentBytes) {
      this.close(closeCode.tooMuch, `the socket does not drain: the ${this.#peer.role} does not read`);
      return;
    }
    if (now - this.#heardAtMs > silenceTimeoutMs) {
      this.cutOff({ kind: 'silent', timeoutMs: silenceTimeoutMs });
      return;
    }
    this.#socket.ping();
    this.#peer.tick?.();
  }

  /** @returns false when the connection had ended before. */
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
