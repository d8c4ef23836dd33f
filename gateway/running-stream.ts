import { runInBackground } from '../shared/background.ts';
import { cleanText } from '../shared/clean-text.ts';
import { errorText, GearwayError } from '../shared/errors.ts';
import { MAX_MESSAGE_JSON } from '../shared/frame.ts';
import type { Logger } from '../shared/logger.ts';
import type { NDArray } from '../shared/ndarray.ts';
import type { Value } from '../shared/protocol.ts';
import type { ClientStatus, PortRange, StreamStatus } from '../shared/status.ts';
import { createPlaceholder } from './drawing/placeholder.ts';
import { NativeClient, type NativeClientAddress } from './clients/native/native-client.ts';
import { NativeHeaders } from './clients/native/native-headers.ts';
import { PlaceholderFrames } from './clients/native/placeholder-frames.ts';
import { VerifiedFrames } from './clients/native/verified-frames.ts';
import type { ClusterStream } from './cluster/cluster.ts';
import type { StreamAnnouncement } from './cluster/stream-announcement.ts';
import type { JpegVerifier } from './codecs/jpeg-verifier.ts';
import type { NamedSource } from './create-sources.ts';
import type { ByteBudget } from './hub/byte-budget.ts';
import type { EventLog } from './hub/event-log.ts';
import { isInRanges } from './hub/port-registry.ts';
import type { PortData } from './hub/returns/returns.ts';
import type { Frame, FrameSize } from './hub/frame.ts';
import { Stream } from './hub/stream.ts';
import { formatPythonJson } from './codecs/python-json.ts';
import { resolveClient } from './config/client-address.ts';
import { MAX_NATIVE_CLIENTS, type ResolvedGatewayOptions } from './config/options.ts';
import type { Publishing, SinglePublisher } from './sources/push/publishing.ts';
import { PushSource } from './sources/push/push-source.ts';
import { covers } from './rights/principal.ts';
import type { RemoteRenditions } from './renditions/rendition.ts';
import type { Thumbnail } from './renditions/thumbnail.ts';
import type { Source } from './sources/source.ts';
import { SourceSupervisor } from './sources/supervisor.ts';

/** API of a stream, for programs that embed the gateway. */
export interface GatewayStream {
  readonly name: string;
  /** All clients, native and web, ordered by port; spectators last. */
  readonly clients: readonly ClientStatus[];
  /**
   * Sends a frame to every client: one JPEG, or an array of `[height, width]` or `[height, width, channels]` (BGR).
   * The bytes are not copied and must not be written to again.
   *
   * @param options `message`: data sent with the frame; any value that Python's JSON can represent. `capturedAtUs`:
   * capture time, Unix time in microseconds. `takeOver`: takes over from another publisher (docs/publishing.md).
   * `check`: whether a JPEG is verified before NetGear clients get it; default true, or as in the source's URL.
   * @returns the frame's sequence number.
   * @throws {GearwayError} `jpeg-invalid`, `jpeg-too-complex`, `dtype-unknown`, `shape-invalid`, `array-misfit`,
   * `too-large`, `value-invalid`, `closed`, `publisher-present` or `taken-over` if there is another publisher,
   * `source-busy` if the source is not `push:`.
   */
  push(
    frame: Uint8Array | NDArray,
    options?: { message?: Value; capturedAtUs?: number; takeOver?: boolean; check?: boolean },
  ): number;
  /**
   * Return data from now on: sticky values when they change, and each once-only value. A slow reader misses values,
   * which are counted.
   */
  returns(): AsyncIterableIterator<PortData>;
  /**
   * Adds a native client, `tcp://HOST:PORT?pattern=1`, like the option `clients`. The gateway connects to it whenever
   * it is reachable.
   *
   * @returns its status; pass `id` to {@link GatewayStream.sendAway} to remove it.
   * @throws {GearwayError} `address-invalid`, `pattern-unknown`, `option-invalid`, `modes-invalid`, `port-taken`,
   * `keys-missing`, `keys-invalid`, `too-many`, `closed`.
   */
  addClient(address: string): ClientStatus;
  /**
   * Disconnects the client with this id permanently: a viewer gets `reason` and does not reconnect, a native client
   * gets NetGear's termination and is removed.
   *
   * @returns false if there is no such client.
   */
  sendAway(id: string, reason?: string): boolean;
  status(): StreamStatus;
}

const THIS_PROGRAM: SinglePublisher = { label: 'this program', identity: 'this program' };

/** Interval between attempts to add a client whose port is taken. */
const RETRY_MS = 500;

const SENT_AWAY = 'disconnected by the program that runs this gateway';

/** A stream with its source and its native clients, which it owns. */
export class RunningStream implements GatewayStream {
  readonly stream: Stream;
  #source: Source;
  #supervisor: SourceSupervisor;
  readonly #log: Logger;
  readonly #headers = new NativeHeaders();
  readonly #frames: VerifiedFrames;
  readonly #verifier: JpegVerifier;
  readonly #nativeClients = new Set<NativeClient>();
  /** Placeholder frames; null if native clients get nothing while there are no frames. */
  readonly #placeholders: PlaceholderFrames | null;
  readonly #inCluster: ClusterStream | null;
  /** Configured clients whose ports are not free yet. */
  readonly #waiting = new Set<NativeClientAddress>();
  #retryTimer: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param returnBudget budget for the return data of all streams.
   * @param verifier verifies JPEGs from unknown encoders before NetGear clients, or servers as return data, get them.
   */
  constructor(
    { name, source, isOnDemand }: NamedSource,
    options: ResolvedGatewayOptions,
    log: Logger,
    events: EventLog,
    returnBudget: ByteBudget,
    verifier: JpegVerifier,
    inCluster: ClusterStream | null = null,
  ) {
    this.#source = source;
    this.#log = log.child({ stream: name });
    this.#inCluster = inCluster;
    const virtualPorts = options.virtualPorts.get(name) ?? [];
    const policy = options.policies.get(name);
    if (policy === undefined) throw new TypeError(`the options have no policy for the stream ${name}`);
    this.stream = new Stream({
      name,
      virtualPorts,
      isOnDemand: isOnDemand || inCluster !== null,
      reservedPorts: reservedPortsIn(name, virtualPorts, options),
      ...(inCluster === null ? {} : { ports: inCluster.ports, createControl: inCluster.createControl }),
      policy,
      events,
      sourceTakesReturns: source.takesReturns,
      returnBudget,
      waitingReason: source.waitingReason,
      log: this.#log,
    });
    const create = (size: FrameSize | null): Promise<Frame> =>
      createPlaceholder(this.#source.waitingReason, size ?? undefined);
    this.#placeholders =
      policy.idle === 'card' ? new PlaceholderFrames({ stream: this.stream, create, log: this.#log }) : null;
    this.#verifier = verifier;
    this.#frames = new VerifiedFrames(verifier, this.stream);
    inCluster?.attach(this.stream);
    this.#supervisor = this.#supervise(source, isOnDemand);
  }

  get name(): string {
    return this.stream.name;
  }

  /** Null if the source does not accept publishers. */
  get publishing(): Publishing | null {
    if (this.#inCluster?.isHere() === false) return null;
    return this.#source instanceof PushSource ? this.#source.publishing : null;
  }

  /** Renditions by another gateway; null without a cluster. */
  get remoteRenditions(): RemoteRenditions | null {
    return this.#inCluster?.renditions ?? null;
  }

  /**
   * A small picture from the gateway that runs the source, while this gateway gets no pictures of it.
   *
   * @returns null if this gateway has the pictures itself. The promise resolves to null if there is no picture; never
   *   rejects.
   */
  remoteThumbnail(width: number): Promise<Thumbnail | null> | null {
    const inCluster = this.#inCluster;
    if (inCluster === null || inCluster.isHere()) return null;
    const { latest, newestSequence } = this.stream;
    // While all viewers here get H.264, only the heads of the frames arrive.
    const hasPictures = this.#supervisor.status().state !== 'asleep' && latest?.sequence === newestSequence;
    return hasPictures ? null : inCluster.thumbnail(width);
  }

  get clients(): readonly ClientStatus[] {
    return this.stream.clientStatuses();
  }

  /**
   * Adds the native clients, then opens the source.
   *
   * @throws {GearwayError} the errors of {@link RunningStream.addClient}, and `source-unavailable`.
   */
  async open(clients: readonly NativeClientAddress[]): Promise<void> {
    await this.addClients(clients);
    await this.#supervisor.open();
  }

  /** Closes the source, and with it its publishers. */
  async closeSource(): Promise<void> {
    await this.#supervisor.close();
  }

  /** Opens another source in place of a closed one. Clients stay connected; a failure is retried. */
  startSource({ source, isOnDemand }: NamedSource): void {
    this.#source = source;
    this.#placeholders?.forget();
    this.stream.wait(source.waitingReason);
    if (source.verifiesJpegs && this.#nativeClients.size > 0) this.#frames.prepare();
    this.#inCluster?.replaceLocal(source, isOnDemand);
    this.#supervisor = this.#supervise(source, isOnDemand);
    this.#supervisor.start();
  }

  /**
   * Starts a stream that was added while the gateway runs: adds the native clients, and opens the source, whose
   * failures are retried.
   *
   * @throws {GearwayError} the errors of {@link RunningStream.addClient}.
   */
  async start(clients: readonly NativeClientAddress[]): Promise<void> {
    this.#supervisor.start();
    await this.addClients(clients);
  }

  /** @throws {GearwayError} the errors of {@link RunningStream.addClient}. */
  async addClients(clients: readonly NativeClientAddress[]): Promise<void> {
    for (const address of clients) this.#addListed(address);
  }

  /** Removes native clients, after a termination. Returns when their ports are free. */
  async removeClients(ports: readonly number[]): Promise<void> {
    for (const address of this.#waiting) if (ports.includes(address.port)) this.#waiting.delete(address);
    const removed = [...this.#nativeClients].filter(({ port }) => ports.includes(port));
    for (const client of removed) this.#nativeClients.delete(client);
    await Promise.all(removed.map((client) => client.close({ terminate: true })));
  }

  push(
    frame: Uint8Array | NDArray,
    {
      message = null,
      capturedAtUs,
      takeOver = false,
      check,
    }: { message?: Value; capturedAtUs?: number; takeOver?: boolean; check?: boolean } = {},
  ): number {
    const { publishing } = this;
    if (publishing === null)
      throw new GearwayError(
        'source-busy',
        `the stream's source is ${this.#source.kind}:, expected push: to publish frames`,
      );
    this.#checkOpen();
    // A message that has no Python JSON is rejected here, not when it is sent to a client.
    const { length } = formatPythonJson(message);
    if (length > MAX_MESSAGE_JSON)
      throw new GearwayError(
        'too-large',
        `the message has ${length} characters as JSON, expected at most ${MAX_MESSAGE_JSON}`,
      );
    const info = { message, capturedAtUs: capturedAtUs ?? null, ...(check === undefined ? {} : { isTrusted: !check }) };
    return publishing.publish(THIS_PROGRAM, frame, info, { takeOver }).sequence;
  }

  returns(): AsyncIterableIterator<PortData> {
    return this.stream.returns.values();
  }

  addClient(text: string): ClientStatus {
    this.#checkOpen();
    const { stream, address } = resolveClient(text);
    if (stream !== null && stream !== this.name) {
      throw new GearwayError(
        'option-invalid',
        `client ${text} names the stream ${stream}, expected ${this.name} or no name`,
      );
    }
    return this.#add(address).status();
  }

  /** Undoes the addition of a native client: removes it without a termination. */
  async withdrawClient(id: string): Promise<void> {
    const client = [...this.#nativeClients].find((each) => each.id === id);
    if (client === undefined) return;
    this.#nativeClients.delete(client);
    await client.close();
  }

  sendAway(id: string, reason = SENT_AWAY): boolean {
    return this.stream.sendAway(id, reason) !== null;
  }

  status(): StreamStatus {
    const source = this.#supervisor.status();
    const status = this.stream.status(source);
    if (this.#inCluster === null) return status;
    const gateway = this.#inCluster.home();
    if (source.state !== 'asleep' || this.#inCluster.isHere()) return { ...status, gateway };
    // No client of this gateway needs frames, so the state is that reported by the owner.
    const announced = this.#inCluster.announcement();
    if (announced === null)
      return {
        ...status,
        reason: 'no gateway of the cluster runs the source',
        source: { ...source, state: 'waiting for a gateway' },
        gateway,
      };
    const { kind, address, sourceState, state, reason, frame } = announced;
    const known = this.#inCluster.isConnected()
      ? { state, reason: cleanText(reason) }
      : { state: state === 'live' ? ('stale' as const) : state, reason: 'this gateway cannot reach its cluster' };
    return {
      ...status,
      ...known,
      frame,
      source: {
        ...source,
        kind: cleanText(kind),
        address: cleanText(address),
        state: cleanText(sourceState ?? source.state),
      },
      gateway,
    };
  }

  /** Whether it is a stream of other gateways that none of them lists any more, and has no clients here. */
  get isAbandoned(): boolean {
    return (
      this.#inCluster?.isHere() === false && this.#inCluster.announcement() === null && this.stream.clientCount === 0
    );
  }

  /** Description of the stream for the other gateways of a cluster. */
  announcement(): StreamAnnouncement {
    const { kind, address, takesReturns, verifiesJpegs } = this.#source;
    const { source, state, reason, frame, ports } = this.stream.status(this.#supervisor.status());
    return {
      name: this.name,
      kind,
      address: cleanText(address),
      sourceState: source.state,
      ranges: ports.ranges,
      takesReturns,
      verifiesJpegs,
      state,
      reason,
      frame,
      control: this.stream.control?.state() ?? null,
      clients: this.stream.clientCount,
    };
  }

  /** Closes the source, then the native clients. Idempotent. */
  async closeSourceAndClients(onClose: 'keep' | 'terminate'): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    await this.#supervisor.close();
    await Promise.all([...this.#nativeClients].map((client) => client.close({ terminate: onClose === 'terminate' })));
    this.#inCluster?.close();
  }

  #supervise(source: Source, isOnDemand: boolean): SourceSupervisor {
    const inCluster = this.#inCluster;
    return new SourceSupervisor({
      source: inCluster?.source ?? source,
      stream: this.stream,
      get isOnDemand() {
        return inCluster?.isOnDemand() ?? isOnDemand;
      },
      log: this.#log,
    });
  }

  /** Adds a configured client. If a client of another gateway of the cluster has its port, waits until it is free. */
  #addListed(address: NativeClientAddress): void {
    // The client was added through the API before it was configured.
    if ([...this.#nativeClients].some((client) => isSameAddress(client.address, address))) return;
    try {
      this.#add(address);
    } catch (error) {
      if (this.#inCluster === null || !(error instanceof GearwayError) || error.code !== 'port-taken') throw error;
      this.#waitFor(address, error.message);
    }
  }

  #waitFor(address: NativeClientAddress, reason: string): void {
    if (this.#waiting.size === 0 || !this.#waiting.has(address))
      this.#log.info({ port: address.port }, `client ${address.port} waits: ${reason}`);
    this.#waiting.add(address);
    this.#retryTimer ??= setTimeout(() => this.#retry(), RETRY_MS);
  }

  #retry(): void {
    this.#retryTimer = undefined;
    const waiting = [...this.#waiting];
    for (const address of waiting) {
      try {
        this.#add(address);
        this.#waiting.delete(address);
      } catch (error) {
        this.#waitFor(address, errorText(error));
      }
    }
  }

  #add(address: NativeClientAddress): NativeClient {
    if (this.#nativeClients.size >= MAX_NATIVE_CLIENTS)
      throw new GearwayError(
        'too-many',
        `${MAX_NATIVE_CLIENTS} native clients are already listed, the maximum per stream`,
      );
    if (this.#source.verifiesJpegs) this.#frames.prepare();
    const client: NativeClient = new NativeClient({
      address,
      stream: this.stream,
      headers: this.#headers,
      frames: this.#frames,
      verifyReturned: (jpeg, colorspace) => this.#verifier.verify(jpeg, { lane: 'returns', key: client, colorspace }),
      placeholders: this.#placeholders,
      log: this.#log,
      onSentAway: () => this.#nativeClients.delete(client),
      onPortLost: (reason) => {
        this.#nativeClients.delete(client);
        runInBackground(client.close(), (error) =>
          this.#log.warn({ port: address.port }, `client ${address.port} could not be closed: ${errorText(error)}`),
        );
        if (!this.#closed) this.#waitFor(address, reason);
      },
    });
    this.#nativeClients.add(client);
    return client;
  }

  #checkOpen(): void {
    if (this.#closed) throw new GearwayError('closed', 'the gateway is closed');
  }
}

function isSameAddress(a: NativeClientAddress, b: NativeClientAddress): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The ports that are reserved for the owners of tokens in a stream, among its virtual ports. */
export function reservedPortsIn(
  stream: string,
  virtualPorts: readonly PortRange[],
  { reservedPorts, tokens }: Pick<ResolvedGatewayOptions, 'reservedPorts' | 'tokens'>,
): readonly number[] {
  const named = tokens.flatMap((token) => (token.port !== null && covers(token, stream) ? [token.port] : []));
  return [...reservedPorts.keys(), ...named].filter((port) => isInRanges(port, virtualPorts));
}
