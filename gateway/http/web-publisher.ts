import type { WebSocket } from 'ws';
import { runInBackground } from '../../shared/background.ts';
import { formatLabel } from '../../shared/clean-text.ts';
import { GearwayError, errorText } from '../../shared/errors.ts';
import { closeCode, type Data, decodePublisherMessage, type ElementBudget, encodeData, encodeMessage, type Hello, MAX_HEADER_BYTES, PRELUDE_BYTES, type Pong, type PublishedFrame, type ReturnBody, type Taken, type Welcome } from '../../shared/protocol.ts';
import type { EventKind, GatewayEvent } from '../../shared/status.ts';
import { InputBudget } from '../clients/input-budget.ts';
import type { WebClientLimits } from '../clients/web-client.ts';
import { closeWebSocket, setMessageLimit } from '../clients/web-socket.ts';
import { nowUs } from '../hub/clock.ts';
import type { ReturnChanges } from '../hub/return-changes.ts';
import type { ReturnData } from '../hub/returns.ts';
import type { Stream } from '../hub/stream.ts';
import { DEFAULT_FRAME_LIMITS } from '../netgear/frame-codec.ts';
import { formatPythonJson, MAX_DEPTH } from '../netgear/python-json.ts';
import type { PublisherEnd, PublisherSeat, Publishing } from '../sources/publishing.ts';
import type { Decision, Refusal } from './guard.ts';

/** Maximum number of bytes of a publisher's message, a frame, once it is admitted. */
export const MAX_PUBLISHED_MESSAGE_BYTES = PRELUDE_BYTES + MAX_HEADER_BYTES + DEFAULT_FRAME_LIMITS.payloadBytes;

const TICK_MS = 1000;

export interface WebPublisherOptions {
  /** The stream, and its publisher's place, null where its source takes none; or why there is no such stream. */
  readonly served: { readonly stream: Stream; readonly publishing: Publishing | null } | { readonly stream: null; readonly reason: string };
  /** Takes an event of the stream, also of one that does not exist. */
  readonly report: (event: Omit<GatewayEvent, 'id' | 'time' | 'stream'>) => void;
  readonly address: string;
  /** Decides whether the owner of this token may publish. */
  readonly authorize: (token: string | undefined) => Decision;
  readonly limits: Pick<WebClientLimits, 'messagesPerSecond' | 'elementsPerSecond' | 'watchingBytesPerSecond' | 'bufferedBytes' | 'helloTimeoutMs' | 'silenceTimeoutMs'>;
  /** The input budget that the publisher shares with others of its address. Its frames' bytes do not count. */
  readonly addressBudget?: InputBudget | null;
  /** Called once, when the publisher is admitted. */
  readonly onAdmitted?: () => void;
}

type Phase =
  | { readonly kind: 'greeting' }
  /** A refusal that is delayed: nothing that comes meanwhile is read. */
  | { readonly kind: 'refused'; readonly isReported: boolean }
  | { readonly kind: 'seated'; readonly stream: Stream; readonly seat: PublisherSeat; readonly label: string; readonly returns: ReturnChanges }
  | { readonly kind: 'closed' };

/** A publisher's WebSocket, as docs/protocol.md says under "Publishing". It sits in its stream from its hello until the socket ends. */
export class WebPublisher {
  /** Settles when the socket has ended. */
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #options: WebPublisherOptions;
  readonly #budget: InputBudget;
  readonly #elements: ElementBudget;
  readonly #timer: NodeJS.Timeout;
  readonly #openedAtMs = performance.now();
  #phase: Phase = { kind: 'greeting' };
  #heardAtMs = performance.now();
  #lastSequence = -1;
  /** Bytes of the return data that is on its way to the kernel. */
  #sendingBytes = 0;

  constructor(socket: WebSocket, options: WebPublisherOptions) {
    this.#socket = socket;
    this.#options = options;
    const { limits, addressBudget = null } = options;
    this.#budget = new InputBudget({ ...limits, bytesPerSecond: limits.watchingBytesPerSecond }, addressBudget);
    this.#elements = this.#budget.elementBudget();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#ended('disconnect', 'has left');
        resolve();
      });
    });
    socket.on('ping', () => this.#receivedControl());
    socket.on('pong', () => this.#receivedControl());
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#received(data, isBinary));
    // A transport error is followed by 'close'; an unhandled 'error' event would end the process.
    socket.on('error', () => undefined);
  }

  /** Ends the connection with a code of the protocol. Idempotent. */
  close(code: number, reason: string): void {
    this.#close('disconnect', code, reason);
  }

  /** Counts bytes that came on the connection before its hello; those of frames are not limited, since what is not read stays in the socket. */
  receivedBytes(bytes: number): void {
    if (this.#phase.kind === 'seated' || this.#phase.kind === 'closed') return;
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
    const phase = this.#phase;
    if (phase.kind === 'closed' || phase.kind === 'refused') return;
    this.#heardAtMs = performance.now();
    try {
      this.#budget.spendMessage(this.#heardAtMs);
      if (!isBinary) throw new GearwayError('message-invalid', 'a text message came, expected binary ones');
      const message = decodePublisherMessage(data, this.#elements);
      if (message === undefined) return;
      if (phase.kind === 'greeting') {
        if (message.type !== 'hello') throw new GearwayError('message-invalid', `the first message is ${message.type}, expected hello`);
        this.#greet(message);
        return;
      }
      switch (message.type) {
        case 'hello':
          throw new GearwayError('message-invalid', 'hello came twice');
        case 'frame':
          this.#publish(phase, message);
          return;
        case 'ping':
          this.#send({ type: 'pong', id: message.id, clockUs: nowUs() });
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
    this.close(isTooMuch ? closeCode.tooMuch : closeCode.badMessage, errorText(error));
  }

  #greet({ token, name = '', takeOver = false }: Hello): void {
    const { served, address, authorize, limits } = this.#options;
    const decision = authorize(token);
    if (!decision.allowed) {
      this.#refuseToken(decision);
      return;
    }
    if (served.stream === null) {
      this.#refuse(closeCode.unknownStream, served.reason);
      return;
    }
    const { stream, publishing } = served;
    if (publishing === null) {
      this.#refuse(closeCode.notForPublishers, 'this stream has a source of its own; start the gateway with --source push:');
      return;
    }
    const label = formatLabel(name, address);
    let seat: PublisherSeat;
    try {
      seat = publishing.enter({ label, end: (end) => this.#seatLost(end) }, { takeOver });
    } catch (error) {
      const isPresent = error instanceof GearwayError && error.code === 'publisher-present';
      this.#refuse(isPresent ? closeCode.publisherPresent : closeCode.goingAway, errorText(error));
      return;
    }
    setMessageLimit(this.#socket, MAX_PUBLISHED_MESSAGE_BYTES);
    this.#options.onAdmitted?.();
    const returns = seat.returns();
    this.#phase = { kind: 'seated', stream, seat, label, returns };
    this.#report('connect', label, 'publishes');
    this.#send({
      type: 'welcome',
      stream: stream.name,
      port: null,
      leaseKey: null,
      rights: decision.principal.rights,
      limits: { messageBytes: MAX_PUBLISHED_MESSAGE_BYTES, messagesPerSecond: limits.messagesPerSecond, depth: MAX_DEPTH },
      state: stream.state,
      reason: stream.reason,
      clockUs: nowUs(),
    });
    runInBackground(this.#passOn(returns), (error) => this.close(closeCode.goingAway, `return data cannot be passed on: ${errorText(error)}`));
  }

  #publish({ stream, seat }: Extract<Phase, { kind: 'seated' }>, { sequence, capturedAtUs, encoding, message, payload }: PublishedFrame): void {
    if (sequence <= this.#lastSequence) throw new GearwayError('message-invalid', `frame ${sequence} came after frame ${this.#lastSequence}, expected rising numbers`);
    this.#lastSequence = sequence;
    try {
      formatPythonJson(message); // what cannot be written for Python must fail here, not at a client
      seat.publish(encoding.kind === 'jpeg' ? payload : { dtype: encoding.dtype, shape: encoding.shape, data: payload }, { message, capturedAtUs: capturedAtUs ?? null });
      this.#send({ type: 'taken', sequence, clients: stream.clientCount });
    } catch (error) {
      if (!(error instanceof GearwayError)) throw error;
      seat.reject(error);
      this.#send({ type: 'taken', sequence, clients: stream.clientCount, code: error.code, reason: error.message });
    }
  }

  /** Each change is sent when the one before has gone to the kernel: meanwhile newer ones take the place of those that wait. */
  async #passOn(changes: ReturnChanges): Promise<void> {
    for await (const { port, mode, data } of changes) {
      const encoded = encodeChange({ type: 'data', port, mode, body: toBody(data) });
      this.#sendingBytes = encoded.byteLength;
      // Settles also when the socket ends.
      await new Promise<void>((resolve) => this.#socket.send(encoded, () => resolve()));
      this.#sendingBytes = 0;
    }
  }

  #seatLost(end: PublisherEnd): void {
    if (end.kind === 'taken-over') this.#close('take-over', closeCode.takenOver, `the stream has another publisher now: ${end.by}; close this one`);
    else this.#close('disconnect', closeCode.goingAway, 'the gateway stops');
  }

  /** The stream's existence and state are not revealed before the token has been accepted. */
  #refuseToken({ message, delay, isReported }: Refusal): void {
    this.#phase = { kind: 'refused', isReported };
    const close = (): void => this.#refuse(closeCode.notAllowed, message);
    if (delay === null) close();
    else delay.then(close, close);
  }

  #refuse(code: number, reason: string): void {
    this.#close('refuse', code, reason);
  }

  #close(kind: EventKind, code: number, reason: string): void {
    if (this.#phase.kind === 'closed') return;
    this.#ended(kind, `was closed: ${reason}`);
    closeWebSocket(this.#socket, code, reason);
  }

  #send(message: Welcome | Taken | Pong): void {
    if (this.#phase.kind !== 'closed') this.#socket.send(encodeMessage(message));
  }

  #tick(): void {
    const { limits } = this.#options;
    const now = performance.now();
    if (this.#phase.kind === 'greeting' && now - this.#openedAtMs > limits.helloTimeoutMs) {
      this.#refuse(closeCode.noHello, `no hello came within ${limits.helloTimeoutMs / 1000} s`);
      return;
    }
    if (this.#socket.bufferedAmount > limits.bufferedBytes + this.#sendingBytes) {
      this.close(closeCode.tooMuch, 'the socket does not drain: the publisher does not read');
      return;
    }
    if (now - this.#heardAtMs > limits.silenceTimeoutMs) {
      this.#ended('disconnect', `was not heard of for ${limits.silenceTimeoutMs / 1000} s`);
      this.#socket.terminate();
      return;
    }
    this.#socket.ping();
  }

  /** @param what the publisher did, or what was done to it. */
  #ended(kind: EventKind, what: string): void {
    const phase = this.#phase;
    if (phase.kind === 'closed') return;
    this.#phase = { kind: 'closed' };
    clearInterval(this.#timer);
    const label = phase.kind === 'seated' ? phase.label : this.#options.address;
    // One that was never seated was refused, or left before it said anything.
    if (phase.kind !== 'refused' || !phase.isReported) this.#report(phase.kind === 'seated' ? kind : 'refuse', label, what);
    if (phase.kind !== 'seated') return;
    phase.returns.detach();
    phase.seat.leave(`${phase.label} ${what}`);
  }

  #report(kind: EventKind, address: string, reason: string): void {
    this.#options.report({ kind, client: null, port: null, address, reason });
  }
}

function encodeChange(data: Data): Uint8Array {
  const { head, payload } = encodeData(data);
  // JSON of a native client may take more as MessagePack than a message can have: better nothing than what counted before.
  if (head.byteLength > PRELUDE_BYTES + MAX_HEADER_BYTES) return encodeChange({ ...data, body: { kind: 'value', value: null } });
  return payload.byteLength === 0 ? head : Buffer.concat([head, payload]);
}

function toBody(data: ReturnData): ReturnBody {
  switch (data.kind) {
    case 'value':
      return { kind: 'value', value: data.value };
    case 'array':
      return { kind: 'array', array: data.array };
    case 'jpeg':
      return { kind: 'jpeg', data: data.data };
    default:
      return data satisfies never;
  }
}
