import { cleanText } from '../../shared/clean-text.ts';
import { checkShowable } from '../../shared/eight-bit.ts';
import { GearwayError, errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type {
  ClientKind,
  ClientStatus,
  GatewayEvent,
  SourceStatus,
  StreamState,
  StreamStatus,
} from '../../shared/status.ts';
import { ByteBudget } from './byte-budget.ts';
import { ClientTotals, type PortCounters } from './client-totals.ts';
import { nowUs } from './clock.ts';
import { Control, type ControlOptions } from './control.ts';
import type { EventLog } from './event-log.ts';
import type { Arrival, Frame, FrameInput, FrameOutline, FrameSize } from './frame.ts';
import { LatencyHistogram } from './latency-histogram.ts';
import { type PortRange, PortRegistry, type Ports } from './port-registry.ts';
import { RateMeter } from './rate-meter.ts';
import { MAX_STREAM_RETURN_BYTES, Returns } from './returns/returns.ts';

/** Observer of a stream that is not counted as a client. Callbacks must not block or throw. */
export interface Follower {
  /** Whether the follower needs frames, which keeps an on-demand source running. Default false. */
  readonly isActive?: boolean;
  /** Whether an active follower needs the pictures of the frames. Otherwise {@link Follower.announce} suffices. Default true. */
  readonly needsPictures?: boolean;
  /** Called for each frame. The frame is shared; a newer one should replace one that is still pending. */
  offer(frame: Frame): void;
  /** Called for each frame whose picture is not here, because no client needs it. */
  announce?(outline: FrameOutline): void;
  /** Called when the stream's state or its reason has changed. */
  streamChanged(state: StreamState, reason: string): void;
}

/** One receiver of a stream, over any transport. */
export interface Client extends Follower {
  /** Unique in the gateway. */
  readonly id: string;
  /** Whether the client is connected and currently needs frames. */
  readonly isActive: boolean;
  status(): ClientStatus;
  /** Disconnects this client permanently; `reason` is reported to it if the transport supports that. */
  sendAway(reason: string): void;
  /** Disconnects this client, which may reconnect. Absent if {@link Client.sendAway} does the same. */
  disconnect?(reason: string): void;
}

/** A configured (native) client, which may or may not be connected. */
export interface ListedClient extends Client {
  readonly port: number;
  /** Whether it has connected at least once, that is, answered a frame or subscribed. */
  readonly hasAnswered: boolean;
  /**
   * Whether it can accept a frame in round-robin distribution: `busy` with earlier frames, `absent` if not connected.
   */
  readonly readiness: 'ready' | 'busy' | 'absent';
  /** Called when the source has ended: terminates the client, which may reconnect. */
  notifyEndOfStream(): void;
}

/**
 * Whether listed clients all get every frame, or each frame goes to one of them in turn. Viewers always get every
 * frame.
 */
type Distribution = 'broadcast' | 'round-robin';

/** How a stream treats its clients. */
export interface StreamPolicy {
  readonly distribution: Distribution;
  /** `all`: holds frames back until each listed client has connected once. */
  readonly start: 'any' | 'all';
  /** `terminate`: terminates the listed clients when the source ends. */
  readonly onSourceEnd: 'wait' | 'terminate';
  /** `exclusive`: only the return data of the viewer that has control counts. */
  readonly control: 'shared' | 'exclusive';
}

export const DEFAULT_STREAM_POLICY: StreamPolicy = {
  distribution: 'broadcast',
  start: 'any',
  onSourceEnd: 'wait',
  control: 'shared',
};

const STALE_AFTER_MS = 2000;
const STALE_AFTER_FRAMES = 5;
const CHECK_INTERVAL_MS = 250;

/** How long one snapshot request keeps an on-demand source awake. */
const SNAPSHOT_WAKE_MS = 5000;
const MAX_REJECTIONS_SHOWN = 8;

/** How long a rejected frame is shown as the reason for a missing picture, unless another frame is rejected. */
const REJECTION_SHOWN_MS = 5000;

/** Minimum time between two problems in the reason of a stream without a picture. */
const PROBLEM_INTERVAL_MS = 10_000;

export interface StreamOptions {
  readonly name: string;
  readonly virtualPorts: readonly PortRange[];
  /** Virtual ports reserved for the owners of their tokens. */
  readonly reservedPorts?: Iterable<number>;
  /** Assigns the ports; default a {@link PortRegistry} of the ports above. */
  readonly ports?: Ports;
  readonly events: EventLog;
  readonly policy?: StreamPolicy;
  /** Decides who has control, with the policy `exclusive`; default a {@link Control}. */
  readonly createControl?: (options: ControlOptions) => Control;
  /** Whether the source is a server that accepts return data. */
  readonly sourceTakesReturns: boolean;
  /** Budget for the return data of all streams of the gateway; without it only the stream's own limit applies. */
  readonly returnBudget?: ByteBudget;
  /** Initial reason of the state `waiting`. */
  readonly waitingReason: string;
  /**
   * Whether the source is suspended while there are no viewers; snapshot requests then wait for a frame. Default false.
   */
  readonly isOnDemand?: boolean;
  /** The logger of the stream. */
  readonly log: Logger;
}

/** Durations by kind of client. */
export type LatenciesByKind = Readonly<Record<ClientKind, LatencyHistogram>>;

/** A named flow of frames from one source to many clients. Independent of transports. */
export class Stream {
  readonly name: string;
  readonly ports: Ports;
  readonly returns: Returns;
  /** State of control; null if all clients may return data. */
  readonly control: Control | null;
  readonly distribution: Distribution;
  readonly isOnDemand: boolean;
  /** Time from sending a frame to its acknowledgement by a viewer or its answer by a native client. */
  readonly roundTrips: LatenciesByKind = createLatencies();
  /** Time from a frame's arrival until a viewer has drawn it, as the viewer reports it. */
  readonly latencies: LatenciesByKind = createLatencies();
  readonly #policy: StreamPolicy;
  /** All clients, including listed ones. */
  readonly #clients = new Set<Client>();
  readonly #followers = new Set<Follower>();
  /** Listed clients in round-robin order: a client that got a frame moves to the end. */
  readonly #listed = new Set<ListedClient>();
  readonly #rate = new RateMeter();
  readonly #events: EventLog;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #latest: Frame | null = null;
  /** The newest frame, if its picture is not here. */
  #outline: FrameOutline | null = null;
  #lastSize: FrameSize | null = null;
  /** The newest frame while `start: all` is holding frames back. */
  #held: Frame | null = null;
  #hasStarted: boolean;
  #latestAtMs = 0;
  #snapshotRequestedAtMs = -Infinity;
  readonly #needListeners = new Set<() => void>();
  #sequence = 0;
  #received = 0;
  #receivedBytes = 0;
  readonly #totals = new ClientTotals();
  #state: StreamState = 'waiting';
  #reason: string;
  /** The reason reported by the source or the stream itself; the displayed one may be a rejection. */
  #ownReason: string;
  #rejected = 0;
  #inputRejectedAtMs = -Infinity;
  #showsRejection = false;
  /** Problem that is appended to the reason; null for none. */
  #problem: string | null = null;
  #problemAtMs = -Infinity;
  /** Why the stream was closed; null while it is open. */
  #closedReason: string | null = null;
  #rejectionLoggedAtMs = -Infinity;
  readonly #lastRejections: string[] = [];

  constructor(options: StreamOptions) {
    this.name = options.name;
    this.#policy = options.policy ?? DEFAULT_STREAM_POLICY;
    this.distribution = this.#policy.distribution;
    this.isOnDemand = options.isOnDemand ?? false;
    this.#hasStarted = this.#policy.start === 'any';
    this.#ownReason = cleanText(options.waitingReason);
    this.#reason = this.#ownReason;
    this.#events = options.events;
    this.#log = options.log;
    this.ports = options.ports ?? new PortRegistry(options.virtualPorts, { reserved: options.reservedPorts ?? [] });
    this.returns = new Returns({
      hasServer: options.sourceTakesReturns,
      budget: new ByteBudget(MAX_STREAM_RETURN_BYTES, options.returnBudget ?? null),
    });
    const { createControl = (given: ControlOptions) => new Control(given) } = options;
    this.control =
      this.#policy.control === 'shared'
        ? null
        : createControl({
            stream: this.name,
            report: ({ id, port, address }, reason) =>
              this.report({ kind: 'control', client: id, port, address: cleanText(address), reason }),
          });
    this.#timer = setInterval(() => this.#checkStale(), CHECK_INTERVAL_MS);
    this.#timer.unref();
  }

  /** The newest frame; null if its picture is not here. */
  get latest(): Frame | null {
    return this.#latest;
  }

  /** Size of the last frame that was ever published; null before the first one. */
  get lastSize(): FrameSize | null {
    return this.#lastSize;
  }

  /** The newest frame, whether its picture is here or not; null if there is none. */
  get newest(): FrameOutline | null {
    return this.#latest ?? this.#outline;
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

  /** Mean interval of the latest frames; undefined before the second frame. */
  frameTimeMs(): number | undefined {
    return this.#rate.recentIntervalMs();
  }

  /** Whether a client or a follower needs frames, or a snapshot was requested recently. */
  isWatched(): boolean {
    if (performance.now() - this.#snapshotRequestedAtMs < SNAPSHOT_WAKE_MS) return true;
    for (const client of this.#clients) if (client.isActive) return true;
    for (const follower of this.#followers) if (follower.isActive === true) return true;
    return false;
  }

  /**
   * Whether a client or a follower needs the pictures of the frames, or a snapshot was requested recently. If not, a
   * source may call {@link Stream.announce} instead of {@link Stream.publish}.
   */
  needsPictures(): boolean {
    if (performance.now() - this.#snapshotRequestedAtMs < SNAPSHOT_WAKE_MS) return true;
    const needs = (each: Follower): boolean => each.needsPictures !== false && each.isActive === true;
    for (const client of this.#clients) if (needs(client)) return true;
    for (const follower of this.#followers) if (needs(follower)) return true;
    return false;
  }

  /** Whether a client, not counting followers, currently gets the frames themselves. */
  sendsPictures(): boolean {
    for (const client of this.#clients) if (client.isActive && client.needsPictures !== false) return true;
    return false;
  }

  /** Records a snapshot request. */
  noteSnapshotRequest(): void {
    this.#snapshotRequestedAtMs = performance.now();
    this.noteNeed();
  }

  /**
   * Calls the listener when a client or a follower may have begun to need frames, or their pictures, unless this is the
   * effect of a new frame. It is not called when one no longer needs them.
   */
  onNeed(listener: () => void): void {
    this.#needListeners.add(listener);
  }

  /** Called by a client that is attached, and may have begun to need frames: it is connected or resumed. */
  noteNeed(): void {
    for (const listener of this.#needListeners) listener();
  }

  /** Number of the newest frame that has arrived; 0 before the first. */
  get newestSequence(): number {
    return this.#sequence;
  }

  /**
   * Assigns a number and a time stamp to a frame, which is published now or later.
   * @param given number and time of the frame, if another gateway has numbered it; the number is larger than all
   * previous ones.
   */
  arrive(given: Arrival = { sequence: this.#sequence + 1, receivedAtUs: nowUs() }): Arrival {
    this.#received += 1;
    this.#sequence = given.sequence;
    return given;
  }

  /**
   * Sends a frame to all clients.
   *
   * @param arrival number and time of a frame that had to be processed first. No newer frame may have been published.
   */
  publish(input: FrameInput, { sequence, receivedAtUs }: Arrival = this.arrive(input.arrival)): Frame {
    const { width, height, payload } = input;
    // Field by field: spreading an object into a literal would cost more than the rest of this method.
    const frame: Frame = {
      sequence,
      receivedAtUs,
      capturedAtUs: input.capturedAtUs ?? null,
      width,
      height,
      encoding: input.encoding,
      payload,
      message: input.message,
      wireHeader: input.wireHeader,
      isTrusted: input.isTrusted ?? false,
      onVerified: input.onVerified,
    };
    this.#receivedBytes += payload.byteLength;
    this.#mark(frame);
    this.#held = frame;
    this.#outline = null;
    if (this.#hasStarted) this.#distribute(frame);
    else this.#startWhenAllReady();
    return frame;
  }

  /** Reports a frame whose picture is not here: see {@link Stream.needsPictures}. */
  announce(outline: FrameOutline): void {
    this.arrive(outline);
    this.#mark(outline);
    if (!this.#hasStarted) return;
    // An old picture must not be sent as the latest one.
    this.#latest = null;
    this.#held = null;
    this.#outline = outline;
    this.#change('live', reasonOfLive(outline));
    for (const client of this.#clients) client.announce?.(outline);
    for (const follower of this.#followers) follower.announce?.(outline);
  }

  #mark({ width, height }: FrameSize): void {
    this.#latestAtMs = performance.now();
    this.#rate.mark(this.#latestAtMs);
    if (this.#lastSize?.width !== width || this.#lastSize.height !== height) this.#lastSize = { width, height };
  }

  /** Called when a listed client has connected for the first time. */
  onClientReady(): void {
    if (!this.#hasStarted) this.#startWhenAllReady();
  }

  #startWhenAllReady(): void {
    const pending = this.pendingClients();
    if (pending.length > 0) {
      if (this.#held !== null)
        this.#change(
          'waiting',
          `holding frames until every client has connected once, missing: ${pending.join(', ')} (start: all)`,
        );
      return;
    }
    this.#hasStarted = true;
    if (this.#held !== null) this.#distribute(this.#held);
  }

  /** Ports of the listed clients that have never connected. */
  pendingClients(): number[] {
    return [...this.#listed].filter(({ hasAnswered }) => !hasAnswered).map(({ port }) => port);
  }

  #distribute(frame: Frame): void {
    this.#latest = frame;
    this.#change('live', reasonOfLive(frame));
    if (this.#policy.distribution === 'broadcast') {
      for (const client of this.#clients) client.offer(frame);
    } else {
      for (const client of this.#clients) if (!this.#listed.has(client as ListedClient)) client.offer(frame);
      this.#offerToNextListed(frame);
    }
    // Followers come after the clients, because encoders must not delay clients that get the unmodified frame.
    for (const follower of this.#followers) follower.offer(frame);
  }

  /**
   * Offers the frame to the next ready client, or to the first in turn if all are busy, where it replaces a pending
   * frame.
   */
  #offerToNextListed(frame: Frame): void {
    const connected = [...this.#listed].filter(({ readiness }) => readiness !== 'absent');
    const next = connected.find(({ readiness }) => readiness === 'ready') ?? connected[0];
    if (next === undefined) return;
    this.#listed.delete(next);
    this.#listed.add(next);
    next.offer(frame);
  }

  /**
   * Rejects a frame of the source, which is not published. While no other frame arrives, the state's reason is this
   * error, so that viewers without a picture show it.
   */
  rejectInput(error: unknown): void {
    this.reject(error);
    const now = performance.now();
    this.#inputRejectedAtMs = now;
    const hasPicture = this.#state === 'live' || this.#state === 'ended';
    // The first of several reasons is kept: a change per frame would flood the log.
    if (!hasPicture && !this.#showsRejection && this.#hasStarted) this.#showRejection(this.#state);
  }

  #showRejection(state: StreamState): void {
    this.#showsRejection = true;
    // The rejection itself has been logged.
    this.#set(state, `the frames that arrive are rejected: ${this.#lastRejections[0] ?? ''}`);
  }

  /** Counts a frame that was not forwarded to some or all clients. */
  reject(error: unknown): void {
    this.#rejected += 1;
    const code = error instanceof GearwayError ? error.code : 'unknown';
    const text = cleanText(`${code}: ${errorText(error)}`);
    this.#lastRejections.unshift(text);
    this.#lastRejections.length = Math.min(this.#lastRejections.length, MAX_REJECTIONS_SHOWN);
    const now = performance.now();
    if (now - this.#rejectionLoggedAtMs < 10_000) return;
    this.#rejectionLoggedAtMs = now;
    this.#log.warn({}, `frame rejected (${this.#rejected} so far): ${text}`);
  }

  /**
   * Sets the problem that prevents the source from getting frames, such as a server of another pattern. It is appended
   * to the reason while there is no picture, so that viewers show it. Null if nothing is known.
   */
  explain(problem: string | null): void {
    if (problem === this.#problem || this.#state === 'live' || this.#showsRejection || !this.#hasStarted) return;
    const now = performance.now();
    // Limited, because unknown peers can cause problems at any rate, and each change is an event.
    if (problem !== null && now - this.#problemAtMs < PROBLEM_INTERVAL_MS) return;
    this.#problem = problem;
    this.#problemAtMs = now;
    this.#set(this.#state, problem === null ? this.#ownReason : `${this.#ownReason}; ${problem}`);
  }

  /** Called when the source has failed; clients keep the last frame until a new one arrives. */
  interrupted(reason: string): void {
    this.#change(this.newest === null ? 'waiting' : 'stale', reason);
  }

  /** Discards the latest frame, which must no longer be shown: the source is starting or suspended. */
  wait(reason: string): void {
    this.#latest = null;
    this.#held = null;
    this.#outline = null;
    this.#change('waiting', reason);
  }

  /** Called when the source has ended; publishing another frame makes the stream live again. */
  end(reason: string): void {
    this.#change('ended', reason);
    if (this.#policy.onSourceEnd === 'terminate') for (const client of this.#listed) client.notifyEndOfStream();
  }

  /** Offers frames to the client from the next one on; it can read {@link Stream.latest} itself. */
  attach(client: Client): void {
    this.#clients.add(client);
    this.noteNeed();
    // The viewer's hello arrived after its stream had been replaced.
    if (this.#closedReason !== null) queueMicrotask(() => this.#disconnect(client));
  }

  detach(client: Client): void {
    if (this.#clients.delete(client)) this.#totals.add(client.status());
  }

  /** Offers frames to the follower, from the next one on. */
  follow(follower: Follower): void {
    this.#followers.add(follower);
    this.noteNeed();
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
    // `start: all` may have been waiting only for this client.
    if (!this.#hasStarted && this.#held !== null) this.#startWhenAllReady();
  }

  /** @returns null if there is no client with this id. */
  clientStatus(id: string): ClientStatus | null {
    const client = this.#find(id);
    return client === null ? null : cleanStatus(client.status());
  }

  /**
   * Disconnects the client with this id permanently.
   *
   * @returns its last status; null if there is no such client.
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

  /** Adds an event of a client to the log behind `GET /api/events`. */
  report(event: Omit<GatewayEvent, 'id' | 'time' | 'stream'>): void {
    this.#events.add({ stream: this.name, ...event });
  }

  /** Number of entries in {@link Stream.clientStatuses}. */
  get clientCount(): number {
    return this.#clients.size;
  }

  clientStatuses(): ClientStatus[] {
    const statuses = [...this.#clients].map((client) => cleanStatus(client.status()));
    return statuses.sort((a, b) => (a.port ?? Infinity) - (b.port ?? Infinity));
  }

  /** Counters of all clients: those that have left, and the given present ones. */
  clientTotals(present: readonly ClientStatus[]): readonly PortCounters[] {
    return this.#totals.including(present);
  }

  status(source: SourceStatus): StreamStatus {
    const frame = this.#latest ?? this.#held ?? this.#outline;
    return {
      name: this.name,
      state: this.#state,
      reason: this.#reason,
      source,
      showable: frame === null || unshowableReason(frame) === null,
      frame: frame && {
        sequence: frame.sequence,
        width: frame.width,
        height: frame.height,
        encoding: frame.encoding.kind === 'jpeg' ? 'jpeg' : frame.encoding.dtype,
        framesPerSecond: round(this.framesPerSecond()),
      },
      counters: {
        received: this.#received,
        receivedBytes: this.#receivedBytes,
        rejected: this.#rejected,
        returnsRejected: this.returns.rejected,
        returnsDropped: this.returns.dropped,
        lastRejections: this.#lastRejections,
      },
      ports: this.ports.status(),
      control: this.control?.status() ?? null,
      awaited: this.#hasStarted ? [] : this.pendingClients(),
      clients: this.clientStatuses(),
    };
  }

  /**
   * Disconnects the remaining clients, which may reconnect. Idempotent. The creator closes the source and the
   * native clients first.
   */
  close(reason = 'the gateway is stopping'): void {
    this.#closedReason = reason;
    clearInterval(this.#timer);
    for (const client of this.#clients) this.#disconnect(client);
    this.control?.close();
    this.returns.close();
  }

  #disconnect(client: Client): void {
    const reason = this.#closedReason ?? '';
    if (client.disconnect === undefined) client.sendAway(reason);
    else client.disconnect(reason);
  }

  #checkStale(): void {
    const now = performance.now();
    const isRejecting = now - this.#inputRejectedAtMs < REJECTION_SHOWN_MS;
    if (this.#showsRejection && !isRejecting) this.#change(this.#state, this.#ownReason);
    if (this.#state !== 'live') return;
    const silentMs = now - this.#latestAtMs;
    if (silentMs < STALE_AFTER_MS) return;
    if (silentMs < STALE_AFTER_FRAMES * (this.#rate.recentIntervalMs() ?? 0)) return;
    this.#ownReason = 'the source has stopped sending';
    if (isRejecting && this.#inputRejectedAtMs > this.#latestAtMs) this.#showRejection('stale');
    else this.#change('stale', this.#ownReason);
  }

  #change(state: StreamState, text: string): void {
    this.#showsRejection = false;
    this.#problem = null;
    this.#ownReason = text;
    if (!this.#set(state, text)) return;
    this.#log[state === 'stale' ? 'warn' : 'info']({ event: 'state', state }, `${this.#state}, ${this.#reason}`);
  }

  /** @returns whether anything has changed. Called for every frame, mostly without a change. */
  #set(state: StreamState, text: string): boolean {
    if (state === this.#state && text === this.#reason) return false;
    const reason = cleanText(text);
    if (state === this.#state && reason === this.#reason) return false;
    this.#state = state;
    this.#reason = reason;
    this.report({ kind: 'state', client: null, port: null, address: null, reason: `${state}: ${reason}`, state });
    for (const follower of this.#followers) follower.streamChanged(state, reason);
    for (const client of this.#clients) client.streamChanged(state, reason);
    return true;
  }
}

function createLatencies(): LatenciesByKind {
  return { native: new LatencyHistogram(), web: new LatencyHistogram(), spectator: new LatencyHistogram() };
}

const FRAMES_ARRIVE = 'frames arrive';

/** The reason of a live stream. */
function reasonOfLive(frame: FrameOutline): string {
  const reason = unshowableReason(frame);
  return reason === null ? FRAMES_ARRIVE : `${FRAMES_ARRIVE} that viewers cannot show: ${reason}`;
}

/** Why browsers cannot show a frame; null if they can. NetGear clients take arrays of any shape. */
function unshowableReason({ encoding }: FrameOutline): string | null {
  if (encoding.kind === 'jpeg') return null;
  try {
    checkShowable(encoding);
    return null;
  } catch (error) {
    return errorText(error);
  }
}

/** A client's name and reason may contain untrusted input. */
function cleanStatus(status: ClientStatus): ClientStatus {
  return { ...status, address: cleanText(status.address), reason: cleanText(status.reason) };
}

/** Rounds to one decimal: readable, and stable enough not to change with every update. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
