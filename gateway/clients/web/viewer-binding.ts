import { cleanText, formatLabel } from '../../../shared/clean-text.ts';
import { GearwayError, errorText } from '../../../shared/errors.ts';
import { type ControlMessage, type Hello, type Return, closeCode } from '../../../shared/protocol.ts';
import type { ClientStatus, EventKind, GatewayEvent, StreamState } from '../../../shared/status.ts';
import type { NotAllowed } from '../../connection/protocol-socket.ts';
import { type ControlNotice, type ControlParty, type ControlView, endControlledData } from '../../hub/control.ts';
import type { Frame, FrameOutline } from '../../hub/frame.ts';
import type { GrantedLease, LeaseHolder } from '../../hub/port-registry.ts';
import type { ReturnData } from '../../hub/returns/returns.ts';
import { addressKey } from '../../hub/shares.ts';
import type { Principal, RightsEnd } from '../../rights/principal.ts';
import type { UserBudget } from '../../rights/user-budget.ts';
import type { Client, Stream } from '../../hub/stream.ts';
import type { JpegStep, Step, VideoStep } from '../../renditions/ladder.ts';
import type { RenditionFrame, SharedEncoding } from '../../renditions/rendition.ts';
import type { VideoEncodings } from './video-encodings.ts';
import { describeReturnData } from '../../hub/returns/describe-return-data.ts';
import type { Rendition, RenditionKind, Renditions } from '../renditions.ts';

/** The gateway's answer to a viewer's hello. */
export type Admission =
  | {
      readonly admitted: true;
      /** Port; null for a spectator. */
      readonly port: number | null;
      readonly leaseKey: string | null;
      /** Why a viewer that did not ask to spectate has no port; otherwise null. */
      readonly spectatorReason: string | null;
      readonly rights: readonly string[];
      readonly mayReturn: boolean;
      /** Bit-rate budget of the token or user. */
      readonly budget: UserBudget;
    }
  | {
      readonly admitted: false;
      readonly closeCode: number;
      readonly reason: string;
      /** The refusal must not be sent before this promise has resolved; null if it can be sent immediately. */
      readonly delay: Promise<void> | null;
    };

/** Whether a viewer may watch. */
type ViewerAuthorization = { readonly allowed: true; readonly principal: Principal } | NotAllowed;

/** Statistics that a viewer's socket contributes to its status. */
export type ViewerFigures = Pick<
  ClientStatus,
  | 'state'
  | 'reason'
  | 'delivered'
  | 'deliveredBytes'
  | 'dropped'
  | 'rejected'
  | 'framesPerSecond'
  | 'roundTripMs'
  | 'delayMs'
>;

/** A viewer's socket, as its {@link ViewerBinding} uses it. Calls must not block or throw. */
export interface ViewerSocket {
  /** Offers a new frame, which replaces a pending one. */
  offer(frame: Frame): void;
  /** Whether it needs the pictures of the frames, and not only renditions from another gateway. */
  readonly needsPictures: boolean;
  /** Called for each frame whose picture is not here. */
  announce(outline: FrameOutline): void;
  streamChanged(state: StreamState, reason: string): void;
  /** Called when control of the stream, or the reason why this viewer does not have it, has changed. */
  controlChanged(view: ControlView, notice: ControlNotice | null): void;
  figures(): ViewerFigures;
  /** Closes the connection with a close code of the protocol. Idempotent. */
  close(code: number, reason: string): void;
  /** Resolves when the socket has closed. */
  readonly closed: Promise<void>;
}

/** Information from a viewer's HTTP request, which precedes its hello. */
interface ViewerBindingOptions {
  /** Unique in the gateway. */
  readonly id: string;
  /** The requested stream and its renditions, or why it does not exist. */
  readonly served:
    | { readonly stream: Stream; readonly renditions: Renditions; readonly video?: VideoEncodings | undefined }
    | { readonly stream: null; readonly reason: (principal: Principal) => string };
  /** Records an event of the requested stream, even if the stream does not exist. */
  readonly report: (event: Omit<GatewayEvent, 'id' | 'time' | 'stream'>) => void;
  readonly address: string;
  /** Decides whether this viewer may watch. */
  readonly authorize: (token: string | undefined) => ViewerAuthorization | Promise<ViewerAuthorization>;
}

/** A viewer that may watch, before it has its port. */
interface Entry {
  readonly served: { readonly stream: Stream; readonly renditions: Renditions };
  readonly socket: ViewerSocket;
  readonly principal: Principal;
  readonly name: string;
}

/** Maximum length of a viewer's name, as in the protocol. */
const MAX_NAME = 64;

/** The answer to a viewer whose socket has closed; it is not sent. */
const CLOSED: Admission = {
  admitted: false,
  closeCode: closeCode.goingAway,
  reason: 'the viewer has disconnected',
  delay: null,
};

type Phase =
  | { readonly kind: 'outside' }
  | {
      readonly kind: 'inside';
      readonly stream: Stream;
      readonly renditions: Renditions;
      readonly socket: ViewerSocket;
      readonly port: number | null;
      readonly name: string;
    }
  | { readonly kind: 'left' };

/** Binds a viewer's {@link ViewerSocket} to its stream: lease, return data, and status. */
export class ViewerBinding implements Client, LeaseHolder, ControlParty {
  readonly id: string;
  readonly #options: ViewerBindingOptions;
  #phase: Phase = { kind: 'outside' };
  #unwatch: () => void = () => undefined;
  /** Ends the use of the principal's budget. */
  #release: () => void = () => undefined;

  constructor(options: ViewerBindingOptions) {
    this.id = options.id;
    this.#options = options;
  }

  /** As returned by `addressKey`. */
  get addressKey(): string {
    return addressKey(this.#options.address);
  }

  get stream(): string {
    return this.#inside().stream.name;
  }

  get port(): number | null {
    return this.#phase.kind === 'inside' ? this.#phase.port : null;
  }

  /** Name that the viewer chose, cleaned; may be empty. */
  get name(): string {
    return this.#phase.kind === 'inside' ? cleanText(this.#phase.name, MAX_NAME) : '';
  }

  /** The control of its stream, as the viewer sees it; null if all viewers may return data. */
  get controlView(): ControlView | null {
    return this.#inside().stream.control?.view(this) ?? null;
  }

  /** Address and name of the viewer, for events and the list of clients. */
  get address(): string {
    const name = this.#phase.kind === 'inside' ? this.#phase.name : '';
    return formatLabel(name, this.#options.address);
  }

  get state(): StreamState {
    return this.#inside().stream.state;
  }

  get reason(): string {
    return this.#inside().stream.reason;
  }

  get latestSequence(): number | null {
    return this.#inside().stream.latest?.sequence ?? null;
  }

  get isActive(): boolean {
    return this.#phase.kind === 'inside' && this.#phase.socket.figures().state !== 'paused';
  }

  get needsPictures(): boolean {
    return this.#phase.kind === 'inside' && this.#phase.socket.needsPictures;
  }

  /** Called when the viewer has resumed. */
  resumed(): void {
    this.#inside().stream.noteNeed();
  }

  latest(): Frame | null {
    return this.#inside().stream.latest;
  }

  frameTimeMs(): number | undefined {
    return this.#inside().stream.frameTimeMs();
  }

  rendition(frame: Frame, wantsRaw: boolean): Rendition | Promise<Rendition> {
    return this.#inside().renditions.get(frame, wantsRaw);
  }

  /** Whether viewers of this stream may get renditions. */
  get makesRenditions(): boolean {
    return this.#inside().renditions.isEnabled;
  }

  renditionsOf(frame: FrameOutline): RenditionKind {
    return this.#inside().renditions.kindOf(frame);
  }

  get hasVideo(): boolean {
    const { served } = this.#options;
    return served.stream !== null && served.video?.isAvailable === true;
  }

  /** @returns null if H.264 cannot be encoded. */
  video(step: VideoStep): SharedEncoding | null {
    const { served } = this.#options;
    return served.stream === null ? null : (served.video?.get(step, this.addressKey) ?? null);
  }

  bytesOf(step: Step): number {
    return this.#inside().renditions.bytesOf(step);
  }

  /** A frame of an encoding, for viewers. */
  encoded(frame: RenditionFrame): Rendition {
    return this.#inside().renditions.encoded(frame);
  }

  /** @returns null if the frame is skipped. @throws {GearwayError} `jpeg-unsupported`. */
  scaled(frame: FrameOutline, step: JpegStep): Promise<Rendition | null> {
    return this.#inside().renditions.scaled(frame, step);
  }

  /** Whether another gateway sends the JPEGs of this step. */
  isScaledElsewhere(step: JpegStep): boolean {
    return this.#inside().renditions.isScaledElsewhere(step);
  }

  packed(frame: Frame): Promise<Rendition> {
    return this.#inside().renditions.packed(frame);
  }

  /** @throws {GearwayError} `jpeg-unsupported`. */
  baseline(frame: Frame): Promise<Rendition> {
    return this.#inside().renditions.baseline(frame);
  }

  reject(error: unknown): void {
    this.#inside().stream.reject(error);
  }

  /** @returns a promise if a hash has to be computed, or the port has to be leased in the cluster. */
  enter(socket: ViewerSocket, hello: Hello): Admission | Promise<Admission> {
    const authorization = this.#options.authorize(hello.token);
    if (!(authorization instanceof Promise)) return this.#enter(socket, hello, authorization);
    return authorization.then((decided) =>
      this.#phase.kind === 'outside' ? this.#enter(socket, hello, decided) : CLOSED,
    );
  }

  #enter(socket: ViewerSocket, hello: Hello, authorization: ViewerAuthorization): Admission | Promise<Admission> {
    const { served } = this.#options;
    if (!authorization.allowed) {
      if (authorization.isReported) this.#phase = { kind: 'left' };
      return {
        admitted: false,
        closeCode: closeCode.notAllowed,
        reason: authorization.message,
        delay: authorization.delay,
      };
    }
    // Checked after authorization, so that unauthorized clients cannot find out which streams exist.
    if (served.stream === null) {
      const reason = served.reason(authorization.principal);
      return { admitted: false, closeCode: closeCode.unknownStream, reason, delay: null };
    }
    const { stream } = served;
    const { principal } = authorization;
    const { port: owned, reservesPort: isReservation } = principal;
    const entry: Entry = { served, socket, principal, name: hello.name ?? '' };
    if (hello.spectate === true) return this.#admit(entry, null, null);
    if (!principal.rights.includes('return')) return this.#admit(entry, null, 'no right to return data');
    const refused = (error: unknown): Admission => this.#withoutPort(entry, hello.port, error);
    try {
      const lease = stream.ports.lease(this, {
        wanted: hello.port,
        key: hello.leaseKey,
        owned,
        isReservation,
        address: this.addressKey,
      });
      if (!(lease instanceof Promise)) return this.#admit(entry, lease, null);
      return lease.then(
        (granted) => {
          if (this.#phase.kind === 'outside') return this.#admit(entry, granted, null);
          // The viewer has disconnected in the meantime.
          stream.ports.leave(granted.port, this);
          return CLOSED;
        },
        (error: unknown) => (this.#phase.kind === 'outside' ? refused(error) : CLOSED),
      );
    } catch (error) {
      return refused(error);
    }
  }

  #withoutPort(entry: Entry, wanted: number | undefined, error: unknown): Admission {
    const code = error instanceof GearwayError ? error.code : '';
    const mayWatch =
      code === 'no-free-port' || code === 'cluster-unreachable' || (code === 'address-limit' && wanted === undefined);
    if (mayWatch) return this.#admit(entry, null, errorText(error));
    return {
      admitted: false,
      closeCode: LEASE_REFUSALS[code] ?? closeCode.portTaken,
      reason: errorText(error),
      delay: null,
    };
  }

  #admit(
    { served: { stream, renditions }, socket, principal, name }: Entry,
    lease: GrantedLease | null,
    spectatorReason: string | null,
  ): Admission {
    const port = lease?.port ?? null;
    try {
      // The viewer is counted after its lease was granted, which may have ended an earlier connection of the same
      // viewer.
      this.#release = principal.budget.enter();
    } catch (error) {
      if (port !== null) stream.ports.leave(port, this);
      return { admitted: false, closeCode: closeCode.tooMuch, reason: errorText(error), delay: null };
    }
    this.#phase = { kind: 'inside', stream, renditions, socket, port, name };
    const reason = spectatorReason ?? (port === null ? 'watches as a spectator' : `assigned port ${port}`);
    stream.report({ kind: 'connect', client: this.id, port, address: this.address, reason });
    if (port !== null) stream.returns.join(port, this);
    stream.control?.join(this);
    stream.attach(this);
    const { rights } = principal;
    this.#unwatch = principal.whenEndedLater((end) => this.#rightsEnded(end));
    return {
      admitted: true,
      port,
      leaseKey: lease?.leaseKey ?? null,
      spectatorReason,
      rights: port === null ? rights.filter((right) => right !== 'return') : rights,
      mayReturn: rights.includes('return'),
      budget: principal.budget,
    };
  }

  /** @param urgent a sticky value that discards the viewer's once-only values in front of it. */
  give(data: ReturnData, mode: Return['mode'], ttlMs: number | undefined, urgent: boolean): void {
    if (this.#phase.kind !== 'inside' || this.#phase.port === null)
      throw new GearwayError('no-port', 'this viewer has no port, and only viewers with a port may return data');
    const { returns, control } = this.#phase.stream;
    if (!returns.hasJoined(this.#phase.port, this))
      throw new GearwayError(
        'no-port',
        `port ${this.#phase.port} was taken over by another viewer with the same lease`,
      );
    const admitted = control === null ? data : control.admit(this, data, mode);
    if (mode === 'sticky' && urgent) returns.discardOnce(this.#phase.port);
    if (mode === 'sticky') returns.set(this.#phase.port, admitted, ttlMs);
    else returns.push(this.#phase.port, admitted, ttlMs);
  }

  /** Refuses a picture of a viewer without control, before it is decoded. @throws {GearwayError} `no-control`. */
  checkControl(): void {
    this.#inside().stream.control?.checkHolder(this);
  }

  /**
   * Takes, requests, releases or hands over control.
   *
   * @returns a promise if another gateway decides.
   * @throws {GearwayError} `control-shared`, and those of {@link Control.change}.
   */
  changeControl({ action, port }: ControlMessage): void | Promise<void> {
    const { control } = this.#inside().stream;
    if (control === null)
      throw new GearwayError('control-shared', 'control of this stream is shared: every viewer may return data');
    return control.change(this, action, port);
  }

  controlChanged(notice: ControlNotice | null): void {
    if (this.#phase.kind !== 'inside') return;
    const { stream, socket } = this.#phase;
    if (stream.control !== null) socket.controlChanged(stream.control.view(this), notice);
  }

  controlLost(): void {
    if (this.#phase.kind !== 'inside' || this.#phase.port === null) return;
    endControlledData(this.#phase.stream.returns, this.#phase.port, this);
  }

  /**
   * Records an acknowledgement.
   *
   * @param delayMs latency as measured by the viewer; undefined if it does not report it.
   */
  acknowledged(roundTripMs: number, delayMs: number | undefined): void {
    const { stream, port } = this.#inside();
    const kind = port === null ? 'spectator' : 'web';
    stream.roundTrips[kind].observe(roundTripMs);
    if (delayMs !== undefined) stream.latencies[kind].observe(delayMs);
  }

  countRejected(): void {
    this.#options.served.stream?.returns.countRejected();
  }

  leave(kind: EventKind, reason: string): void {
    this.#release();
    const phase = this.#phase;
    if (phase.kind === 'left') return;
    this.#unwatch();
    const { address } = this;
    if (phase.kind === 'inside') {
      // The data also ends after a take-over, so that it is not attributed to the next viewer, which has not returned
      // anything yet. It must end before others are notified that control is free.
      if (phase.port !== null) phase.stream.returns.leave(phase.port, this);
      // The status must be final before the viewer leaves, because events name it, and the stream reads its final
      // counters.
      phase.stream.control?.leave(this);
      phase.stream.detach(this);
    }
    this.#phase = { kind: 'left' };
    // The viewer was never admitted: it was refused, or disconnected before its hello.
    if (phase.kind === 'outside') {
      this.#options.report({ kind: 'refuse', client: null, port: null, address, reason });
      return;
    }
    const { stream } = phase;
    stream.report({ kind, client: this.id, port: phase.port, address, reason });
    if (phase.port !== null) stream.ports.leave(phase.port, this);
  }

  offer(frame: Frame): void {
    if (this.#phase.kind === 'inside') this.#phase.socket.offer(frame);
  }

  announce(outline: FrameOutline): void {
    if (this.#phase.kind === 'inside') this.#phase.socket.announce(outline);
  }

  streamChanged(state: StreamState, reason: string): void {
    if (this.#phase.kind === 'inside') this.#phase.socket.streamChanged(state, reason);
  }

  revoke(): void {
    const text =
      'this port was taken over by another viewer with the same lease; close this viewer, or reload it to get another port';
    this.#end('take-over', closeCode.takenOver, text);
  }

  lose(reason: string): void {
    this.disconnect(reason);
  }

  sendAway(reason: string): void {
    if (this.#phase.kind === 'inside' && this.#phase.port !== null)
      this.#phase.stream.ports.revoke(this.#phase.port, this);
    this.#end('disconnect', closeCode.sentAway, reason);
  }

  disconnect(reason: string): void {
    this.#end('disconnect', closeCode.goingAway, reason);
  }

  status(): ClientStatus {
    const { stream, socket, port } = this.#inside();
    const { state, reason, delivered, deliveredBytes, dropped, rejected, framesPerSecond, roundTripMs, delayMs } =
      socket.figures();
    return {
      id: this.id,
      port,
      kind: port === null ? 'spectator' : 'web',
      address: this.address,
      state,
      reason,
      delivered,
      deliveredBytes,
      dropped,
      withheld: 0,
      repeated: 0,
      rejected,
      framesPerSecond,
      roundTripMs,
      delayMs,
      returnData: port === null ? null : describeReturnData(stream.returns.get(port)),
    };
  }

  /** Disconnects the viewer. The close code makes it reconnect if it may still have other rights. */
  #rightsEnded({ reason, mayRetry }: RightsEnd): void {
    if (mayRetry) this.disconnect(reason);
    else this.#end('disconnect', closeCode.notAllowed, reason);
  }

  #inside(): Extract<Phase, { kind: 'inside' }> {
    if (this.#phase.kind !== 'inside') throw new TypeError('this viewer is not a client of a stream');
    return this.#phase;
  }

  #end(kind: EventKind, code: number, reason: string): void {
    const phase = this.#phase;
    // Must precede closing the socket, which would otherwise report that the viewer disconnected.
    this.leave(kind, reason);
    if (phase.kind === 'inside') phase.socket.close(code, reason);
  }
}

/** Close codes for the errors of `PortRegistry.lease`. */
const LEASE_REFUSALS: Readonly<Record<string, number>> = {
  'port-taken': closeCode.portTaken,
  'port-out-of-range': closeCode.portOutOfRange,
  'port-reserved': closeCode.notAllowed,
  'address-limit': closeCode.tooMuch,
};
