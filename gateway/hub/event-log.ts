import { cleanText } from '../../shared/clean-text.ts';
import type { GatewayEvent } from '../../shared/status.ts';
import { BoundedReader } from './bounded-reader.ts';

/** Maximum number of events kept for later readers, excluding refusals. */
const MAX_KEPT = 256;

/**
 * Maximum number of refusals kept. A separate list, so that a peer that is refused repeatedly cannot displace other
 * events.
 */
const MAX_KEPT_REFUSALS = 64;

/** Events of clients and streams: the latest ones, and new ones as they happen. */
export class EventLog {
  readonly #kept: GatewayEvent[] = [];
  readonly #refusals: GatewayEvent[] = [];
  readonly #readers = new Set<BoundedReader<GatewayEvent>>();
  #lastId = 0;
  #closed = false;
  readonly #onEvent: (event: GatewayEvent) => void;

  /** @param onEvent called with each event as it happens; must not throw. */
  constructor(onEvent: (event: GatewayEvent) => void = () => undefined) {
    this.#onEvent = onEvent;
  }

  /** Adds an event with the current time. Strings may contain untrusted input, so they are cleaned. */
  add(event: Omit<GatewayEvent, 'id' | 'time'>): void {
    this.#lastId += 1;
    const { stream, address, reason } = event;
    const entry: GatewayEvent = {
      id: this.#lastId,
      time: new Date().toISOString(),
      ...event,
      stream: stream === null ? null : cleanText(stream),
      address: address === null ? null : cleanText(address),
      reason: cleanText(reason),
    };
    this.#onEvent(entry);
    const [kept, limit] = entry.kind === 'refuse' ? [this.#refusals, MAX_KEPT_REFUSALS] : [this.#kept, MAX_KEPT];
    kept.push(entry);
    if (kept.length > limit) kept.shift();
    for (const reader of this.#readers) reader.add(entry);
  }

  /**
   * The stored events after the event with this id, oldest first, and then each new event as it happens. An id higher
   * than all ids in this log is from before a restart of the gateway; all stored events are then returned. A slow
   * reader misses the oldest events.
   */
  events(afterId = 0): BoundedReader<GatewayEvent> {
    const reader = new BoundedReader<GatewayEvent>(
      () => undefined,
      () => this.#readers.delete(reader),
      // Enough for all stored events, and for as many new events while the stored ones are being read.
      { maxItems: 2 * (MAX_KEPT + MAX_KEPT_REFUSALS) },
    );
    const from = afterId > this.#lastId ? 0 : afterId;
    const kept = [...this.#kept, ...this.#refusals].sort((a, b) => a.id - b.id);
    for (const event of kept) if (event.id > from) reader.add(event);
    this.#readers.add(reader);
    if (this.#closed) reader.detach();
    return reader;
  }

  /** Ends all readers. Later readers get the stored events and then end. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.detach();
  }
}
