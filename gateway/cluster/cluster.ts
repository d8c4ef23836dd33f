import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { runInBackground } from '../../shared/background.ts';
import { cleanText } from '../../shared/clean-text.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { ClusterConnection, ClusterMember, ClusterStatus, PortRange, StreamHome } from '../../shared/status.ts';
import type { Control, ControlOptions } from '../hub/control.ts';
import type { Ports } from '../hub/port-registry.ts';
import type { Stream } from '../hub/stream.ts';
import { sleep } from '../sources/sleep.ts';
import type { LocalRenditions, RemoteRenditions } from '../renditions/rendition.ts';
import type { Thumbnail } from '../renditions/thumbnail.ts';
import type { Source } from '../sources/source.ts';
import type { ClusterAddress } from './cluster-address.ts';
import { ClusterControl } from './cluster-control.ts';
import { ClusterPorts } from './cluster-ports.ts';
import { FrameExporter } from './frame-exporter.ts';
import { CLUSTER_PROTOCOL, keepBeating, memberKey, Membership } from './membership.ts';
import { MirrorSource } from './mirror-source.ts';
import { MirroredRenditions } from './mirrored-renditions.ts';
import { connectNats, lacksPermission, type NatsConnections, unsuitable } from './nats.ts';
import { OwnedSource } from './owned-source.ts';
import { RareWarnings } from './rare-warnings.ts';
import { Ownership } from './ownership.ts';
import { RemoteNumbers } from './remote-numbers.ts';
import { RenditionHost } from './rendition-host.ts';
import { type HostedStream, SessionHost } from './session-host.ts';
import { RemoteThumbnails } from './remote-thumbnails.ts';
import { Replica } from './store.ts';
import type { StreamAnnouncement } from './stream-announcement.ts';
import { ThumbnailHost } from './thumbnail-host.ts';
import { unlessAborted } from './unless-aborted.ts';

interface ClusterOptions {
  readonly address: ClusterAddress;
  /**
   * The streams whose sources are configured at this gateway at its start, and whether other gateways may have them,
   * too.
   */
  readonly streams: ReadonlyMap<string, { readonly hasFailover: boolean }>;
  readonly log: Logger;
  /** Aborts the attempt to join. */
  readonly signal: AbortSignal;
  /** Default {@link CLUSTER_PROTOCOL}. */
  readonly protocol?: number;
}

interface Joined {
  readonly nats: NatsConnections;
  readonly replica: Replica;
  readonly membership: Membership;
  readonly closing: AbortController;
  readonly description: { current: () => SelfDescription };
}

/** How a gateway describes itself to the others. */
export interface SelfDescription {
  readonly url: string | null;
  readonly streams: readonly StreamAnnouncement[];
}

/** The parts of a stream that are different in a cluster. */
export interface ClusterStream {
  readonly ports: Ports;
  /** Creates the control of the stream, if it is exclusive. */
  readonly createControl: (options: ControlOptions) => Control;
  readonly source: Source;
  /** Renditions that the owner creates. */
  readonly renditions: RemoteRenditions;
  /** A small picture from the gateway that runs the source; null if there is none. Never rejects. */
  readonly thumbnail: (width: number) => Promise<Thumbnail | null>;
  /** Whether the source runs only while there are viewers. May change. */
  readonly isOnDemand: () => boolean;
  /** Whether this gateway runs the source. */
  readonly isHere: () => boolean;
  /** Gateway that runs the source; null if none does. */
  readonly home: () => StreamHome | null;
  /** Whether the cluster can be reached, so that the description by the owner is current. */
  readonly isConnected: () => boolean;
  /** Description by its owner; null if the owner is this gateway, or there is none. */
  readonly announcement: () => StreamAnnouncement | null;
  /** Replaces the source of this gateway, which must be closed. */
  replaceLocal(source: Source, isOnDemand: boolean): void;
  /** Must be called once, with the stream that uses these parts. */
  attach(stream: Stream): void;
  /** Ends the stream's work in the cluster. */
  close(): void;
}

/** The control of a stream; null before its stream is created, and if all viewers may return data. */
interface ControlSlot {
  current: ClusterControl | null;
}

/** Maximum time until the directory can be written at the start: the NATS servers may have to elect a leader. */
const FIRST_BEAT_TIMEOUT_MS = 20_000;

/** Maximum time to detect, at the start of a gateway, that a former owner is dead. */
const SETTLE_TIMEOUT_MS = 5000;

const CHECK_INTERVAL_MS = 200;

/** Timeout for leaving the cluster if the servers cannot be reached. */
const LEAVE_TIMEOUT_MS = 500;

/**
 * Time between two checks, at most {@link CHECK_INTERVAL_MS}, as a multiple of the time that the last one took: other
 * programs can change members and owners at any rate, and each check is a pass over all of them.
 */
const CHECK_PAUSE = 9;

/** This gateway's part in the cluster. The creator closes it, after the streams. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #nats: NatsConnections;
  readonly #replica: Replica;
  readonly #membership: Membership;
  readonly #ownership: Ownership;
  readonly #host: SessionHost;
  readonly #renditionHost: RenditionHost;
  readonly #thumbnailHost: ThumbnailHost;
  readonly #thumbnails: RemoteThumbnails;
  /** The current streams of this gateway. */
  readonly #streams: Map<string, { readonly hasFailover: boolean }>;
  readonly #hosted = new Map<string, HostedStream & { readonly origin: string }>();
  /** Receivers of frames and renditions. */
  readonly #receivers = new Set<{ reconnected(): void }>();
  readonly #ports = new Set<ClusterPorts>();
  /** Sources and renditions that must be notified when owners change. */
  readonly #followers = new Set<{ ownerChanged(): void }>();
  readonly #closing: AbortController;
  readonly #timer: NodeJS.Timeout;
  readonly #description: { current: () => SelfDescription };
  #renditionsOf: (stream: Stream) => LocalRenditions | null = () => null;
  #thumbnailOf: (stream: Stream, width: number) => Promise<Thumbnail | null> = () => Promise.resolve(null);
  #onRemote: ((announcement: StreamAnnouncement) => boolean) | null = null;
  readonly #warnings: RareWarnings;
  #nextCheckAtMs = -Infinity;
  /** Timer of a check that was postponed. */
  #postponed: NodeJS.Timeout | null = null;

  private constructor(options: ClusterOptions, { nats, replica, membership, closing, description }: Joined) {
    this.#options = options;
    this.#nats = nats;
    this.#replica = replica;
    this.#membership = membership;
    this.#closing = closing;
    this.#description = description;
    const { log } = options;
    this.#warnings = new RareWarnings(log);
    this.#streams = new Map(options.streams);
    this.#ownership = new Ownership({ replica, membership, streams: this.#streams, log });
    this.#host = new SessionHost({
      connection: nats.control,
      subject: this.#sessionSubject(membership.id),
      streams: this.#hosted,
      gatewayName: (id) => cleanText(membership.member(id)?.name ?? id),
      log,
    });
    this.#renditionHost = new RenditionHost({
      control: nats.control,
      frames: nats.frames,
      maxPayload: () => nats.maxPayload,
      subject: this.#renditionRequestSubject(membership.id),
      frameSubject: (stream, step) => this.#renditionSubject(membership.id, stream, step),
      streams: this.#hosted,
      renditionsOf: (stream) => this.#renditionsOf(stream),
      log,
    });
    this.#thumbnailHost = new ThumbnailHost({
      // Pictures must not delay other messages.
      connection: nats.frames,
      maxPayload: () => nats.maxPayload,
      subject: this.#thumbnailSubject(membership.id),
      create: async ({ stream, width }) => {
        const hosted = this.#hosted.get(stream);
        return hosted?.isOwner() === true ? this.#thumbnailOf(hosted.stream, width) : null;
      },
      log,
    });
    this.#thumbnails = new RemoteThumbnails({
      connection: nats.frames,
      ownerOf: (stream) => (this.#ownership.isOwner(stream) ? null : this.#ownerOf(stream)),
      subject: (owner) => this.#thumbnailSubject(owner),
    });
    this.#ownership.onChange(() => this.#check());
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
    nats.onFramesReconnected(() => {
      for (const { exporter } of this.#hosted.values()) exporter.reconnected();
      this.#renditionHost.reconnected();
      for (const receiver of this.#receivers) receiver.reconnected();
    });
  }

  /**
   * Joins the cluster, and claims the streams of this gateway.
   * @throws {GearwayError} `cluster-unreachable`, `cluster-unsuitable`, `cluster-version`, `stream-taken`, `closed`
   * when the signal aborts.
   */
  static async join(options: ClusterOptions): Promise<Cluster> {
    const { address, log, signal, protocol = CLUSTER_PROTOCOL } = options;
    const nats = await connectNats(address, log, signal);
    const closing = new AbortController();
    let cluster: Cluster | null = null;
    try {
      const store = await nats.openStore(signal);
      const replica = new Replica(store);
      const description = { current: (): SelfDescription => ({ url: null, streams: [] }) };
      const membership = new Membership({
        store,
        replica,
        protocol,
        name: address.gateway ?? hostname(),
        describe: () => description.current(),
        log,
      });
      store.follow(replica);
      let failure: unknown = new Error('its values do not arrive');
      const refused = new Promise<false>((resolve) => {
        const failed = (error: unknown): void => {
          failure = error;
          log.warn({}, `the directory cannot be written: ${errorText(error)}`);
          if (lacksPermission(error)) resolve(false);
        };
        keepBeating(membership, closing.signal, failed, () => log.info({}, 'the directory can be written again'));
      });
      // The watch delivers this gateway's own heartbeat after all keys that existed before.
      const hasBeaten = (): boolean => replica.get(memberKey(membership.id)) !== undefined;
      const beaten = Promise.race([refused, waitFor(membership, hasBeaten, FIRST_BEAT_TIMEOUT_MS)]);
      if (!(await unlessAborted(beaten, signal)))
        throw unsuitable("the cluster's directory cannot be written", failure, 'check the log of the NATS server');
      await unlessAborted(membership.checkVersions(), signal);
      cluster = new Cluster(options, { nats, replica, membership, closing, description });
      await unlessAborted(cluster.#settle(), signal);
      return cluster;
    } catch (error) {
      if (cluster !== null) await cluster.close();
      closing.abort();
      await nats[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * @param onRemote called repeatedly for each stream of another gateway. Returns false if it cannot be added
   * now.
   * @param pictures the renditions of a stream that this gateway can create for others, null if it creates none; and
   * small pictures of its latest frame, null if there is none.
   */
  start(
    describe: () => SelfDescription,
    onRemote: (announcement: StreamAnnouncement) => boolean,
    pictures: {
      readonly renditionsOf: (stream: Stream) => LocalRenditions | null;
      readonly thumbnailOf: (stream: Stream, width: number) => Promise<Thumbnail | null>;
    },
  ): void {
    this.#description.current = describe;
    this.#onRemote = onRemote;
    this.#renditionsOf = pictures.renditionsOf;
    this.#thumbnailOf = pictures.thumbnailOf;
    this.#check();
  }

  /** Creates the parts of a stream whose source is configured at this gateway. */
  local(
    name: string,
    options: {
      readonly source: Source;
      readonly isOnDemand: boolean;
      readonly hasFailover: boolean;
      readonly ranges: readonly PortRange[];
      readonly reserved: Iterable<number>;
    },
  ): ClusterStream {
    this.#streams.set(name, { hasFailover: options.hasFailover });
    let { isOnDemand } = options;
    const isHere = (): boolean => this.#ownership.isOwner(name);
    const base = this.#base(name, (mirror) => new OwnedSource(options.source, mirror, isHere), options);
    const { source } = base;
    return {
      ...base,
      isOnDemand: () => isOnDemand || !isHere(),
      replaceLocal: (local, onDemand) => {
        isOnDemand = onDemand;
        source.replaceLocal(local);
      },
      attach: (stream) => {
        base.attach(stream);
        const origin = randomBytes(6).toString('base64url');
        const exporter = new FrameExporter({
          stream,
          origin,
          connection: this.#nats.frames,
          maxPayload: () => this.#nats.maxPayload,
          subject: this.#frameSubject(this.#membership.id, name),
        });
        this.#hosted.set(name, { stream, origin, exporter, isOwner: isHere });
      },
      close: () => {
        base.close();
        const hosted = this.#hosted.get(name);
        this.#hosted.delete(name);
        if (hosted !== undefined) {
          this.#host.endSessions(hosted.stream);
          this.#renditionHost.endStream(hosted.stream);
        }
        this.#streams.delete(name);
        runInBackground(this.#ownership.release(name), (error) =>
          this.#options.log.warn({ stream: name }, `the stream could not be released: ${errorText(error)}`),
        );
      },
    };
  }

  /** Creates the parts of a stream that is configured only at other gateways. */
  remote(
    name: string,
    options: { readonly ranges: readonly PortRange[]; readonly reserved: Iterable<number> },
  ): ClusterStream {
    return {
      ...this.#base(name, (mirror) => mirror, options),
      isOnDemand: () => true,
      replaceLocal: () => undefined,
    };
  }

  /** Status for `GET /api/cluster`. */
  status(): ClusterStatus {
    return { ...this.connection(), members: this.#members() };
  }

  /** Status for `GET /api/gateway`. */
  connection(): ClusterConnection {
    const isConnected = this.#membership.silenceMs < UNREACHABLE_AFTER_MS;
    return { isConnected, unreachableSince: isConnected ? null : this.#membership.ackedAt };
  }

  /** This gateway and the others. */
  #members(): readonly ClusterMember[] {
    const self = this.#description.current();
    const { id } = this.#membership;
    const own = { id, name: this.#options.address.gateway ?? hostname(), ...self };
    return [
      { member: own, isSelf: true },
      ...this.#membership.others().map((member) => ({ member, isSelf: false })),
    ].map(({ member, isSelf }) => ({
      id: member.id,
      name: cleanText(member.name),
      url: member.url,
      isSelf,
      streams: member.streams.map(({ name, state, clients }) => ({
        name,
        state,
        clients,
        isOwner: this.#ownerOf(name) === member.id,
      })),
    }));
  }

  /**
   * Leaves the cluster: other gateways take over the streams of this one, and the ports of its viewers stay reserved.
   * Idempotent.
   */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    clearInterval(this.#timer);
    if (this.#postponed !== null) clearTimeout(this.#postponed);
    this.#closing.abort();
    this.#host.close();
    this.#renditionHost.close();
    this.#thumbnailHost.close();
    for (const ports of this.#ports) ports.close();
    const left = Promise.all([this.#ownership.close(), this.#membership.leave()]).catch((error: unknown) =>
      this.#options.log.warn({}, `could not leave: ${errorText(error)}`),
    );
    await Promise.race([left, sleep(LEAVE_TIMEOUT_MS)]);
    await Promise.race([this.#nats[Symbol.asyncDispose](), sleep(LEAVE_TIMEOUT_MS)]);
  }

  /** Waits until each stream of this gateway has an owner. */
  async #settle(): Promise<void> {
    for (const [name, { hasFailover }] of this.#streams) {
      const isSettled = (): boolean =>
        this.#ownership.isOwner(name) || (hasFailover && this.#ownership.ownerOf(name) !== null);
      if (await waitFor(this.#membership, isSettled, SETTLE_TIMEOUT_MS)) continue;
      const owner = this.#membership.member(this.#ownership.ownerOf(name) ?? '')?.name ?? 'another gateway';
      throw new GearwayError(
        'stream-taken',
        `the stream ${name} is already at gateway ${cleanText(owner)} of this cluster: give this one another name, or configure both with --failover ${name}`,
      );
    }
  }

  /** Checks now, or if the last check took long, later. */
  #check(): void {
    if (this.#postponed !== null) return;
    const startMs = performance.now();
    if (startMs < this.#nextCheckAtMs) {
      this.#postponed = setTimeout(() => {
        this.#postponed = null;
        this.#check();
      }, this.#nextCheckAtMs - startMs);
      return;
    }
    this.#checkNow();
    const endMs = performance.now();
    this.#nextCheckAtMs = endMs + Math.min(CHECK_INTERVAL_MS, CHECK_PAUSE * (endMs - startMs));
  }

  #checkNow(): void {
    for (const ports of this.#ports) ports.tick();
    for (const follower of this.#followers) follower.ownerChanged();
    if (this.#onRemote === null) return;
    for (const { id, streams } of this.#membership.others()) {
      for (const stream of streams) {
        if (this.#streams.has(stream.name) || this.#ownerOf(stream.name) !== id || this.#onRemote(stream)) continue;
        this.#warnings.warn('other gateways have, or add, more streams than this one can show; some are left out');
        return;
      }
    }
  }

  /** @param createSource receives the source that mirrors the owner's. */
  #base<T extends Source & { ownerChanged(): void }>(
    name: string,
    createSource: (mirror: MirrorSource) => T,
    { ranges, reserved }: { readonly ranges: readonly PortRange[]; readonly reserved: Iterable<number> },
  ): Omit<ClusterStream, 'isOnDemand' | 'replaceLocal' | 'source'> & { readonly source: T } {
    let newest = (): number => 0;
    const numbers = new RemoteNumbers(() => newest());
    const control: ControlSlot = { current: null };
    const mirror = this.#mirror(name, numbers, control);
    const source = createSource(mirror);
    const isHere = (): boolean => this.#ownership.isOwner(name);
    const renditions = new MirroredRenditions({
      link: {
        control: this.#nats.control,
        frames: this.#nats.frames,
        stream: name,
        self: this.#membership.id,
        owner: () => (isHere() ? null : this.#ownerOf(name)),
        requestSubject: (owner) => this.#renditionRequestSubject(owner),
        frameSubject: (owner, step) => this.#renditionSubject(owner, name, step),
        log: this.#options.log,
      },
      numbers,
      isHere,
    });
    const ports = new ClusterPorts({
      stream: name,
      ranges,
      reserved,
      hasFailover: () => this.#streams.get(name)?.hasFailover === true,
      replica: this.#replica,
      membership: this.#membership,
      log: this.#options.log,
    });
    this.#ports.add(ports);
    const controlFollower = { ownerChanged: () => control.current?.ownerChanged() };
    const followers = [source, renditions, controlFollower];
    for (const receiver of [mirror, renditions]) this.#receivers.add(receiver);
    for (const follower of followers) this.#followers.add(follower);
    return {
      ports,
      createControl: (given) =>
        (control.current = new ClusterControl({
          ...given,
          isHere: () => this.#ownership.isOwner(name),
          announced: () => this.#announcement(name)?.control ?? null,
        })),
      source,
      renditions,
      thumbnail: (width) => this.#thumbnails.get(name, width),
      isHere,
      home: () => this.#home(name),
      isConnected: () => this.connection().isConnected,
      announcement: () => this.#announcement(name),
      attach: (stream) => {
        newest = () => stream.newestSequence;
        stream.onNeed(() => mirror.needsChanged());
        // While viewers have ports, their return data goes to the owner, although they may be paused. An administrator
        // can take control away even if there are no viewers.
        stream.follow({
          get isActive() {
            return !stream.returns.isEmpty || control.current?.isPending === true;
          },
          needsPictures: false,
          offer: () => undefined,
          streamChanged: () => undefined,
        });
      },
      close: () => {
        ports.close();
        this.#ports.delete(ports);
        renditions.close();
        for (const receiver of [mirror, renditions]) this.#receivers.delete(receiver);
        for (const follower of followers) this.#followers.delete(follower);
      },
    };
  }

  #mirror(name: string, numbers: RemoteNumbers, exclusive: ControlSlot): MirrorSource {
    const { control, frames } = this.#nats;
    return new MirrorSource({
      stream: name,
      self: this.#membership.id,
      control,
      frames,
      maxPayload: () => this.#nats.maxPayload,
      frameSubject: (owner) => this.#frameSubject(owner, name),
      sessionSubject: (owner) => this.#sessionSubject(owner),
      owner: () => {
        const owner = this.#ownership.lastOwnerOf(name);
        const announcement = owner?.streams.find((stream) => stream.name === name) ?? null;
        if (owner === null || announcement === null) return null;
        const { takesReturns, verifiesJpegs } = announcement;
        return { id: owner.id, name: cleanText(owner.name), takesReturns, verifiesJpegs };
      },
      numbers,
      endSessions: () => {
        const hosted = this.#hosted.get(name);
        if (hosted !== undefined) this.#host.endSessions(hosted.stream);
      },
      exclusiveControl: () => exclusive.current,
      log: this.#options.log,
    });
  }

  #ownerOf(name: string): string | null {
    return this.#ownership.ownerOf(name);
  }

  #home(name: string): StreamHome | null {
    if (this.#ownership.isOwner(name))
      return { name: this.#options.address.gateway ?? hostname(), url: this.#description.current().url, isHere: true };
    const member = this.#membership.member(this.#ownerOf(name) ?? '');
    return member === null ? null : { name: cleanText(member.name), url: member.url, isHere: false };
  }

  #announcement(name: string): StreamAnnouncement | null {
    const owner = this.#membership.member(this.#ownerOf(name) ?? '');
    return owner?.streams.find((stream) => stream.name === name) ?? null;
  }

  #frameSubject(owner: string, stream: string): string {
    return `${this.#options.address.cluster}.frames.${owner}.${stream}`;
  }

  /** The subject of a rendition, without its last token. */
  #renditionSubject(owner: string, stream: string, step: string): string {
    return `${this.#options.address.cluster}.renditions.${owner}.${stream}.${step}`;
  }

  #renditionRequestSubject(owner: string): string {
    return `${this.#options.address.cluster}.rendition-requests.${owner}`;
  }

  #thumbnailSubject(owner: string): string {
    return `${this.#options.address.cluster}.thumbnails.${owner}`;
  }

  #sessionSubject(owner: string): string {
    return `${this.#options.address.cluster}.session.${owner}`;
  }
}

/** Time without an acknowledged heartbeat after which the cluster counts as unreachable. */
const UNREACHABLE_AFTER_MS = 3000;

/** Waits for a condition. @returns whether it became true in time. */
function waitFor(membership: Membership, isTrue: () => boolean, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (result: boolean): void => {
      clearTimeout(timer);
      stopListening();
      resolve(result);
    };
    const timer = setTimeout(() => finish(isTrue()), timeoutMs);
    const stopListening = membership.onChange(() => {
      if (isTrue()) finish(true);
    });
    if (isTrue()) finish(true);
  });
}
