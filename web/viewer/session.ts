import { runInBackground } from '../background.ts';
import { closeCode } from '../../shared/close-code.ts';
import {
  decodeGatewayMessage,
  encodeMessage,
  encodeReturn,
  type FrameMessage,
  type GatewayMessage,
  type Hello,
  MAX_HEADER_BYTES,
  type ReturnBody,
  type Welcome,
} from '../../shared/protocol.ts';
import { Decoder } from './decoder.ts';
import { type ConnectionEnd, type ConnectionEvents, GatewayConnection, type NextAttempt } from '../connection/gateway-connection.ts';
import { encodePng, Painter, type Picture, type Surface } from './painter.ts';
import type { Box, SessionCommand, SessionEvent, SessionOptions, SnapshotForm } from './session-messages.ts';
import { SessionStats } from './session-stats.ts';

const STATS_INTERVAL_MS = 500;

/** After these the gateway would say the same again: no new attempt until something changes. */
const FINAL_CODES: ReadonlySet<number> = new Set([closeCode.takenOver, closeCode.portOutOfRange, closeCode.notAllowed, closeCode.badMessage, closeCode.sentAway]);

/** After these another attempt makes sense, but not soon. */
const SLOW_CODES: ReadonlySet<number> = new Set([closeCode.unknownStream, closeCode.portTaken, closeCode.tooMuch]);

/** What the gateway says when it cannot give the port that is asked for. */
const PORT_REFUSALS: ReadonlySet<number> = new Set([closeCode.portTaken, closeCode.portOutOfRange, closeCode.notAllowed]);

/** One viewer: what its connection brings is decoded and drawn, what it returns is kept over connections. Lives in the page's worker, or on the main thread: it does not care. */
export class ViewerSession {
  readonly #options: SessionOptions;
  readonly #emit: (event: SessionEvent) => void;
  readonly #painter: Painter;
  readonly #decoder: Decoder;
  readonly #connection: GatewayConnection<GatewayMessage>;
  readonly #reporting: ReturnType<typeof setInterval>;
  #stats = new SessionStats();
  #leaseKey: string | null;
  /** Ports are identities: a gateway that was restarted knows no lease, but may still have the port free. */
  #formerPort: number | null = null;
  #paused: boolean;
  #sticky: { readonly body: ReturnBody; readonly expiresAtMs: number } | null = null;
  #nextId = 1;
  /** What was sent on this socket and is not answered: the element's id by the message's id; null for the sticky value. */
  readonly #unanswered = new Map<number, number | null>();
  #box: Box | null = null;
  #maxMessageBytes = 0;
  /** The first frame of a connection, or behind a pause, may be as old as the source is silent: that is no delay. */
  #isFirst = true;
  /** Its payload is kept for a snapshot, until the next one is drawn. */
  #drawn: FrameMessage | null = null;
  #closed = false;

  constructor(options: SessionOptions, surface: Surface, emit: (event: SessionEvent) => void) {
    this.#options = options;
    this.#emit = emit;
    this.#leaseKey = options.leaseKey;
    this.#paused = options.paused;
    this.#painter = new Painter(surface);
    this.#decoder = new Decoder({
      scale: (frame) => this.#scale(frame),
      started: (frame) => this.#acknowledge(frame),
      decoded: (frame, picture, decodeMs) => this.#draw(frame, picture, decodeMs),
    });
    this.#connection = new GatewayConnection(options.url, decodeGatewayMessage, {
      hello: () => this.#hello(),
      welcomed: (welcome) => this.#welcomed(welcome),
      received: (message, bytes) => this.#received(message, bytes),
      ended: (end) => this.#ended(end),
      explained: (reason) => this.#emit({ kind: 'state', state: 'connecting', reason }),
    });
    this.#reporting = setInterval(() => this.#report(), STATS_INTERVAL_MS);
  }

  command(command: SessionCommand): void {
    switch (command.kind) {
      case 'paused':
        if (this.#paused === command.paused) return;
        this.#paused = command.paused;
        this.#connection.send(encodeMessage({ type: 'want', paused: command.paused }));
        if (!command.paused) this.#connection.retryNow();
        return;
      case 'return-data': {
        const { id, body, ttlMs } = command;
        this.#sticky = body === null ? null : { body, expiresAtMs: ttlMs === null ? Infinity : performance.now() + ttlMs };
        if (this.#connection.isOpen) this.#return(body ?? { kind: 'value', value: null }, 'sticky', ttlMs, id);
        // Without a connection there is nothing to refuse: it is set with the next one.
        else this.#emit({ kind: 'returned', id, accepted: true, code: '', reason: '' });
        return;
      }
      case 'send':
        if (this.#connection.isOpen) this.#return(command.body, 'once', command.ttlMs, command.id);
        else this.#emit({ kind: 'returned', id: command.id, accepted: false, code: 'closed', reason: 'there is no connection to the gateway' });
        return;
      case 'snapshot':
        runInBackground(this.#snapshot(command.id, command.form), () => this.#emit({ kind: 'snapshot', id: command.id, snapshot: null }));
        return;
      case 'box':
        this.#box = command.box;
        return;
      case 'retry':
        this.#connection.retryNow();
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
    clearInterval(this.#reporting);
    this.#connection.close();
    this.#decoder.reset();
    this.#drawn = null;
  }

  #hello(): Omit<Hello, 'type'> {
    const { name, spectate, token } = this.#options;
    const port = this.#options.port ?? this.#formerPort;
    return { name, ...(port === null ? {} : { port }), ...(spectate ? { spectate } : {}), ...(token === null ? {} : { token }), ...(this.#leaseKey === null ? {} : { leaseKey: this.#leaseKey }) };
  }

  #welcomed({ port, spectatorReason, rights, leaseKey, state, reason, limits }: Welcome): void {
    this.#maxMessageBytes = limits.messageBytes;
    this.#leaseKey = leaseKey ?? this.#leaseKey;
    this.#formerPort = port ?? this.#formerPort;
    this.#stats = new SessionStats();
    this.#decoder.reset();
    this.#isFirst = true;
    this.#emit({ kind: 'open', port, spectatorReason: spectatorReason ?? null, rights, leaseKey });
    this.#emit({ kind: 'state', state, reason });
    if (this.#paused) this.#connection.send(encodeMessage({ type: 'want', paused: true }));
    this.#returnAgain();
  }

  #received(message: Parameters<ConnectionEvents<GatewayMessage>['received']>[0], bytes: number): void {
    switch (message.type) {
      case 'frame':
        this.#stats.received(message, bytes);
        this.#decoder.add(message);
        return;
      case 'state':
        if (message.resumeSequence !== undefined) {
          this.#decoder.skipBefore(message.resumeSequence);
          this.#stats.resumed(message.resumeSequence);
          this.#isFirst = true;
        }
        this.#emit({ kind: 'state', state: message.state, reason: message.reason });
        return;
      case 'returned': {
        const id = this.#unanswered.get(message.id);
        this.#unanswered.delete(message.id);
        if (id === undefined) return;
        const { accepted, code = '', reason = '' } = message;
        this.#emit({ kind: 'returned', id, accepted, code, reason });
        return;
      }
      default:
        message satisfies never;
    }
  }

  #ended({ code, reason, wasOpen }: ConnectionEnd): NextAttempt {
    const isFinal = FINAL_CODES.has(code);
    const isRefused = isFinal || SLOW_CODES.has(code);
    for (const id of this.#unanswered.values()) {
      if (id !== null) this.#emit({ kind: 'returned', id, accepted: false, code: 'closed', reason: 'the connection ended before the gateway answered' });
    }
    this.#unanswered.clear();
    if (wasOpen) this.#emit({ kind: 'close', code, reason });
    const isFormerPortGone = !wasOpen && this.#formerPort !== null && this.#options.port === null && PORT_REFUSALS.has(code);
    if (isRefused) this.#formerPort = null;
    if (isFormerPortGone) return 'at-once';
    if (isRefused) {
      if (code === closeCode.takenOver) this.#leaseKey = null;
      this.#emit({ kind: 'refused', code, reason });
      this.#emit({ kind: 'state', state: 'refused', reason: reason || `closed with code ${code}` });
      return isFinal ? 'never' : 'later';
    }
    this.#emit({ kind: 'state', state: 'connecting', reason: wasOpen ? 'the connection to the gateway was lost' : this.#connection.explanation });
    return 'soon';
  }

  /** Sets the sticky value on a new connection, for the time that it has left. */
  #returnAgain(): void {
    if (this.#sticky === null) return;
    const { body, expiresAtMs } = this.#sticky;
    const leftMs = expiresAtMs - performance.now();
    if (leftMs >= 1) this.#return(body, 'sticky', leftMs === Infinity ? null : leftMs, null);
    else this.#sticky = null;
  }

  #return(body: ReturnBody, mode: 'sticky' | 'once', ttlMs: number | null, answerTo: number | null): void {
    const id = this.#nextId;
    this.#nextId += 1;
    const { head, payload } = encodeReturn({ type: 'return', id, mode, body, ...(ttlMs === null ? {} : { ttlMs }) });
    const bytes = head.byteLength + payload.byteLength;
    // The gateway would end the connection, and a sticky value would do so again on the next one.
    if (head.byteLength > MAX_HEADER_BYTES || bytes > this.#maxMessageBytes) {
      if (mode === 'sticky') this.#sticky = null;
      const limit = bytes > this.#maxMessageBytes ? this.#maxMessageBytes : MAX_HEADER_BYTES;
      this.#emit({ kind: 'returned', id: answerTo, accepted: false, code: 'too-large', reason: `the value takes ${bytes} bytes, expected at most ${limit}` });
      return;
    }
    this.#unanswered.set(id, answerTo);
    this.#connection.send(payload.byteLength === 0 ? head : new Blob([head, payload as Uint8Array<ArrayBuffer>]));
  }

  #acknowledge({ sequence }: FrameMessage): void {
    const { skipped, failed } = this.#decoder;
    const { delayMs } = this.#stats;
    this.#connection.send(encodeMessage({ type: 'ack', sequence, painted: this.#stats.painted, skipped, failed, decodeMs: this.#stats.decodeMs, ...(delayMs === null ? {} : { delayMs: Math.max(0, delayMs) }) }));
  }

  #draw(frame: FrameMessage, picture: Picture, decodeMs: number): void {
    const { sequence, width, height, message, receivedAtUs, capturedAtUs } = frame;
    this.#painter.draw(picture);
    picture.close();
    const ageMs = this.#connection.clock.ageMs(receivedAtUs);
    this.#stats.drawn(this.#isFirst ? null : ageMs, decodeMs);
    this.#isFirst = false;
    this.#drawn = frame;
    this.#emit({ kind: 'frame', sequence, width, height, message, ageMs, capturedAtMs: capturedAtUs === undefined || capturedAtUs === null ? null : capturedAtUs / 1000 });
  }

  #scale({ width, height }: FrameMessage): number {
    if (this.#box === null) return 1;
    const scales = [this.#box.width / width, this.#box.height / height];
    return this.#box.covers ? Math.max(...scales) : Math.min(...scales);
  }

  async #snapshot(id: number, form: SnapshotForm): Promise<void> {
    if (this.#drawn === null) {
      this.#emit({ kind: 'snapshot', id, snapshot: null });
      return;
    }
    const frame = this.#drawn;
    const { sequence, width, height, message, encoding, payload } = frame;
    const received = encoding.kind === 'jpeg' ? 'jpeg' : encoding.dtype;
    const blob = form === 'png' ? await encodePng(frame).catch(() => null) : new Blob([payload as Uint8Array<ArrayBuffer>], { type: received === 'jpeg' ? 'image/jpeg' : 'application/octet-stream' });
    this.#emit({ kind: 'snapshot', id, snapshot: blob === null ? null : { sequence, width, height, message, encoding: form === 'png' ? 'png' : received, blob } });
  }

  #report(): void {
    const { skipped, failed } = this.#decoder;
    this.#emit({ kind: 'stats', stats: this.#stats.read(skipped, failed, this.#connection.clock.roundTripMs, this.#connection.window) });
  }
}
