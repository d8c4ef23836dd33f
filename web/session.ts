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
} from '../shared/protocol.ts';
import { Decoder } from './decoder.ts';
import { GatewayClock } from './gateway-clock.ts';
import { encodePng, Painter, type Picture, type Surface } from './painter.ts';
import type { Box, SessionCommand, SessionEvent, SessionOptions, SnapshotForm } from './session-messages.ts';
import { SessionStats } from './session-stats.ts';

const PING_INTERVAL_MS = 2000;
const STATS_INTERVAL_MS = 500;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 1500;
const SLOW_RETRY_MS = 5000;

/** A network that was cut closes nothing: a ping that is not answered for so long shows it, and an attempt that takes so long. */
const PONG_TIMEOUT_MS = 5000;
const CONNECT_TIMEOUT_MS = 6000;
const PROBE_TIMEOUT_MS = 2000;

/** No connection was made, or it broke (RFC 6455). */
const ABNORMAL = 1006;

/** After these the gateway would say the same again: no new attempt until something changes. */
const FINAL_CODES: ReadonlySet<number> = new Set([closeCode.takenOver, closeCode.portOutOfRange, closeCode.notAllowed, closeCode.badMessage, closeCode.sentAway]);

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
  /** Runs until the welcome. */
  #connecting: ReturnType<typeof setTimeout> | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #attempts = 0;
  /** Whether plain HTTP reaches the gateway from here: a policy may allow the WebSocket alone. */
  #canProbe = false;
  #leaseKey: string | null;
  #paused: boolean;
  #sticky: { readonly body: ReturnBody; readonly expiresAtMs: number } | null = null;
  #nextId = 1;
  /** What was sent on this socket and is not answered: the element's id by the message's id; null for the sticky value. */
  readonly #unanswered = new Map<number, number | null>();
  readonly #pings = new Map<number, number>();
  #window: number | null = null;
  #box: Box | null = null;
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
    this.#timers = [setInterval(() => this.#ping(), PING_INTERVAL_MS), setInterval(() => this.#report(), STATS_INTERVAL_MS)];
    this.#connect();
  }

  command(command: SessionCommand): void {
    switch (command.kind) {
      case 'paused':
        if (this.#paused === command.paused) return;
        this.#paused = command.paused;
        if (this.#isOpen) this.#socket?.send(encodeMessage({ type: 'want', paused: command.paused }));
        else if (!command.paused) this.#retryNow();
        return;
      case 'return-data': {
        const { id, body, ttlMs } = command;
        this.#sticky = body === null ? null : { body, expiresAtMs: ttlMs === null ? Infinity : performance.now() + ttlMs };
        if (this.#isOpen) this.#return(body ?? { kind: 'value', value: null }, 'sticky', ttlMs, id);
        // Without a connection there is nothing to refuse: it is set with the next one.
        else this.#emit({ kind: 'returned', id, accepted: true, code: '', reason: '' });
        return;
      }
      case 'send':
        if (this.#isOpen) this.#return(command.body, 'once', command.ttlMs, command.id);
        else this.#emit({ kind: 'returned', id: command.id, accepted: false, code: 'closed', reason: 'there is no connection to the gateway' });
        return;
      case 'snapshot':
        void this.#snapshot(command.id, command.form);
        return;
      case 'box':
        this.#box = command.box;
        return;
      case 'retry':
        this.#retryNow();
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
    for (const timer of [this.#retry, this.#connecting]) if (timer !== null) clearTimeout(timer);
    this.#decoder.reset();
    this.#drawn = null;
    this.#socket?.close(1000);
  }

  #retryNow(): void {
    if (this.#retry === null) return;
    this.#attempts = 0;
    this.#connect();
  }

  /**
   * Knocks by HTTP before it opens a WebSocket: after failed ones Firefox delays the next by itself, the longer the more
   * there were, and a gateway that is back would not be noticed for a while.
   */
  async #connectWhenThere(): Promise<void> {
    const pending = this.#retry;
    const isThere = !this.#canProbe || (await this.#probe());
    // Meanwhile somebody may have closed us, or asked for an attempt at once.
    if (this.#closed || this.#retry !== pending) return;
    if (isThere) this.#connect();
    else this.#tryLater(this.#backOff());
  }

  /** Whether the gateway answers HTTP. */
  async #probe(): Promise<boolean> {
    try {
      const url = this.#options.url.replace(/^ws/, 'http').replace(/streams\/[^/]*\/ws$/, 'healthz');
      await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      return true;
    } catch {
      return false; // nobody listens, or a policy forbids it: which of them was found out while there was a connection
    }
  }

  /** A gateway that comes back is found within 2 s; the jitter keeps many viewers from knocking at once. */
  #backOff(): number {
    const exponential = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    return exponential * (0.75 + Math.random() / 2);
  }

  #tryLater(waitMs: number): void {
    this.#retry = setTimeout(() => void this.#connectWhenThere(), waitMs);
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
    this.#connecting = setTimeout(() => this.#abandon(), CONNECT_TIMEOUT_MS);
  }

  /** The other end does not answer: its socket may take minutes to say so. */
  #abandon(): void {
    const socket = this.#socket;
    if (this.#closed || socket === null) return;
    this.#ended(ABNORMAL, '');
    socket.close();
  }

  #received(message: GatewayMessage, bytes: number): void {
    switch (message.type) {
      case 'welcome':
        this.#isOpen = true;
        this.#attempts = 0;
        if (this.#connecting !== null) clearTimeout(this.#connecting);
        this.#leaseKey = message.leaseKey;
        this.#stats = new SessionStats();
        this.#decoder.reset();
        this.#isFirst = true;
        this.#clock.welcome(message.clockUs);
        this.#emit({ kind: 'open', port: message.port, spectatorReason: message.spectatorReason ?? null, rights: message.rights, leaseKey: message.leaseKey });
        this.#emit({ kind: 'state', state: message.state, reason: message.reason });
        if (this.#paused) this.#socket?.send(encodeMessage({ type: 'want', paused: true }));
        this.#returnAgain();
        this.#ping();
        if (!this.#canProbe) void this.#probe().then((works) => (this.#canProbe = works));
        return;
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
      case 'pong': {
        const sentAtMs = this.#pings.get(message.id);
        this.#pings.delete(message.id);
        if (sentAtMs !== undefined) this.#clock.pong(message.clockUs, sentAtMs);
        this.#window = message.window ?? null;
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
    if (this.#connecting !== null) clearTimeout(this.#connecting);
    this.#pings.clear();
    this.#clock.reset();
    for (const id of this.#unanswered.values()) {
      if (id !== null) this.#emit({ kind: 'returned', id, accepted: false, code: 'closed', reason: 'the connection ended before the gateway answered' });
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
      this.#emit({ kind: 'state', state: 'connecting', reason: wasOpen ? 'the connection to the gateway was lost' : noAnswer(this.#options.url) });
    }
    this.#tryLater(SLOW_CODES.has(code) ? SLOW_RETRY_MS : this.#backOff());
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
    this.#unanswered.set(id, answerTo);
    const { head, payload } = encodeReturn({ type: 'return', id, mode, body, ...(ttlMs === null ? {} : { ttlMs }) });
    this.#socket?.send(payload.byteLength === 0 ? head : new Blob([head, payload as Uint8Array<ArrayBuffer>]));
  }

  #acknowledge({ sequence }: FrameMessage): void {
    if (!this.#isOpen) return;
    const { skipped, failed } = this.#decoder;
    const { delayMs } = this.#stats;
    this.#socket?.send(encodeMessage({ type: 'ack', sequence, painted: this.#stats.painted, skipped, failed, decodeMs: this.#stats.decodeMs, ...(delayMs === null ? {} : { delayMs: Math.max(0, delayMs) }) }));
  }

  #draw(frame: FrameMessage, picture: Picture, decodeMs: number): void {
    const { sequence, width, height, message, receivedAtUs } = frame;
    this.#painter.draw(picture);
    picture.close();
    const ageMs = this.#clock.ageMs(receivedAtUs);
    this.#stats.drawn(this.#isFirst ? null : ageMs, decodeMs);
    this.#isFirst = false;
    this.#drawn = frame;
    this.#emit({ kind: 'frame', sequence, width, height, message, ageMs });
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

  #ping(): void {
    if (!this.#isOpen) return;
    const [oldestMs] = this.#pings.values();
    if (oldestMs !== undefined && performance.now() - oldestMs > PONG_TIMEOUT_MS) {
      this.#abandon();
      return;
    }
    const id = this.#nextId;
    this.#nextId += 1;
    this.#pings.set(id, performance.now());
    this.#socket?.send(encodeMessage({ type: 'ping', id }));
  }

  #report(): void {
    const { skipped, failed } = this.#decoder;
    this.#emit({ kind: 'stats', stats: this.#stats.read(skipped, failed, this.#clock.roundTripMs, this.#window) });
  }
}

/** A browser does not say why a WebSocket was not opened; a page of another origin may have been refused for that. */
function noAnswer(url: string): string {
  const { host, origin } = new URL(url.replace(/^ws/, 'http'));
  return `the gateway at ${host} does not answer${origin === self.origin ? '' : `, or is not started with --allow-origin ${self.origin}`}`;
}
