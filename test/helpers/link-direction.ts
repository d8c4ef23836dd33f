import { createRandom } from './jpeg-builder.ts';

/** Properties of one direction of a link. */
export interface LinkShape {
  /** Bandwidth; null for unlimited, 0 for an outage. */
  readonly bitsPerSecond: number | null;
  /** One-way delay. */
  readonly delayMs: number;
  /**
   * Maximum of a random addition to the delay, uniformly distributed, from a seeded generator. Never changes the order.
   */
  readonly jitterMs: number;
  /**
   * Size of the queue of the router before the link. Data that does not fit waits at its sender, as with TCP after
   * losses.
   */
  readonly queueBytes: number;
}

export const PERFECT_LINK: LinkShape = { bitsPerSecond: null, delayMs: 0, jitterMs: 0, queueBytes: 64 << 10 };

/** Minimum size of a packet. On a fast link, a packet contains as many bytes as pass in a millisecond. */
const PACKET_BYTES = 1460;

/**
 * Tolerance for timers, which are late by up to a millisecond: events that are due within this time are processed now.
 */
const TIMER_SLACK_MS = 0.5;

/** One connection's bytes in one direction. */
interface Flow {
  /** Chunks of bytes and the end, in order. */
  readonly deliver: (bytes: Buffer) => void;
  /** Called when the link has buffered enough of this flow, and again when it accepts more. */
  readonly hold: (isHeld: boolean) => void;
}

interface OpenFlow extends Flow {
  /** Chunks that were accepted from the sender, and are not yet in the queue. */
  readonly pending: Buffer[];
  isHeld: boolean;
}

interface Packet {
  readonly flow: OpenFlow;
  readonly bytes: Buffer;
}

/**
 * One direction of a link, shared by all its connections: a bounded queue, which the connections fill in turn; a
 * bottleneck with a bandwidth; a delay. The shape may change at any time, and applies to packets whose transmission has
 * not begun. Everything except the machine's timers is deterministic.
 */
export class LinkDirection {
  #shape: LinkShape;
  readonly #flows: OpenFlow[] = [];
  readonly #queue: Packet[] = [];
  readonly #underWay: (Packet & { readonly dueMs: number })[] = [];
  readonly #random: () => number;
  #queuedBytes = 0;
  #carriedBytes = 0;
  /** Time at which the bottleneck has transmitted all accepted data. */
  #freeAtMs = 0;
  #stalledUntilMs = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(shape: LinkShape, seed = 1) {
    this.#shape = shape;
    this.#random = createRandom(seed);
  }

  /** Bytes that have passed the bottleneck. */
  get carriedBytes(): number {
    return this.#carriedBytes;
  }

  /** Bytes that wait for the bottleneck. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /**
   * Whether the queue accepts nothing now. Packets whose transmission is due leave it first, even if the timer is late
   * because the machine is busy: otherwise, datagrams would be lost for which a link has space.
   */
  isFull(): boolean {
    this.#run();
    return this.#queuedBytes >= this.#shape.queueBytes;
  }

  shape(changes: Partial<LinkShape>): void {
    // After an outage, the transmission of waiting packets starts now.
    if (this.#shape.bitsPerSecond === 0) this.#freeAtMs = performance.now();
    this.#shape = { ...this.#shape, ...changes };
    this.#run();
  }

  /**
   * Delivers nothing for this time, and then everything that arrived in the meantime, as after a lost packet that TCP
   * repeats.
   */
  stall(ms: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, performance.now() + ms);
  }

  open(flow: Flow): { readonly write: (bytes: Buffer) => void; readonly close: () => void } {
    const open: OpenFlow = { ...flow, pending: [], isHeld: false };
    this.#flows.push(open);
    return {
      /** Zero bytes, which mark the end, pass after all others. */
      write: (bytes) => {
        open.pending.push(...packetsOf(bytes, this.#shape.bitsPerSecond));
        this.#run();
      },
      close: () => {
        this.#forget(open);
        this.#run();
      },
    };
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#flows.length = 0;
    this.#queue.length = 0;
    this.#underWay.length = 0;
  }

  #forget(flow: OpenFlow): void {
    const at = this.#flows.indexOf(flow);
    if (at >= 0) this.#flows.splice(at, 1);
    flow.pending.length = 0;
    for (const packets of [this.#queue, this.#underWay]) {
      for (let index = packets.length - 1; index >= 0; index -= 1)
        if (packets[index]?.flow === flow) packets.splice(index, 1);
    }
    this.#queuedBytes = this.#queue.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Processes everything that is due, and sets the timer for the next event. */
  #run(): void {
    const now = performance.now() + TIMER_SLACK_MS;
    this.#fill();
    while (this.#transmit(now)) this.#fill();
    this.#deliver(now);
    const [next] = this.#underWay;
    const dueMs = Math.min(
      next === undefined ? Infinity : Math.max(next.dueMs, this.#stalledUntilMs),
      this.#queue.length > 0 && this.#shape.bitsPerSecond !== 0 ? this.#freeAtMs : Infinity,
    );
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer =
      dueMs === Infinity ? null : setTimeout(() => this.#run(), Math.max(0, Math.floor(dueMs - performance.now())));
  }

  /** Queues a packet of each flow in turn, while there is space. */
  #fill(): void {
    while (this.#queuedBytes < this.#shape.queueBytes) {
      const at = this.#flows.findIndex(({ pending }) => pending.length > 0);
      const [flow] = at < 0 ? [] : this.#flows.splice(at, 1);
      const bytes = flow?.pending.shift();
      if (flow === undefined || bytes === undefined) break;
      // The flow moves to the end of the round.
      this.#flows.push(flow);
      if (this.#queue.length === 0) this.#freeAtMs = Math.max(this.#freeAtMs, performance.now());
      this.#queue.push({ flow, bytes });
      this.#queuedBytes += bytes.length;
    }
    for (const flow of this.#flows) {
      const isHeld = flow.pending.length > 0;
      if (isHeld === flow.isHeld) continue;
      flow.isHeld = isHeld;
      flow.hold(isHeld);
    }
  }

  /** Begins the transmission of the next packet, if the bottleneck is free. */
  #transmit(now: number): boolean {
    const { bitsPerSecond, delayMs, jitterMs } = this.#shape;
    if (this.#freeAtMs > now || bitsPerSecond === 0) return false;
    const packet = this.#queue.shift();
    if (packet === undefined) return false;
    const { length } = packet.bytes;
    this.#queuedBytes -= length;
    this.#carriedBytes += length;
    // The transmission begins when the previous one ended, even if the timer was late.
    this.#freeAtMs += bitsPerSecond === null ? 0 : (length * 8000) / bitsPerSecond;
    const last = this.#underWay.at(-1);
    this.#underWay.push({
      ...packet,
      dueMs: Math.max(last?.dueMs ?? 0, this.#freeAtMs + delayMs + jitterMs * this.#random()),
    });
    return true;
  }

  #deliver(now: number): void {
    if (this.#stalledUntilMs > now) return;
    for (;;) {
      const [next] = this.#underWay;
      if (next === undefined || next.dueMs > now) return;
      this.#underWay.shift();
      next.flow.deliver(next.bytes);
    }
  }
}

/** @returns the packets; a single empty one for no bytes, which mark an end. */
function packetsOf(bytes: Buffer, bitsPerSecond: number | null): Buffer[] {
  const size = Math.max(PACKET_BYTES, Math.round((bitsPerSecond ?? Infinity) / 8000));
  if (bytes.length <= size) return [bytes];
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}
