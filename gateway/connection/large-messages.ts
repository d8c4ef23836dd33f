/** Messages larger than this are limited in number. */
const LARGE_BYTES = 256 << 10;

/** Maximum number of large messages that are received at the same time, in total and per address. */
const MAX_IN_ALL = 8;
const MAX_PER_ADDRESS = 4;

/** Time that a large message may take while others wait. */
const TIMEOUT_MS = 10_000;

const TICK_MS = 1000;

/** The connection of a peer that sends messages. */
interface MessageSender {
  /** As returned by `addressKey`. */
  readonly address: string;
  /** Continues reading from the connection. */
  resume(): void;
  /** Called every second while reading is paused: the peer cannot be heard, but is not silent. */
  paused(): void;
  /** Called when a message took too long while others waited. */
  timedOut(reason: string): void;
}

/**
 * Limits how many large WebSocket messages are received at the same time, because each one is collected in memory until
 * it is complete. Connections beyond the limit are not read until their turn comes; the first to wait is the first to
 * continue.
 */
export class LargeMessages {
  /** With the time at which each one started. */
  readonly #receiving = new Map<MessageSender, number>();
  readonly #waiting = new Set<MessageSender>();
  #timer: NodeJS.Timeout | null = null;

  /** Starts counting a connection's messages. The meter must be closed with the connection. */
  join(sender: MessageSender): MessageMeter {
    return new MessageMeter(() => this.#start(sender), () => this.#end(sender));
  }

  /** @returns false if the connection has to wait. */
  #start(sender: MessageSender): boolean {
    if (this.#receiving.has(sender)) return true;
    if (this.#waiting.has(sender) || !this.#hasRoom(sender)) {
      this.#waiting.add(sender);
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
      return false;
    }
    this.#receiving.set(sender, performance.now());
    return true;
  }

  #end(sender: MessageSender): void {
    this.#waiting.delete(sender);
    // In a later turn of the event loop, so that a series of large messages does not block it.
    if (this.#receiving.delete(sender)) setImmediate(() => this.#next());
    this.#stopTimer();
  }

  #next(): void {
    for (const sender of this.#waiting) {
      if (this.#receiving.size >= MAX_IN_ALL) break;
      if (!this.#hasRoom(sender)) continue;
      this.#waiting.delete(sender);
      this.#receiving.set(sender, performance.now());
      sender.resume();
    }
    this.#stopTimer();
  }

  #hasRoom({ address }: MessageSender): boolean {
    if (this.#receiving.size >= MAX_IN_ALL) return false;
    let count = 0;
    for (const other of this.#receiving.keys()) if (other.address === address) count += 1;
    return count < MAX_PER_ADDRESS;
  }

  #tick(): void {
    for (const sender of this.#waiting) sender.paused();
    const startedBefore = performance.now() - TIMEOUT_MS;
    for (const [sender, startedAtMs] of this.#receiving) {
      if (startedAtMs < startedBefore) sender.timedOut(`a message of more than ${LARGE_BYTES >> 10} KiB took more than ${TIMEOUT_MS / 1000} s while others waited`);
    }
  }

  #stopTimer(): void {
    if (this.#waiting.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}

/** Counts the bytes of one connection's current message. */
class MessageMeter {
  readonly #start: () => boolean;
  readonly #end: () => void;
  #bytes = 0;

  constructor(start: () => boolean, end: () => void) {
    this.#start = start;
    this.#end = end;
  }

  /** Counts input. @returns false if reading must pause until `resume` is called. */
  received(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes <= LARGE_BYTES || this.#start();
  }

  /** Must be called for each complete message. */
  completed(): void {
    if (this.#bytes > LARGE_BYTES) this.#end();
    this.#bytes = 0;
  }

  /** Subtracts a ping or pong, which does not end the message that it interrupts. @param bytes with its header. */
  control(bytes: number): void {
    this.#bytes = Math.max(0, this.#bytes - bytes);
  }

  close(): void {
    this.#end();
  }
}
