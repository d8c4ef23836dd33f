import { GearwayError } from '../../shared/errors.ts';
import type { ElementBudget } from '../../shared/protocol.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';

/** Input limits of one connection, or of all connections of one address together. */
export interface InputLimits {
  /** WebSocket messages, pings and pongs. */
  readonly messagesPerSecond: number;
  /** Bytes on the wire, WebSocket headers included. */
  readonly bytesPerSecond: number;
  /** Elements of MessagePack headers (docs/protocol.md), a measure of the cost of decoding and checking them. */
  readonly elementsPerSecond: number;
}

/**
 * Burst of bytes, in seconds at the full rate. That of messages and elements is one second, because they block the
 * event loop.
 */
const BURST_SECONDS = 2;

/**
 * Limits the input of one connection, so that it cannot block the event loop for others: messages, bytes, and decoding
 * work. Its input also counts towards the budget of its address.
 */
export class InputBudget {
  readonly #limits: InputLimits;
  readonly #shared: InputBudget | null;
  readonly #messages: TokenBucket;
  readonly #elements: TokenBucket;
  #bytes: TokenBucket;

  /** @param shared the budget of the connection's address. */
  constructor(limits: InputLimits, shared: InputBudget | null = null) {
    this.#limits = limits;
    this.#shared = shared;
    this.#messages = new TokenBucket(limits.messagesPerSecond);
    this.#bytes = new TokenBucket(limits.bytesPerSecond, limits.bytesPerSecond * BURST_SECONDS);
    this.#elements = new TokenBucket(limits.elementsPerSecond);
  }

  /** Sets the byte rate, once the peer's rights are known. */
  allowBytes(perSecond: number): void {
    this.#bytes = new TokenBucket(perSecond, perSecond * BURST_SECONDS);
  }

  /** @throws {GearwayError} `too-much`. */
  spendMessage(nowMs: number): void {
    if (!this.#messages.take(nowMs))
      throw new GearwayError('too-much', `more than ${this.#limits.messagesPerSecond} messages per second; send fewer`);
    this.#shared?.spendMessage(nowMs);
  }

  /** Counts a message of a closing connection, which still uses up the budget of its address. */
  noteMessage(nowMs: number): void {
    this.#messages.take(nowMs);
    this.#shared?.noteMessage(nowMs);
  }

  /** Refunds an acknowledgement of new frames, whose number the gateway itself limits. */
  refundMessage(): void {
    this.#messages.refund();
    this.#shared?.refundMessage();
  }

  /** @throws {GearwayError} `too-much`. */
  spendBytes(bytes: number, nowMs: number): void {
    if (!this.#bytes.take(nowMs, bytes))
      throw new GearwayError('too-much', 'this client exceeds its byte rate; send less data');
    this.#shared?.spendBytes(bytes, nowMs);
  }

  /** Counts bytes of a closing connection. */
  noteBytes(bytes: number, nowMs: number): void {
    this.#bytes.take(nowMs, bytes);
    this.#shared?.noteBytes(bytes, nowMs);
  }

  /** Number of elements that may be decoded now, within the budgets of the connection and its address. */
  availableElements(nowMs: number): number {
    return Math.min(this.#elements.available(nowMs), this.#shared?.availableElements(nowMs) ?? Infinity);
  }

  /** Spends elements, at most as many as are available. */
  spendElements(elements: number, nowMs: number): void {
    this.#elements.take(nowMs, elements);
    this.#shared?.spendElements(elements, nowMs);
  }

  /** The element budget in the format of the protocol's decoder. */
  elementBudget(): ElementBudget {
    return {
      available: () => this.availableElements(performance.now()),
      spend: (elements) => this.spendElements(elements, performance.now()),
      exceeded: () =>
        new GearwayError(
          'too-much',
          `more than ${this.#limits.elementsPerSecond} elements of values per second; send arrays, or less data`,
        ),
    };
  }
}

/** How long a budget is kept after its last connection: by then it is full again, equal to a new one. */
const KEPT_MS = BURST_SECONDS * 1000;

/** Number of addresses above which the budgets of addresses without connections are removed. */
const SWEEP_ABOVE = 256;

interface Entry {
  readonly budget: InputBudget;
  connections: number;
  idleSinceMs: number;
}

/** Budgets by address. A budget outlives the last connection for a while, so that reconnecting does not renew it. */
export class AddressBudgets {
  readonly #limits: InputLimits;
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, Entry>();

  constructor(limits: InputLimits, nowMs: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Number of addresses with a budget. */
  get size(): number {
    return this.#entries.size;
  }

  /** @returns the budget of this address; call {@link AddressBudgets.leave} once afterwards. */
  join(address: string): InputBudget {
    let entry = this.#entries.get(address);
    if (entry === undefined) {
      if (this.#entries.size >= SWEEP_ABOVE) this.#sweep();
      entry = { budget: new InputBudget(this.#limits), connections: 0, idleSinceMs: 0 };
      this.#entries.set(address, entry);
    }
    entry.connections += 1;
    return entry.budget;
  }

  leave(address: string): void {
    const entry = this.#entries.get(address);
    if (entry === undefined) return;
    entry.connections -= 1;
    entry.idleSinceMs = this.#nowMs();
  }

  #sweep(): void {
    const now = this.#nowMs();
    for (const [address, { connections, idleSinceMs }] of this.#entries) {
      if (connections === 0 && now - idleSinceMs >= KEPT_MS) this.#entries.delete(address);
    }
  }
}
