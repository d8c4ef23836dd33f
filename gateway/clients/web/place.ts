import { formatLabel } from '../../../shared/clean-text.ts';
import { GearwayError, errorText } from '../../../shared/errors.ts';
import { type Hello, type Return, closeCode } from '../../../shared/protocol.ts';
import type { ClientStatus, EventKind, GatewayEvent, StreamState } from '../../../shared/status.ts';
import type { NotAllowed } from '../../connection/protocol-socket.ts';
import type { Frame } from '../../hub/frame.ts';
import type { LeaseHolder } from '../../hub/port-registry.ts';
import type { ReturnData } from '../../hub/returns/returns.ts';
import { addressKey } from '../../hub/shares.ts';
import type { Client, Stream } from '../../hub/stream.ts';
import { describeReturnData } from '../../hub/returns/describe-return-data.ts';
import type { Rendition, Renditions } from '../renditions.ts';

/** The gateway's answer to a viewer's hello. */
export type Admission =
  | {
      readonly admitted: true;
      /** null for a spectator. */
      readonly port: number | null;
      readonly leaseKey: string | null;
      /** Why a viewer that asked for a port watches without one. */
      readonly spectatorReason: string | null;
      readonly rights: readonly string[];
      readonly mayReturn: boolean;
    }
  | {
      readonly admitted: false;
      readonly closeCode: number;
      readonly reason: string;
      /** The refusal must not be sent before this has resolved; null: it can be sent immediately. */
      readonly delay: Promise<void> | null;
    };

/** Whether a viewer may watch. */
export type ViewerAuthorization =
  | { readonly allowed: true; readonly principal: { readonly rights: readonly string[]; readonly port: number | null } }
  | NotAllowed;

/** Figures that a viewer's socket reports for its status. */
export type ViewerFigures = Pick<ClientStatus, 'state' | 'delivered' | 'dropped' | 'rejected' | 'framesPerSecond' | 'roundTripMs' | 'delayMs'>;

/** A viewer's socket, as its {@link ViewerPlace} uses it. Calls must not block or throw. */
export interface ViewerEnd {
  /** Offers a new frame; the newest replaces one that still waits. */
  offer(frame: Frame): void;
  streamChanged(state: StreamState, reason: string): void;
  figures(): ViewerFigures;
  /** Ends the connection with a code of the protocol. Idempotent. */
  close(code: number, reason: string): void;
  /** Settles when the socket has ended. */
  readonly closed: Promise<void>;
}

/** What the HTTP side knows of a viewer before it says anything. */
export interface ViewerPlaceOptions {
  /** Unique in the gateway. */
  readonly id: string;
  /** The stream and its renditions, or why there is no such stream. */
  readonly served: { readonly stream: Stream; readonly renditions: Renditions } | { readonly stream: null; readonly reason: string };
  /** Takes an event of the stream, also of one that does not exist. */
  readonly report: (event: Omit<GatewayEvent, 'id' | 'time' | 'stream'>) => void;
  readonly address: string;
  /** Decides whether this viewer may watch. */
  readonly authorize: (token: string | undefined) => ViewerAuthorization;
}

type Phase =
  | { readonly kind: 'outside' }
  | { readonly kind: 'inside'; readonly stream: Stream; readonly renditions: Renditions; readonly end: ViewerEnd; readonly port: number | null; readonly name: string }
  | { readonly kind: 'left' };

/** A viewer as a client of its stream: a virtual port, or a spectator. Its socket is a {@link ViewerEnd}. */
export class ViewerPlace implements Client, LeaseHolder {
  readonly id: string;
  readonly #options: ViewerPlaceOptions;
  #phase: Phase = { kind: 'outside' };

  constructor(options: ViewerPlaceOptions) {
    this.id = options.id;
    this.#options = options;
  }

  /** As `addressKey` gives it. */
  get addressKey(): string {
    return addressKey(this.#options.address);
  }

  get stream(): string {
    return this.#inside().stream.name;
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
    return this.#phase.kind === 'inside' && this.#phase.end.figures().state !== 'paused';
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

  reject(error: unknown): void {
    this.#inside().stream.reject(error);
  }

  enter(end: ViewerEnd, hello: Hello): Admission {
    const { served, authorize } = this.#options;
    const authorization = authorize(hello.token);
    if (!authorization.allowed) {
      if (authorization.isReported) this.#phase = { kind: 'left' };
      return { admitted: false, closeCode: closeCode.notAllowed, reason: authorization.message, delay: authorization.delay };
    }
    // Only now: whether a stream exists is not for everyone to know.
    if (served.stream === null) return { admitted: false, closeCode: closeCode.unknownStream, reason: served.reason, delay: null };
    const { stream, renditions } = served;
    const { principal } = authorization;
    const mayReturn = principal.rights.includes('return');
    let seat: { port: number; leaseKey: string } | null = null;
    let spectatorReason: string | null = null;
    if (hello.spectate !== true && !mayReturn) {
      spectatorReason = 'your token allows watching only';
    } else if (hello.spectate !== true) {
      try {
        seat = stream.ports.lease(this, { wanted: hello.port, key: hello.leaseKey, owned: principal.port, address: this.addressKey });
      } catch (error) {
        const code = error instanceof GearwayError ? error.code : '';
        const mayWatch = code === 'no-free-port' || (code === 'address-limit' && hello.port === undefined);
        if (!mayWatch) return { admitted: false, closeCode: SEAT_REFUSALS[code] ?? closeCode.portTaken, reason: errorText(error), delay: null };
        spectatorReason = errorText(error);
      }
    }
    const port = seat?.port ?? null;
    this.#phase = { kind: 'inside', stream, renditions, end, port, name: hello.name ?? '' };
    stream.report({ kind: 'connect', client: this.id, port, address: this.#address(), reason: spectatorReason ?? (port === null ? 'watches as a spectator' : `seated on port ${port}`) });
    if (port !== null) stream.returns.join(port);
    stream.attach(this);
    const rights = port === null ? principal.rights.filter((right) => right !== 'return') : principal.rights;
    return { admitted: true, port, leaseKey: seat?.leaseKey ?? null, spectatorReason, rights, mayReturn };
  }

  give(data: ReturnData, mode: Return['mode'], ttlMs: number | undefined): void {
    if (this.#phase.kind !== 'inside' || this.#phase.port === null) throw new GearwayError('no-port', 'a viewer without a port returns nothing');
    const { returns } = this.#phase.stream;
    if (mode === 'sticky') returns.set(this.#phase.port, data, ttlMs);
    else returns.push(this.#phase.port, data, ttlMs);
  }

  countRejected(): void {
    this.#options.served.stream?.returns.countRejected();
  }

  leave(kind: EventKind, reason: string): void {
    const phase = this.#phase;
    if (phase.kind === 'left') return;
    const address = this.#address();
    this.#phase = { kind: 'left' };
    // One that was never admitted was refused, or left before it said anything.
    if (phase.kind === 'outside') {
      this.#options.report({ kind: 'refuse', client: null, port: null, address, reason });
      return;
    }
    const { stream } = phase;
    stream.detach(this);
    stream.report({ kind, client: this.id, port: phase.port, address, reason });
    if (phase.port === null) return;
    stream.ports.leave(phase.port, this);
    // A take-over has seated the next viewer already; its own data is still to come, and ours must not count any more.
    stream.returns.leave(phase.port);
  }

  offer(frame: Frame): void {
    if (this.#phase.kind === 'inside') this.#phase.end.offer(frame);
  }

  streamChanged(state: StreamState, reason: string): void {
    if (this.#phase.kind === 'inside') this.#phase.end.streamChanged(state, reason);
  }

  revoke(): void {
    this.#end('take-over', closeCode.takenOver, 'this port was taken over by another viewer with the same lease; close this one, or reload it to get a port of its own');
  }

  sendAway(reason: string): void {
    if (this.#phase.kind === 'inside' && this.#phase.port !== null) this.#phase.stream.ports.revoke(this.#phase.port, this);
    this.#end('disconnect', closeCode.sentAway, reason);
  }

  status(): ClientStatus {
    const { stream, end, port } = this.#inside();
    const { state, delivered, dropped, rejected, framesPerSecond, roundTripMs, delayMs } = end.figures();
    return {
      id: this.id,
      port,
      kind: port === null ? 'spectator' : 'web',
      address: this.#address(),
      state,
      reason: '',
      delivered,
      dropped,
      repeated: 0,
      rejected,
      framesPerSecond,
      roundTripMs,
      delayMs,
      returnData: port === null ? null : describeReturnData(stream.returns.get(port)),
    };
  }

  #inside(): Extract<Phase, { kind: 'inside' }> {
    if (this.#phase.kind !== 'inside') throw new TypeError('this viewer is not a client of a stream');
    return this.#phase;
  }

  #end(kind: EventKind, code: number, reason: string): void {
    const phase = this.#phase;
    // First: the socket would report that the viewer has left.
    this.leave(kind, reason);
    if (phase.kind === 'inside') phase.end.close(code, reason);
  }

  #address(): string {
    const { address } = this.#options;
    const name = this.#phase.kind === 'inside' ? this.#phase.name : '';
    return formatLabel(name, address);
  }
}

/** The close codes of what `PortRegistry.seat` refuses. */
const SEAT_REFUSALS: Readonly<Record<string, number>> = {
  'port-taken': closeCode.portTaken,
  'port-out-of-range': closeCode.portOutOfRange,
  'port-reserved': closeCode.notAllowed,
  'address-limit': closeCode.tooMuch,
};
