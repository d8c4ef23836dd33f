import { errorText } from '../shared/errors.ts';
import {
  type FrameMessage,
  type GatewayMessage,
  type ReturnBody,
  PROTOCOL,
  closeCode,
  decodeGatewayMessage,
  encodeMessage,
  encodeReturn,
  type Value,
} from '../shared/protocol.ts';
import { Decoder } from './decoder.ts';
import { GatewayClock } from './gateway-clock.ts';
import { Painter, type Picture, type Surface } from './painter.ts';
import type { SessionCommand, SessionEvent, SessionOptions } from './session-messages.ts';
import { SessionStats } from './session-stats.ts';

const PING_INTERVAL_MS = 2000;
const STATS_INTERVAL_MS = 500;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5000;

/** After these the gateway would say the same again: no new attempt until something changes. */
const FINAL_CODES: ReadonlySet<number> = new Set([closeCode.takenOver, closeCode.portOutOfRange, closeCode.notAllowed, closeCode.badMessage]);

/** After these another attempt makes sense, but not soon. */
const SLOW_CODES: ReadonlySet<number> = new Set([closeCode.unknownStream, closeCode.portTaken, closeCode.tooMuch]);

/** One viewer's connection, decoding and drawing. Lives in the page's worker, or on the main thread: it does not care. */
export class ViewerSession {
  readonly #options: SessionOptions;
  readonly #emit: (event: SessionEvent) => void;
  readonly #painter: Painter;
  readonly #decoder: Decoder;
  readonly #clock = new GatewayClock();
  #stats = new SessionStats();
  readonly #timers: ReturnType<typeof setInterval>[];
  #socket: WebSocket | null = null;
  #isOpen = false;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #attempts = 0;
  #leaseKey: string | null;
  #paused: boolean;
  #sticky: ReturnBody | null = null;
  #nextId = 1;
  /** What was sent on this socket and is not answered: the element's id by the message's id; null for the sticky value. */
  readonly #unanswered = new Map<number, number | null>();
  readonly #pings = new Map<number, number>();
  #drawn: { sequence: number; width: number; height: number; message: Value } | null = null;
  #closed = false;

  constructor(options: SessionOptions, surface: Surface, emit: (event: SessionEvent) => void) {
    this.#options = options;
    this.#emit = emit;
    this.#leaseKey = options.leaseKey;
    this.#paused = options.paused;
    this.#painter = new Painter(surface);
    this.#decoder = new Decoder({
      started: (frame) => this.#acknowledge(frame),
      decoded: (frame, picture, decodeMs) => this.#draw(frame, picture, decodeMs),
    });
    this.#timers = [setInterval(() => this.#ping(), PING_INTERVAL_MS), setInterval(() => this.#report(), STATS_INTERVAL_MS)];
    this.#connect();
  }

  command(command: SessionCommand): void {
    switch (command.kind) {
      case 'paused':
        if (this.#paused === command.paused) return;
        this.#paused = command.paused;
        if (this.#isOpen) this.#socket?.send(encodeMessage({ type: 'want', paused: command.paused }));
        return;
      case 'return-data':
        this.#sticky = command.body ?? { kind: 'value', value: null };
        if (this.#isOpen) this.#return(this.#sticky, 'sticky', null, null);
        return;
      case 'send':
        if (this.#isOpen) this.#return(command.body, 'once', command.ttlMs, command.id);
        else this.#emit({ kind: 'sent', id: command.id, accepted: false, code: 'closed', reason: 'there is no connection to the gateway' });
        return;
      case 'snapshot':
        void this.#snapshot(command.id);
        return;
      case 'online':
        if (this.#retry !== null) this.#connect();
        return;
      case 'close':
        this.close();
        return;
      default:
        command satisfies never;
    }
  }

  /** Ends the connection and all timers. Idempotent; nothing is emitted afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#decoder.reset();
    this.#socket?.close(1000);
  }

  #connect(): void {
    if (this.#closed) return;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    const socket = new WebSocket(this.#options.url, PROTOCOL);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    socket.onopen = () => {
      const { port, spectate, token, name } = this.#options;
      socket.send(
        encodeMessage({
          type: 'hello',
          name,
          ...(port === null ? {} : { port }),
          ...(spectate ? { spectate } : {}),
          ...(token === null ? {} : { token }),
          ...(this.#leaseKey === null ? {} : { leaseKey: this.#leaseKey }),
        }),
      );
    };
    socket.onmessage = ({ data }) => {
      if (this.#closed || this.#socket !== socket) return;
      try {
        const message = decodeGatewayMessage(new Uint8Array(data as ArrayBuffer));
        if (message !== undefined) this.#received(message, (data as ArrayBuffer).byteLength);
      } catch (error) {
        socket.close(4000, errorText(error).slice(0, 100));
      }
    };
    socket.onclose = ({ code, reason }) => {
      if (!this.#closed && this.#socket === socket) this.#ended(code, reason);
    };
  }

  #received(message: GatewayMessage, bytes: number): void {
    switch (message.type) {
      case 'welcome':
        this.#isOpen = true;
        this.#attempts = 0;
        this.#leaseKey = message.leaseKey;
        this.#stats = new SessionStats();
        this.#decoder.reset();
        this.#emit({ kind: 'open', port: message.port, leaseKey: message.leaseKey, stream: message.stream });
        this.#emit({ kind: 'state', state: message.state, reason: message.reason });
        if (this.#paused) this.#socket?.send(encodeMessage({ type: 'want', paused: true }));
        if (this.#sticky !== null) this.#return(this.#sticky, 'sticky', null, null);
        this.#ping();
        return;
      case 'frame':
        this.#stats.received(message, bytes);
        this.#decoder.add(message);
        return;
      case 'state':
        if (message.resumeSequence !== undefined) this.#decoder.skipBefore(message.resumeSequence);
        this.#emit({ kind: 'state', state: message.state, reason: message.reason });
        return;
      case 'returned': {
        const id = this.#unanswered.get(message.id);
        this.#unanswered.delete(message.id);
        if (id === undefined) return;
        const { accepted, code = '', reason = '' } = message;
        // The sticky value's answer goes under id 0.
        this.#emit({ kind: 'sent', id: id ?? 0, accepted, code, reason });
        return;
      }
      case 'pong': {
        const sentAtMs = this.#pings.get(message.id);
        this.#pings.delete(message.id);
        if (sentAtMs !== undefined) this.#clock.pong(message.clockUs, sentAtMs);
        return;
      }
      default:
        message satisfies never;
    }
  }

  #ended(code: number, reason: string): void {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#socket = null;
    this.#pings.clear();
    this.#clock.reset();
    for (const id of this.#unanswered.values()) {
      if (id !== null) this.#emit({ kind: 'sent', id, accepted: false, code: 'closed', reason: 'the connection ended before the gateway answered' });
    }
    this.#unanswered.clear();
    if (wasOpen) this.#emit({ kind: 'close', code, reason });
    const isFinal = FINAL_CODES.has(code);
    if (isFinal || SLOW_CODES.has(code)) {
      this.#emit({ kind: 'refused', code, reason });
      this.#emit({ kind: 'state', state: 'refused', reason: reason || `closed with code ${code}` });
      if (code === closeCode.takenOver) this.#leaseKey = null;
      if (isFinal) return;
    } else {
      this.#emit({ kind: 'state', state: 'connecting', reason: wasOpen ? 'the connection to the gateway was lost' : 'the gateway does not answer' });
    }
    const exponential = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    // A gateway that comes back is found within 2 s; the jitter keeps many viewers from knocking at once.
    const waitMs = SLOW_CODES.has(code) ? MAX_RETRY_MS : Math.min(exponential, 1500) * (0.75 + Math.random() / 2);
    this.#retry = setTimeout(() => this.#connect(), waitMs);
  }

  #return(body: ReturnBody, mode: 'sticky' | 'once', ttlMs: number | null, answerTo: number | null): void {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#unanswered.set(id, answerTo);
    const { head, payload } = encodeReturn({ type: 'return', id, mode, body, ...(ttlMs === null ? {} : { ttlMs }) });
    this.#socket?.send(payload.byteLength === 0 ? head : new Blob([head, payload as Uint8Array<ArrayBuffer>]));
  }

  #acknowledge({ sequence }: FrameMessage): void {
    if (!this.#isOpen) return;
    const { skipped, failed } = this.#decoder;
    this.#socket?.send(encodeMessage({ type: 'ack', sequence, painted: this.#stats.painted, skipped, failed, decodeMs: this.#stats.decodeMs }));
  }

  #draw(frame: FrameMessage, picture: Picture, decodeMs: number): void {
    const { sequence, width, height, message, receivedAtUs } = frame;
    this.#painter.draw(picture);
    picture.close();
    const ageMs = this.#clock.ageMs(receivedAtUs);
    this.#stats.drawn(ageMs, decodeMs);
    this.#drawn = { sequence, width, height, message };
    this.#emit({ kind: 'frame', sequence, width, height, message, receivedAgoMs: ageMs });
  }

  async #snapshot(id: number): Promise<void> {
    const drawn = this.#drawn;
    // The pixels are copied before the first await: they are those of `drawn`.
    const blob = drawn === null ? null : await this.#painter.snapshot();
    this.#emit({ kind: 'snapshot', id, snapshot: drawn === null || blob === null ? null : { ...drawn, blob } });
  }

  #ping(): void {
    if (!this.#isOpen) return;
    const id = this.#nextId;
    this.#nextId += 1;
    this.#pings.set(id, performance.now());
    this.#socket?.send(encodeMessage({ type: 'ping', id }));
  }

  #report(): void {
    const { skipped, failed } = this.#decoder;
    this.#emit({ kind: 'stats', stats: this.#stats.read(skipped, failed, this.#clock.roundTripMs) });
  }
}
