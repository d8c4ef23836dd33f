import { cleanText } from '../../shared/clean-text.ts';
import type { GatewayEvent } from '../../shared/status.ts';
import { BoundedReader } from './bounded-reader.ts';

/** Maximum number of events that are kept for later readers, not counting refusals. */
const MAX_KEPT = 256;

/** Maximum number of refusals that are kept: they have a list of their own, so that a peer that is refused repeatedly cannot displace other events. */
const MAX_KEPT_REFUSALS = 64;

/** What happened to clients and streams: the latest events, and each from now on. */
export class EventLog {
  readonly #kept: GatewayEvent[] = [];
  readonly #refusals: GatewayEvent[] = [];
  readonly #readers = new Set<BoundedReader<GatewayEvent>>();
  #lastId = 0;
  #closed = false;
  readonly #onEvent: (event: GatewayEvent) => void;

  /** @param onEvent is called with each event as it happens; must not throw. */
  constructor(onEvent: (event: GatewayEvent) => void = () => undefined) {
    this.#onEvent = onEvent;
  }

  /** Adds an event that happens now. Its texts may be from outside: they are cleaned. */
  add(event: Omit<GatewayEvent, 'id' | 'time'>): void {
    this.#lastId += 1;
    const { stream, address, reason } = event;
    const entry: GatewayEvent = { id: this.#lastId, time: new Date().toISOString(), ...event, stream: stream === null ? null : cleanText(stream), address: address === null ? null : cleanText(address), reason: cleanText(reason) };
    this.#onEvent(entry);
    const [kept, limit] = entry.kind === 'refuse' ? [this.#refusals, MAX_KEPT_REFUSALS] : [this.#kept, MAX_KEPT];
    kept.push(entry);
    if (kept.length > limit) kept.shift();
    for (const reader of this.#readers) reader.add(entry);
  }

  /**
   * The kept events after the one with this id, oldest first, then each as it happens. An id that is not ours (it is
   * higher than any: the gateway was restarted) stands for the beginning. A slow reader misses the oldest.
   */
  events(afterId = 0): BoundedReader<GatewayEvent> {
    const reader = new BoundedReader<GatewayEvent>(
      () => undefined,
      () => this.#readers.delete(reader),
      // Everything that is kept, and as much again that happens while it is being read.
      { maxItems: 2 * (MAX_KEPT + MAX_KEPT_REFUSALS) },
    );
    const from = afterId > this.#lastId ? 0 : afterId;
    const kept = [...this.#kept, ...this.#refusals].sort((a, b) => a.id - b.id);
    for (const event of kept) if (event.id > from) reader.add(event);
    this.#readers.add(reader);
    if (this.#closed) reader.detach();
    return reader;
  }

  /** Ends all readers, and those that come later once they have read what is kept. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.detach();
  }
}
