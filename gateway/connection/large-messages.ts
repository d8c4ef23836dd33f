/** Messages up to this size are not limited. */
const LARGE_BYTES = 256 << 10;

/** Maximum size of the large messages that are being received, in total and per address. */
const MAX_BYTES = 48 << 20;
const MAX_BYTES_PER_ADDRESS = 24 << 20;

/** Maximum time for which a large message may be read while others wait. */
const TIMEOUT_MS = 10_000;

const TICK_MS = 1000;

/** The connection of a peer that sends messages. */
interface MessageSender {
  /** As returned by `addressKey`. */
  readonly address: string;
  /** Continues reading from the connection. */
  resume(): void;
  /** Called every second while reading is paused: the peer's messages cannot be read, but it is not silent. */
  paused(): void;
  /** Called when a message took too long while others waited. */
  timedOut(reason: string): void;
}

/** An incomplete large message. */
interface LargeMessage {
  /** When the message became large, or was last allowed to continue. */
  startedAtMs: number;
  bytes: number;
  isWaiting: boolean;
}

/**
 * Limits the memory of incomplete WebSocket messages: each one is collected until it is complete. When the large ones
 * have reached the limit, reading from further connections is paused until others have completed their messages. The
 * oldest message is never paused, so that there is progress.
 */
export class LargeMessages {
  /** Large messages, in the order in which they exceeded the size. */
  readonly #messages = new Map<MessageSender, LargeMessage>();
  #bytes = 0;
  readonly #addressBytes = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;

  /** Starts counting a connection's messages. The meter must be closed with the connection. */
  join(sender: MessageSender): MessageMeter {
    return new MessageMeter({
      received: (bytes) => this.#received(sender, bytes),
      completed: () => this.#end(sender),
      isWaiting: () => this.#messages.get(sender)?.isWaiting === true,
    });
  }

  #received(sender: MessageSender, bytes: number): void {
    let message = this.#messages.get(sender);
    if (message === undefined) {
      message = { startedAtMs: performance.now(), bytes: 0, isWaiting: false };
      this.#messages.set(sender, message);
    }
    this.#count(sender, bytes - message.bytes);
    message.bytes = bytes;
    message.isWaiting = !this.#mayContinue(sender);
    if (message.isWaiting) this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #mayContinue(sender: MessageSender): boolean {
    const { address } = sender;
    if (this.#bytes > MAX_BYTES) return this.#isOldest(sender, () => true);
    return (
      (this.#addressBytes.get(address) ?? 0) <= MAX_BYTES_PER_ADDRESS ||
      this.#isOldest(sender, (other) => other.address === address)
    );
  }

  #isOldest(sender: MessageSender, among: (other: MessageSender) => boolean): boolean {
    for (const other of this.#messages.keys()) if (among(other)) return other === sender;
    return false;
  }

  #count({ address }: MessageSender, bytes: number): void {
    this.#bytes += bytes;
    const ofAddress = (this.#addressBytes.get(address) ?? 0) + bytes;
    if (ofAddress > 0) this.#addressBytes.set(address, ofAddress);
    else this.#addressBytes.delete(address);
  }

  #end(sender: MessageSender): void {
    const message = this.#messages.get(sender);
    if (message === undefined) return;
    this.#messages.delete(sender);
    this.#count(sender, -message.bytes);
    // Resumes in a later iteration of the event loop, so that a series of large messages does not block it.
    setImmediate(() => this.#resume());
  }

  #resume(): void {
    let isAnyWaiting = false;
    for (const [sender, message] of this.#messages) {
      if (!message.isWaiting) continue;
      message.isWaiting = !this.#mayContinue(sender);
      if (message.isWaiting) {
        isAnyWaiting = true;
        continue;
      }
      message.startedAtMs = performance.now();
      sender.resume();
    }
    if (isAnyWaiting || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick(): void {
    const startedBeforeMs = performance.now() - TIMEOUT_MS;
    for (const [sender, { isWaiting, startedAtMs }] of this.#messages) {
      if (isWaiting) sender.paused();
      else if (startedAtMs < startedBeforeMs)
        sender.timedOut(
          `a message of more than ${LARGE_BYTES >> 10} KiB took more than ${TIMEOUT_MS / 1000} s while others waited`,
        );
    }
  }
}

/** How a {@link MessageMeter} reports a large message. */
interface LargeMessageCount {
  /** @param bytes size of the message up to now. */
  received(bytes: number): void;
  /** Idempotent. */
  completed(): void;
  isWaiting(): boolean;
}

/** Counts the bytes of one connection's current message. */
class MessageMeter {
  readonly #large: LargeMessageCount;
  #bytes = 0;

  constructor(large: LargeMessageCount) {
    this.#large = large;
  }

  /** Whether reading must pause until `resume` is called. */
  get isWaiting(): boolean {
    return this.#large.isWaiting();
  }

  /** Counts input. */
  received(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > LARGE_BYTES) this.#large.received(this.#bytes);
  }

  /** Must be called for each complete message. */
  completed(): void {
    if (this.#bytes > LARGE_BYTES) this.#large.completed();
    this.#bytes = 0;
  }

  /** Subtracts a ping or pong, which does not end the message that it interrupts. @param bytes with its header. */
  control(bytes: number): void {
    this.#bytes = Math.max(0, this.#bytes - bytes);
  }

  close(): void {
    this.#large.completed();
  }
}
