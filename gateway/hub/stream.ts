import { GearwayError, errorText } from '../../shared/errors.ts';
import type { ClientStatus, GatewayEvent, StreamState, StreamStatus } from '../../shared/status.ts';
import { nowUs } from './clock.ts';
import type { EventLog } from './event-log.ts';
import type { Frame, FrameInput } from './frame.ts';
import { type PortRange, PortRegistry } from './port-registry.ts';
import { RateMeter } from './rate-meter.ts';
import { Returns } from './returns.ts';

/** One receiver of a stream, whatever its transport. None of these calls may wait or throw. */
export interface Client {
  /** Unique in the gateway. */
  readonly id: string;
  /** A new frame, shared: the newest replaces one that still waits. */
  offer(frame: Frame): void;
  /** The stream's state or its reason has changed. */
  streamChanged(state: StreamState, reason: string): void;
  status(): ClientStatus;
  /** Ends this client for good; `reason` is told where the transport allows it. */
  sendAway(reason: string): void;
}

/** What a source's stream shows of it. */
export interface SourceStatus {
  readonly kind: string;
  readonly address: string;
  readonly state: string;
}

/** What a source may do with its stream. */
export interface SourceSink {
  /** Gives a frame to all clients. Its memory is the stream's from now on. */
  publish(input: FrameInput): Frame;
  /** Counts a malformed frame and keeps its reason for the API. */
  reject(error: unknown): void;
  /** The source has ended; another publish makes the stream live again. */
  end(reason: string): void;
  /** All clients' return data as Python JSON; takes once-only values. */
  takeReturns(): string;
}

const STALE_AFTER_MS = 2000;
const STALE_AFTER_FRAMES = 5;
const CHECK_INTERVAL_MS = 250;
const MAX_REJECTIONS_SHOWN = 8;

export interface StreamOptions {
  readonly name: string;
  readonly virtualPorts: readonly PortRange[];
  /** Virtual ports kept for the owners of their tokens. */
  readonly reservedPorts?: Iterable<number>;
  readonly events: EventLog;
  /** Whether the source is a server that takes return data with each frame. */
  readonly sourceTakesReturns: boolean;
  readonly waitingReason: string;
  readonly log: (message: string) => void;
}

/** A named flow of frames from one source to many clients. Knows no socket. */
export class Stream implements SourceSink {
  readonly name: string;
  readonly ports: PortRegistry;
  readonly returns: Returns;
  readonly #clients = new Set<Client>();
  readonly #rate = new RateMeter();
  readonly #events: EventLog;
  readonly #log: (message: string) => void;
  readonly #timer: NodeJS.Timeout;
  #latest: Frame | null = null;
  #latestAtMs = 0;
  #sequence = 0;
  #state: StreamState = 'waiting';
  #reason: string;
  #rejected = 0;
  #rejectionLoggedAtMs = -Infinity;
  readonly #lastRejections: string[] = [];

  constructor(options: StreamOptions) {
    this.name = options.name;
    this.#reason = options.waitingReason;
    this.#events = options.events;
    this.#log = options.log;
    this.ports = new PortRegistry(options.virtualPorts, { reserved: options.reservedPorts ?? [] });
    this.returns = new Returns({ hasServer: options.sourceTakesReturns });
    this.#timer = setInterval(() => this.#checkStale(), CHECK_INTERVAL_MS);
    this.#timer.unref();
  }

  get latest(): Frame | null {
    return this.#latest;
  }

  get state(): StreamState {
    return this.#state;
  }

  get reason(): string {
    return this.#reason;
  }

  framesPerSecond(): number {
    return this.#rate.perSecond(performance.now());
  }

  /** Mean time between the latest frames; undefined before the second. */
  frameTimeMs(): number | undefined {
    return this.#rate.recentIntervalMs();
  }

  publish(input: FrameInput): Frame {
    this.#sequence += 1;
    const { width, height, encoding, payload, message, wireHeader } = input;
    const frame: Frame = { sequence: this.#sequence, receivedAtUs: nowUs(), width, height, encoding, payload, message, wireHeader };
    this.#latest = frame;
    this.#latestAtMs = performance.now();
    this.#rate.mark(this.#latestAtMs);
    if (this.#state !== 'live') this.#change('live', 'frames arrive');
    for (const client of this.#clients) client.offer(frame);
    return frame;
  }

  reject(error: unknown): void {
    this.#rejected += 1;
    const code = error instanceof GearwayError ? error.code : 'unknown';
    const text = `${code}: ${errorText(error)}`;
    this.#lastRejections.unshift(text);
    this.#lastRejections.length = Math.min(this.#lastRejections.length, MAX_REJECTIONS_SHOWN);
    const now = performance.now();
    if (now - this.#rejectionLoggedAtMs < 10_000) return;
    this.#rejectionLoggedAtMs = now;
    this.#log(`stream ${this.name}: frame rejected (${this.#rejected} so far): ${text}`);
  }

  end(reason: string): void {
    this.#change('ended', reason);
  }

  takeReturns(): string {
    return this.returns.takeJson();
  }

  /** The client is offered frames from the next one on; the latest is up to itself. */
  attach(client: Client): void {
    this.#clients.add(client);
  }

  detach(client: Client): void {
    this.#clients.delete(client);
  }

  /**
   * Ends the client with this id for good.
   *
   * @returns its last status; null when there is none.
   */
  sendAway(id: string, reason: string): ClientStatus | null {
    for (const client of this.#clients) {
      if (client.id !== id) continue;
      const status = client.status();
      client.sendAway(reason);
      return status;
    }
    return null;
  }

  /** Tells what happened to a client, in `GET /api/events`. */
  report(event: Omit<GatewayEvent, 'id' | 'time' | 'stream'>): void {
    this.#events.add({ stream: this.name, ...event });
  }

  clientStatuses(): ClientStatus[] {
    const statuses = [...this.#clients].map((client) => client.status());
    return statuses.sort((a, b) => (a.port ?? Infinity) - (b.port ?? Infinity));
  }

  status(source: SourceStatus): StreamStatus {
    const frame = this.#latest;
    return {
      name: this.name,
      state: this.#state,
      reason: this.#reason,
      source,
      frame: frame && {
        sequence: frame.sequence,
        width: frame.width,
        height: frame.height,
        encoding: frame.encoding.kind === 'jpeg' ? 'jpeg' : frame.encoding.dtype,
        framesPerSecond: round(this.framesPerSecond()),
      },
      counters: {
        received: this.#sequence,
        rejected: this.#rejected,
        returnsRejected: this.returns.rejected,
        returnsDropped: this.returns.dropped,
        lastRejections: this.#lastRejections,
      },
      ports: this.ports.status(),
      clients: this.clientStatuses(),
    };
  }

  /** Idempotent. The creator has closed source and clients before. */
  close(): void {
    clearInterval(this.#timer);
    this.returns.close();
  }

  #checkStale(): void {
    if (this.#state !== 'live') return;
    const now = performance.now();
    const silentMs = now - this.#latestAtMs;
    if (silentMs < STALE_AFTER_MS) return;
    if (silentMs < STALE_AFTER_FRAMES * (this.#rate.recentIntervalMs() ?? 0)) return;
    this.#change('stale', 'the source has stopped sending');
  }

  #change(state: StreamState, reason: string): void {
    if (state === this.#state && reason === this.#reason) return;
    this.#state = state;
    this.#reason = reason;
    this.#log(`stream ${this.name}: ${state}, ${reason}`);
    this.report({ kind: 'state', client: null, port: null, address: null, reason: `${state}: ${reason}` });
    for (const client of this.#clients) client.streamChanged(state, reason);
  }
}

/** One decimal: what a person reads, and what does not change with every look. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
