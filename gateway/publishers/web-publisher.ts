import type { WebSocket } from 'ws';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import { runInBackground } from '../../shared/background.ts';
import { formatLabel } from '../../shared/clean-text.ts';
import { GearwayError, errorText } from '../../shared/errors.ts';
import {
  closeCode,
  type Data,
  decodePublisherMessage,
  type ElementBudget,
  encodeData,
  type Hello,
  MAX_HEADER_BYTES,
  PRELUDE_BYTES,
  type PublishedFrame,
  type PublisherMessage,
  type ReturnBody,
} from '../../shared/protocol.ts';
import type { EventKind, GatewayEvent } from '../../shared/status.ts';
import type { InputBudget } from '../connection/input-budget.ts';
import {
  type NotAllowed,
  type ProtocolPeer,
  ProtocolSocket,
  type ProtocolSocketLimits,
  type SocketEnd,
} from '../connection/protocol-socket.ts';
import { setMessageLimit } from '../connection/web-socket.ts';
import { nowUs } from '../hub/clock.ts';
import type { ReturnChanges } from '../hub/returns/return-changes.ts';
import type { ReturnData } from '../hub/returns/returns.ts';
import type { Stream } from '../hub/stream.ts';
import type { Principal } from '../rights/principal.ts';
import { formatPythonJson, MAX_DEPTH } from '../codecs/python-json.ts';
import type { PublisherEnd, PublisherLease, Publishing } from '../sources/push/publishing.ts';

/** Maximum size of a message, that is a frame, of an admitted publisher. */
export const MAX_PUBLISHED_MESSAGE_BYTES = PRELUDE_BYTES + MAX_HEADER_BYTES + FRAME_LIMITS.payloadBytes;

interface WebPublisherOptions {
  /**
   * The requested stream, with `publishing` null if its source does not accept publishers; or why it does not exist.
   */
  readonly served:
    | { readonly stream: Stream; readonly publishing: Publishing | null }
    | { readonly stream: null; readonly reason: (principal: Principal) => string };
  /** Records an event of the requested stream, even if the stream does not exist. */
  readonly report: (event: Omit<GatewayEvent, 'id' | 'time' | 'stream'>) => void;
  readonly address: string;
  /** Decides whether the owner of this token may publish. */
  readonly authorize: (token: string | undefined) => PublisherAuthorization | Promise<PublisherAuthorization>;
  readonly limits: ProtocolSocketLimits;
  /** Input budget shared by all connections of the publisher's address. Bytes of frames do not count. */
  readonly addressBudget?: InputBudget | null;
  /** Called once, when the publisher is admitted. */
  readonly onAdmitted?: () => void;
}

/** Whether a publisher may publish. */
type PublisherAuthorization = { readonly allowed: true; readonly principal: Principal } | NotAllowed;

/** An admitted publisher. */
interface Admitted {
  readonly stream: Stream;
  readonly lease: PublisherLease;
  readonly label: string;
  readonly returns: ReturnChanges;
  /** Stops watching for the end of its rights. */
  readonly unwatch: () => void;
}

type Message = Exclude<PublisherMessage, Hello>;

/**
 * A publisher's WebSocket (docs/protocol.md, "Publishing"). Owns the publisher lease from its hello until the socket
 * closes.
 */
export class WebPublisher implements ProtocolPeer<Message> {
  readonly role = 'publisher';
  readonly #socket: WebSocket;
  readonly #options: WebPublisherOptions;
  readonly #protocol: ProtocolSocket<Message>;
  /** null before the publisher is admitted, and after the connection has closed. */
  #admitted: Admitted | null = null;
  /** Whether the refusal has already been reported. */
  #isReported = false;
  #isEnded = false;
  #lastSequence = -1;
  /** Size of the return data that is being sent. */
  #sendingBytes = 0;

  constructor(socket: WebSocket, options: WebPublisherOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#protocol = new ProtocolSocket(socket, this, options.limits, options.addressBudget);
  }

  /** Resolves when the socket has closed. */
  get closed(): Promise<void> {
    return this.#protocol.closed;
  }

  get unsentBytes(): number {
    return this.#sendingBytes;
  }

  /** Closes the connection with a close code of the protocol. Idempotent. */
  close(code: number, reason: string): void {
    this.#protocol.close(code, reason);
  }

  /** Counts bytes received before the hello. Those of frames are not limited, because back-pressure applies. */
  receivedBytes(bytes: number): void {
    this.#protocol.receivedBytes(bytes);
  }

  /** Must be called at intervals while reading from the connection is paused. */
  inputPaused(): void {
    this.#protocol.inputPaused();
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

  greet(hello: Hello): void {
    const decision = this.#options.authorize(hello.token);
    if (!(decision instanceof Promise)) {
      this.#decided(hello, decision);
      return;
    }
    this.#protocol.postpone();
    runInBackground(
      decision.then((decided) => this.#decided(hello, decided)),
      (error) => this.close(closeCode.goingAway, errorText(error)),
    );
  }

  #decided({ name = '', takeOver = false }: Hello, decision: PublisherAuthorization): void {
    // The publisher has disconnected in the meantime.
    if (this.#isEnded) return;
    const { served, address, limits } = this.#options;
    if (!decision.allowed) {
      this.#isReported = decision.isReported;
      this.#protocol.refuse(closeCode.notAllowed, decision.message, decision.delay);
      return;
    }
    // Checked after authorization, so that unauthorized clients cannot find out which streams exist.
    if (served.stream === null) {
      this.close(closeCode.unknownStream, served.reason(decision.principal));
      return;
    }
    const { stream, publishing } = served;
    if (publishing === null) {
      this.close(closeCode.notForPublishers, 'this stream has another source; start the gateway with --source push:');
      return;
    }
    const label = formatLabel(name, address);
    let lease: PublisherLease;
    try {
      lease = publishing.enter({ label, end: (end) => this.#leaseLost(end) }, { takeOver });
    } catch (error) {
      const isPresent = error instanceof GearwayError && error.code === 'publisher-present';
      this.close(isPresent ? closeCode.publisherPresent : closeCode.goingAway, errorText(error));
      return;
    }
    setMessageLimit(this.#socket, MAX_PUBLISHED_MESSAGE_BYTES);
    this.#options.onAdmitted?.();
    this.#protocol.admit(null);
    const returns = lease.returns();
    const unwatch = decision.principal.whenEndedLater(({ reason, mayRetry }) =>
      this.close(mayRetry ? closeCode.goingAway : closeCode.notAllowed, reason),
    );
    this.#admitted = { stream, lease, label, returns, unwatch };
    this.#report('connect', label, 'publishes');
    this.#protocol.send({
      type: 'welcome',
      stream: stream.name,
      port: null,
      leaseKey: null,
      rights: decision.principal.rights,
      limits: {
        messageBytes: MAX_PUBLISHED_MESSAGE_BYTES,
        messagesPerSecond: limits.messagesPerSecond,
        depth: MAX_DEPTH,
      },
      state: stream.state,
      reason: stream.reason,
      clockUs: nowUs(),
    });
    runInBackground(this.#forward(returns), (error) =>
      this.close(closeCode.goingAway, `return data cannot be sent: ${errorText(error)}`),
    );
  }

  #publish({ sequence, capturedAtUs, encoding, message, payload }: PublishedFrame): void {
    if (this.#admitted === null) return;
    const { stream, lease } = this.#admitted;
    if (sequence <= this.#lastSequence) {
      throw new GearwayError(
        'message-invalid',
        `frame ${sequence} follows frame ${this.#lastSequence}, expected increasing numbers`,
      );
    }
    this.#lastSequence = sequence;
    try {
      formatPythonJson(message); // A message that has no Python JSON is rejected here, not when it is sent to a client.
      lease.publish(
        encoding.kind === 'jpeg' ? payload : { dtype: encoding.dtype, shape: encoding.shape, data: payload },
        { message, capturedAtUs: capturedAtUs ?? null },
      );
      this.#protocol.send({ type: 'taken', sequence, clients: stream.clientCount });
    } catch (error) {
      if (!(error instanceof GearwayError)) throw error;
      lease.reject(error);
      this.#protocol.send({
        type: 'taken',
        sequence,
        clients: stream.clientCount,
        code: error.code,
        reason: error.message,
      });
    }
  }

  /**
   * Sends each change after the previous one has been passed to the kernel; waiting changes are conflated in the
   * meantime.
   */
  async #forward(changes: ReturnChanges): Promise<void> {
    for await (const { port, mode, data } of changes) {
      const encoded = encodeChange({ type: 'data', port, mode, body: toBody(data) });
      this.#sendingBytes = encoded.byteLength;
      // The callback also runs when the socket closes.
      await new Promise<void>((resolve) => this.#socket.send(encoded, () => resolve()));
      this.#sendingBytes = 0;
    }
  }

  #leaseLost(end: PublisherEnd): void {
    if (end.kind === 'taken-over')
      this.close(closeCode.takenOver, `the stream has another publisher now: ${end.by}; close this one`);
    else this.close(closeCode.goingAway, 'the gateway is stopping');
  }

  ended(end: SocketEnd): void {
    const admitted = this.#admitted;
    this.#admitted = null;
    this.#isEnded = true;
    const what = formatEnd(end);
    if (admitted === null) {
      if (!this.#isReported) this.#report('refuse', this.#options.address, what);
      return;
    }
    const { label, returns, lease, unwatch } = admitted;
    unwatch();
    this.#report(end.kind === 'closed' && end.code === closeCode.takenOver ? 'take-over' : 'disconnect', label, what);
    returns.detach();
    lease.leave(`${label} ${what}`);
  }

  #report(kind: EventKind, address: string, reason: string): void {
    this.#options.report({ kind, client: null, port: null, address, reason });
  }
}

/** Describes the end as a predicate, with the publisher as its subject. */
function formatEnd(end: SocketEnd): string {
  switch (end.kind) {
    case 'left':
      return 'has left';
    case 'silent':
      return `timed out after ${end.timeoutMs / 1000} s without data`;
    case 'closed':
      return `was closed: ${end.reason}`;
    default:
      return end satisfies never;
  }
}

function encodeChange(data: Data): Uint8Array {
  const { head, payload } = encodeData(data);
  // A native client's JSON may exceed the maximum message size as MessagePack. Null is better than the outdated
  // previous value.
  if (head.byteLength > PRELUDE_BYTES + MAX_HEADER_BYTES)
    return encodeChange({ ...data, body: { kind: 'value', value: null } });
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
