import { cleanText } from '../../shared/clean-text.ts';
import { GearwayError, errorText } from '../../shared/errors.ts';
import type { ClientStatus, GatewayEvent, SourceStatus, StreamState, StreamStatus } from '../../shared/status.ts';
import { ByteBudget } from './byte-budget.ts';
import { nowUs } from './clock.ts';
import type { EventLog } from './event-log.ts';
import type { Frame, FrameInput } from './frame.ts';
import { type PortRange, PortRegistry } from './port-registry.ts';
import { RateMeter } from './rate-meter.ts';
import { MAX_STREAM_RETURN_BYTES, Returns } from './returns/returns.ts';

/** What hears of a stream's frames and changes without being a client of it. None of these calls may wait or throw. */
export interface Follower {
  /** A new frame, shared: the newest replaces one that still waits. */
  offer(frame: Frame): void;
  /** The stream's state or its reason has changed. */
  streamChanged(state: StreamState, reason: string): void;
}

/** One receiver of a stream, whatever its transport. */
export interface Client extends Follower {
  /** Unique in the gateway. */
  readonly id: string;
  /** Whether it is there, and wants frames now. */
  readonly isWatching: boolean;
  status(): ClientStatus;
  /** Ends this client for good; `reason` is told where the transport allows it. */
  sendAway(reason: string): void;
}

/** A client that the gateway was told of, whether it is there or not: a native one. */
export interface ListedClient extends Client {
  readonly port: number;
  /** Whether it was there once: it has answered a frame, or subscribed. */
  readonly hasAnswered: boolean;
  /** Whether it takes a frame now, where frames are dealt in turn: `busy` with earlier ones, or not there at all. */
  readonly readiness: 'ready' | 'busy' | 'absent';
  /** The source has ended, and so shall this client. It may come back. */
  endStream(): void;
}

/** Whether each listed client gets every frame, or each frame one of them, in turn. Viewers get every frame. */
export type Distribution = 'broadcast' | 'round-robin';

/** How a stream treats its listed clients. */
export interface StreamPolicy {
  readonly distribution: Distribution;
  /** `all`: no frame goes anywhere before each listed client was there once. */
  readonly start: 'any' | 'all';
  /** `terminate`: the listed clients end with the source. */
  readonly onSourceEnd: 'wait' | 'terminate';
}

export const DEFAULT_STREAM_POLICY: StreamPolicy = { distribution: 'broadcast', start: 'any', onSourceEnd: 'wait' };

const STALE_AFTER_MS = 2000;
const STALE_AFTER_FRAMES = 5;
const CHECK_INTERVAL_MS = 250;

/** Who asks for a single picture has it by then, or asks again. */
const LOOK_MS = 5000;
const MAX_REJECTIONS_SHOWN = 8;

export interface StreamOptions {
  readonly name: string;
  readonly virtualPorts: readonly PortRange[];
  /** Virtual ports kept for the owners of their tokens. */
  readonly reservedPorts?: Iterable<number>;
  readonly events: EventLog;
  readonly policy?: StreamPolicy;
  /** Whether the source is a server that takes return data with each frame. */
  readonly sourceTakesReturns: boolean;
  /** The bytes of return data that all streams of a gateway may keep together; without it this stream has its own alone. */
  readonly returnBudget?: ByteBudget;
  /** Why there is no frame at first. */
  readonly waitingReason: string;
  /** Whether the source sleeps while nobody watches: who asks for a picture has to wait for it. Default false. */
  readonly isOnDemand?: boolean;
  readonly log: (message: string) => void;
}

/** A named flow of frames from one source to many clients. Knows no socket. */
export class Stream {
  readonly name: string;
  readonly ports: PortRegistry;
  readonly returns: Returns;
  readonly distribution: Distribution;
  readonly isOnDemand: boolean;
  readonly #policy: StreamPolicy;
  /** All of them, the listed ones among them. */
  readonly #clients = new Set<Client>();
  readonly #followers = new Set<Follower>();
  /** In the order of their listing; whose turn it was last goes to the end. */
  readonly #listed = new Set<ListedClient>();
  readonly #rate = new RateMeter();
  readonly #events: EventLog;
  readonly #log: (message: string) => void;
  readonly #timer: NodeJS.Timeout;
  #latest: Frame | null = null;
  /** The newest frame that came before all clients were there once. */
  #held: Frame | null = null;
  #hasStarted: boolean;
  #latestAtMs = 0;
  #lookedAtMs = -Infinity;
  #sequence = 0;
  #state: StreamState = 'waiting';
  #reason: string;
  #rejected = 0;
  #rejectionLoggedAtMs = -Infinity;
  readonly #lastRejections: string[] = [];

  constructor(options: StreamOptions) {
    this.name = options.name;
    this.#policy = options.policy ?? DEFAULT_STREAM_POLICY;
    this.distribution = this.#policy.distribution;
    this.isOnDemand = options.isOnDemand ?? false;
    this.#hasStarted = this.#policy.start === 'any';
    this.#reason = cleanText(options.waitingReason);
    this.#events = options.events;
    this.#log = options.log;
    this.ports = new PortRegistry(options.virtualPorts, { reserved: options.reservedPorts ?? [] });
    this.returns = new Returns({ hasServer: options.sourceTakesReturns, budget: new ByteBudget(MAX_STREAM_RETURN_BYTES, options.returnBudget ?? null) });
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

  /** Whether somebody takes frames, or has asked for a single picture just now. */
  isWatched(): boolean {
    if (performance.now() - this.#lookedAtMs < LOOK_MS) return true;
    for (const client of this.#clients) if (client.isWatching) return true;
    return false;
  }

  /** Somebody asks for a single picture. */
  looked(): void {
    this.#lookedAtMs = performance.now();
  }

  publish(input: FrameInput): Frame {
    this.#sequence += 1;
    const { width, height, encoding, payload, message, wireHeader, capturedAtUs = null, isTrusted = false, onVerified } = input;
    const frame: Frame = { sequence: this.#sequence, receivedAtUs: nowUs(), capturedAtUs, width, height, encoding, payload, message, wireHeader, isTrusted, onVerified };
    this.#latestAtMs = performance.now();
    this.#rate.mark(this.#latestAtMs);
    this.#held = frame;
    if (this.#hasStarted) this.#give(frame);
    else this.#startWhenAllAnswered();
    return frame;
  }

  /** One of the listed clients was there for the first time. */
  listedAnswered(): void {
    if (!this.#hasStarted) this.#startWhenAllAnswered();
  }

  #startWhenAllAnswered(): void {
    const awaited = this.awaited();
    if (awaited.length > 0) {
      if (this.#held !== null) this.#change('waiting', `frames are there; no client gets one before ${awaited.join(', ')} ${awaited.length === 1 ? 'was' : 'were'} there once (start: all)`);
      return;
    }
    this.#hasStarted = true;
    if (this.#held !== null) this.#give(this.#held);
  }

  /** The ports of the listed clients that were never there. */
  awaited(): number[] {
    return [...this.#listed].filter(({ hasAnswered }) => !hasAnswered).map(({ port }) => port);
  }

  #give(frame: Frame): void {
    this.#latest = frame;
    if (this.#state !== 'live') this.#change('live', 'frames arrive');
    for (const follower of this.#followers) follower.offer(frame);
    if (this.#policy.distribution === 'broadcast') {
      for (const client of this.#clients) client.offer(frame);
      return;
    }
    for (const client of this.#clients) if (!this.#listed.has(client as ListedClient)) client.offer(frame);
    this.#deal(frame);
  }

  /** One listed client gets it: the next in turn that takes one now. When all are busy, it waits for the first in turn, and a newer one replaces it there. */
  #deal(frame: Frame): void {
    const there = [...this.#listed].filter(({ readiness }) => readiness !== 'absent');
    const next = there.find(({ readiness }) => readiness === 'ready') ?? there[0];
    if (next === undefined) return;
    this.#listed.delete(next);
    this.#listed.add(next);
    next.offer(frame);
  }

  reject(error: unknown): void {
    this.#rejected += 1;
    const code = error instanceof GearwayError ? error.code : 'unknown';
    const text = cleanText(`${code}: ${errorText(error)}`);
    this.#lastRejections.unshift(text);
    this.#lastRejections.length = Math.min(this.#lastRejections.length, MAX_REJECTIONS_SHOWN);
    const now = performance.now();
    if (now - this.#rejectionLoggedAtMs < 10_000) return;
    this.#rejectionLoggedAtMs = now;
    this.#log(`stream ${this.name}: frame rejected (${this.#rejected} so far): ${text}`);
  }

  /** The source has failed; clients keep the last frame until the next one. */
  interrupted(reason: string): void {
    this.#change(this.#latest === null ? 'waiting' : 'stale', reason);
  }

  /** There is no frame, and the last one must not be shown any more: the source is about to start, or sleeps. */
  wait(reason: string): void {
    this.#latest = null;
    this.#held = null;
    this.#change('waiting', reason);
  }

  /** The source has ended; another publish makes the stream live again. */
  end(reason: string): void {
    this.#change('ended', reason);
    if (this.#policy.onSourceEnd === 'terminate') for (const client of this.#listed) client.endStream();
  }

  /** The client is offered frames from the next one on; the latest is up to itself. */
  attach(client: Client): void {
    this.#clients.add(client);
  }

  detach(client: Client): void {
    this.#clients.delete(client);
  }

  /** From the next frame on. */
  follow(follower: Follower): void {
    this.#followers.add(follower);
  }

  unfollow(follower: Follower): void {
    this.#followers.delete(follower);
  }

  attachListed(client: ListedClient): void {
    this.#listed.add(client);
    this.attach(client);
  }

  detachListed(client: ListedClient): void {
    this.#listed.delete(client);
    this.detach(client);
    // Nobody waits for who is not listed any more.
    if (!this.#hasStarted && this.#held !== null) this.#startWhenAllAnswered();
  }

  /** @returns null when there is no client with this id. */
  clientStatus(id: string): ClientStatus | null {
    const client = this.#find(id);
    return client === null ? null : cleanStatus(client.status());
  }

  /**
   * Ends the client with this id for good.
   *
   * @returns its last status; null when there is none.
   */
  sendAway(id: string, reason: string): ClientStatus | null {
    const client = this.#find(id);
    if (client === null) return null;
    const status = cleanStatus(client.status());
    client.sendAway(cleanText(reason));
    return status;
  }

  #find(id: string): Client | null {
    for (const client of this.#clients) if (client.id === id) return client;
    return null;
  }

  /** Tells what happened to a client, in `GET /api/events`. */
  report(event: Omit<GatewayEvent, 'id' | 'time' | 'stream'>): void {
    this.#events.add({ stream: this.name, ...event });
  }

  /** How many {@link Stream.clientStatuses} lists. */
  get clientCount(): number {
    return this.#clients.size;
  }

  clientStatuses(): ClientStatus[] {
    const statuses = [...this.#clients].map((client) => cleanStatus(client.status()));
    return statuses.sort((a, b) => (a.port ?? Infinity) - (b.port ?? Infinity));
  }

  status(source: SourceStatus): StreamStatus {
    const frame = this.#latest ?? this.#held;
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
      awaited: this.#hasStarted ? [] : this.awaited(),
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

  #change(state: StreamState, text: string): void {
    const reason = cleanText(text);
    if (state === this.#state && reason === this.#reason) return;
    this.#state = state;
    this.#reason = reason;
    this.#log(`stream ${this.name}: ${state}, ${reason}`);
    this.report({ kind: 'state', client: null, port: null, address: null, reason: `${state}: ${reason}` });
    for (const follower of this.#followers) follower.streamChanged(state, reason);
    for (const client of this.#clients) client.streamChanged(state, reason);
  }
}

/** A client's name and reason may be from outside. */
function cleanStatus(status: ClientStatus): ClientStatus {
  return { ...status, address: cleanText(status.address), reason: cleanText(status.reason) };
}

/** One decimal: what a person reads, and what does not change with every look. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
