import { GearwayError } from '../../shared/errors.ts';
import type { ElementBudget } from '../../shared/protocol.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';

/** What one connection, or all connections of one address together, may send per second. */
export interface InputLimits {
  /** WebSocket messages, pings and pongs. */
  readonly messagesPerSecond: number;
  /** Bytes on the wire, WebSocket headers included. */
  readonly bytesPerSecond: number;
  /** Elements of MessagePack headers (docs/protocol.md), which is what decoding and checking them costs. */
  readonly elementsPerSecond: number;
}

/** Bytes may come in bursts of this many seconds' worth, messages and elements in bursts of one: those hold up the event loop. */
const BURST_SECONDS = 2;

/**
 * Limits the input of one connection to what keeps the event loop free for the others: messages, bytes, and the work of decoding.
 * What a connection spends also counts for the budget of its address.
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

  /** Sets another rate of bytes from now on, once it is known what the peer may do. */
  allowBytes(perSecond: number): void {
    this.#bytes = new TokenBucket(perSecond, perSecond * BURST_SECONDS);
  }

  /** @throws {GearwayError} `too-much`. */
  spendMessage(nowMs: number): void {
    if (!this.#messages.take(nowMs)) throw new GearwayError('too-much', `more than ${this.#limits.messagesPerSecond} messages per second; send fewer`);
    this.#shared?.spendMessage(nowMs);
  }

  /** Counts a message of a connection that is being closed: the sender gets no more of the address's budget by being closed. */
  noteMessage(nowMs: number): void {
    this.#messages.take(nowMs);
    this.#shared?.noteMessage(nowMs);
  }

  /** The message was an acknowledgement of new frames: the gateway itself bounds how many there can be. */
  refundMessage(): void {
    this.#messages.refund();
    this.#shared?.refundMessage();
  }

  /** @throws {GearwayError} `too-much`. */
  spendBytes(bytes: number, nowMs: number): void {
    if (!this.#bytes.take(nowMs, bytes)) throw new GearwayError('too-much', 'more bytes per second than this client may send; send less');
    this.#shared?.spendBytes(bytes, nowMs);
  }

  /** Counts bytes of a connection that is being closed. */
  noteBytes(bytes: number, nowMs: number): void {
    this.#bytes.take(nowMs, bytes);
    this.#shared?.noteBytes(bytes, nowMs);
  }

  /** Number of elements that may be decoded now, by the connection and by its address. */
  availableElements(nowMs: number): number {
    return Math.min(this.#elements.available(nowMs), this.#shared?.availableElements(nowMs) ?? Infinity);
  }

  /** Takes elements, at most as many as were available. */
  spendElements(elements: number, nowMs: number): void {
    this.#elements.take(nowMs, elements);
    this.#shared?.spendElements(elements, nowMs);
  }

  /** The budget of elements as the protocol's decoder takes it. */
  elementBudget(): ElementBudget {
    return {
      available: () => this.availableElements(performance.now()),
      spend: (elements) => this.spendElements(elements, performance.now()),
      exceeded: () => new GearwayError('too-much', `more than ${this.#limits.elementsPerSecond} elements of values per second; send arrays, or less`),
    };
  }
}

/** How long a budget is kept after its last connection has ended: by then it is full again, and a new one is worth no more. */
const KEPT_MS = BURST_SECONDS * 1000;

/** Number of addresses beyond which those without connections are removed. */
const SWEEP_ABOVE = 256;

interface Entry {
  readonly budget: InputBudget;
  connections: number;
  idleSinceMs: number;
}

/** The budgets of addresses. An address keeps its budget for a while after its last connection, so that reconnecting does not renew it. */
export class AddressBudgets {
  readonly #limits: InputLimits;
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, Entry>();

  constructor(limits: InputLimits, nowMs: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Number of addresses that have a budget. */
  get size(): number {
    return this.#entries.size;
  }

  /** @returns the budget of this address, to be left once with {@link AddressBudgets.leave}. */
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
