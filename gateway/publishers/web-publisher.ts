import type { WebSocket } from 'ws';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import { runInBackground } from '../../shared/background.ts';
import { formatLabel } from '../../shared/clean-text.ts';
import { GearwayError, errorText } from '../../shared/errors.ts';
import { closeCode, type Data, decodePublisherMessage, type ElementBudget, encodeData, type Hello, MAX_HEADER_BYTES, PRELUDE_BYTES, type PublishedFrame, type PublisherMessage, type ReturnBody } from '../../shared/protocol.ts';
import type { EventKind, GatewayEvent } from '../../shared/status.ts';
import type { InputBudget } from '../connection/input-budget.ts';
import { type NotAllowed, type ProtocolPeer, ProtocolSocket, type ProtocolSocketLimits, type SocketEnd } from '../connection/protocol-socket.ts';
import { setMessageLimit } from '../connection/web-socket.ts';
import { nowUs } from '../hub/clock.ts';
import type { ReturnChanges } from '../hub/returns/return-changes.ts';
import type { ReturnData } from '../hub/returns/returns.ts';
import type { Stream } from '../hub/stream.ts';
import { formatPythonJson, MAX_DEPTH } from '../codecs/python-json.ts';
import type { PublisherEnd, PublisherSeat, Publishing } from '../sources/push/publishing.ts';

/** Maximum number of bytes of a publisher's message, a frame, once it is admitted. */
export const MAX_PUBLISHED_MESSAGE_BYTES = PRELUDE_BYTES + MAX_HEADER_BYTES + FRAME_LIMITS.payloadBytes;

export interface WebPublisherOptions {
  /** The stream, and its publisher's place, null where its source takes none; or why there is no such stream. */
  readonly served: { readonly stream: Stream; readonly publishing: Publishing | null } | { readonly stream: null; readonly reason: string };
  /** Takes an event of the stream, also of one that does not exist. */
  readonly report: (event: Omit<GatewayEvent, 'id' | 'time' | 'stream'>) => void;
  readonly address: string;
  /** Decides whether the owner of this token may publish. */
  readonly authorize: (token: string | undefined) => { readonly allowed: true; readonly principal: { readonly rights: readonly string[] } } | NotAllowed;
  readonly limits: ProtocolSocketLimits;
  /** The input budget that the publisher shares with others of its address. Its frames' bytes do not count. */
  readonly addressBudget?: InputBudget | null;
  /** Called once, when the publisher is admitted. */
  readonly onAdmitted?: () => void;
}

/** A publisher that was admitted to its stream. */
interface Admitted {
  readonly stream: Stream;
  readonly seat: PublisherSeat;
  readonly label: string;
  readonly returns: ReturnChanges;
}

type Message = Exclude<PublisherMessage, Hello>;

/** A publisher's WebSocket, as docs/protocol.md says under "Publishing". It sits in its stream from its hello until the socket ends. */
export class WebPublisher implements ProtocolPeer<Message> {
  readonly role = 'publisher';
  readonly #socket: WebSocket;
  readonly #options: WebPublisherOptions;
  readonly #protocol: ProtocolSocket<Message>;
  /** null before the publisher is admitted, and once the connection has ended. */
  #admitted: Admitted | null = null;
  /** Whether its refusal has been reported already. */
  #isReported = false;
  #lastSequence = -1;
  /** Bytes of the return data that is on its way to the kernel. */
  #sendingBytes = 0;

  constructor(socket: WebSocket, options: WebPublisherOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#protocol = new ProtocolSocket(socket, this, options.limits, options.addressBudget);
  }

  /** Settles when the socket has ended. */
  get closed(): Promise<void> {
    return this.#protocol.closed;
  }

  get unsentBytes(): number {
    return this.#sendingBytes;
  }

  /** Ends the connection with a code of the protocol. Idempotent. */
  close(code: number, reason: string): void {
    this.#protocol.close(code, reason);
  }

  /** Counts bytes that arrived on the connection before its hello; those of frames are not limited, because what is not read stays in the socket. */
  receivedBytes(bytes: number): void {
    this.#protocol.receivedBytes(bytes);
  }

  decode(data: Uint8Array, elements: ElementBudget): PublisherMessage | undefined {
    return decodePublisherMessage(data, elements);
  }

  received(message: Message): void {
    switch (message.type) {
      case 'frame':
        this.#publish(message);
        return;
      case 'ping':
        this.#protocol.send({ type: 'pong', id: message.id, clockUs: nowUs() });
        return;
      default:
        message satisfies never;
    }
  }

  greet({ token, name = '', takeOver = false }: Hello): void {
    const { served, address, authorize, limits } = this.#options;
    const decision = authorize(token);
    if (!decision.allowed) {
      this.#isReported = decision.isReported;
      this.#protocol.refuse(closeCode.notAllowed, decision.message, decision.delay);
      return;
    }
    // Only now: whether a stream exists is not for everyone to know.
    if (served.stream === null) {
      this.close(closeCode.unknownStream, served.reason);
      return;
    }
    const { stream, publishing } = served;
    if (publishing === null) {
      this.close(closeCode.notForPublishers, 'this stream has a source of its own; start the gateway with --source push:');
      return;
    }
    const label = formatLabel(name, address);
    let seat: PublisherSeat;
    try {
      seat = publishing.enter({ label, end: (end) => this.#seatLost(end) }, { takeOver });
    } catch (error) {
      const isPresent = error instanceof GearwayError && error.code === 'publisher-present';
      this.close(isPresent ? closeCode.publisherPresent : closeCode.goingAway, errorText(error));
      return;
    }
    setMessageLimit(this.#socket, MAX_PUBLISHED_MESSAGE_BYTES);
    this.#options.onAdmitted?.();
    this.#protocol.admit(null);
    const returns = seat.returns();
    this.#admitted = { stream, seat, label, returns };
    this.#report('connect', label, 'publishes');
    this.#protocol.send({
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

  #publish({ sequence, capturedAtUs, encoding, message, payload }: PublishedFrame): void {
    if (this.#admitted === null) return;
    const { stream, seat } = this.#admitted;
    if (sequence <= this.#lastSequence) throw new GearwayError('message-invalid', `frame ${sequence} came after frame ${this.#lastSequence}, expected rising numbers`);
    this.#lastSequence = sequence;
    try {
      formatPythonJson(message); // what cannot be written for Python must fail here, not at a client
      seat.publish(encoding.kind === 'jpeg' ? payload : { dtype: encoding.dtype, shape: encoding.shape, data: payload }, { message, capturedAtUs: capturedAtUs ?? null });
      this.#protocol.send({ type: 'taken', sequence, clients: stream.clientCount });
    } catch (error) {
      if (!(error instanceof GearwayError)) throw error;
      seat.reject(error);
      this.#protocol.send({ type: 'taken', sequence, clients: stream.clientCount, code: error.code, reason: error.message });
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
    if (end.kind === 'taken-over') this.close(closeCode.takenOver, `the stream has another publisher now: ${end.by}; close this one`);
    else this.close(closeCode.goingAway, 'the gateway stops');
  }

  ended(end: SocketEnd): void {
    const admitted = this.#admitted;
    this.#admitted = null;
    const what = formatEnd(end);
    if (admitted === null) {
      if (!this.#isReported) this.#report('refuse', this.#options.address, what);
      return;
    }
    const { label, returns, seat } = admitted;
    this.#report(end.kind === 'closed' && end.code === closeCode.takenOver ? 'take-over' : 'disconnect', label, what);
    returns.detach();
    seat.leave(`${label} ${what}`);
  }

  #report(kind: EventKind, address: string, reason: string): void {
    this.#options.report({ kind, client: null, port: null, address, reason });
  }
}

/** What the publisher did, or what was done to it. */
function formatEnd(end: SocketEnd): string {
  switch (end.kind) {
    case 'left':
      return 'has left';
    case 'silent':
      return `was not heard of for ${end.timeoutMs / 1000} s`;
    case 'closed':
      return `was closed: ${end.reason}`;
    default:
      return end satisfies never;
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
