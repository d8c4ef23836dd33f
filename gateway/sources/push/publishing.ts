import { GearwayError } from '../../../shared/errors.ts';
import type { ReturnChanges } from '../../hub/returns/return-changes.ts';
import type { Sendable } from '../../netgear/picture.ts';
import { type PictureInfo, publishPicture } from '../publish-picture.ts';
import type { AcceptedFrame, SourceSink } from '../source.ts';

/** Why a publisher has lost its lease: to another publisher, or because the gateway stops. */
export type PublisherEnd = { readonly kind: 'taken-over'; readonly by: string } | { readonly kind: 'closed' };

/** A publisher with a connection, whose lease lasts as long as the connection. */
export interface ConnectedPublisher {
  /** Label for display, as returned by `formatLabel`. */
  readonly label: string;
  /** Called at most once, when the lease is lost; never after `leave`. */
  end(end: PublisherEnd): void;
}

/** A publisher of single frames, without a connection. */
export interface SinglePublisher {
  /** Label for display, as returned by `formatLabel`. */
  readonly label: string;
  /** Identifies the publisher across frames. */
  readonly identity: string;
}

/** The lease of a {@link ConnectedPublisher}. After it is left or lost, calls no longer affect the stream. */
export interface PublisherLease {
  /** @throws {GearwayError} the errors of {@link publishPicture}; `taken-over` if the lease is lost. */
  publish(data: Sendable, info?: PictureInfo): AcceptedFrame;
  /** Counts a rejected frame. */
  reject(error: unknown): void;
  /** Return data of the stream's clients from now on. */
  returns(): ReturnChanges;
  /** Releases the lease; `reason` is shown to viewers. Idempotent. */
  leave(reason: string): void;
}

type Occupant =
  | { readonly kind: 'connected'; readonly publisher: ConnectedPublisher }
  | { readonly kind: 'single'; readonly publisher: SinglePublisher; readonly heldUntilMs: number };

/**
 * How long a publisher without a connection keeps the lease after its last frame. The stream becomes stale at the same
 * time.
 */
const HOLD_MS = 2000;

/** Reason of the stream's state while there is no publisher. */
export const NO_PUBLISHER = 'waiting for a publisher';

/**
 * Grants the publisher lease of a stream to one publisher at a time. Another publisher is refused, unless it requests a
 * take-over, or the source's `takeOver` allows it for all.
 */
export class Publishing {
  readonly #newestWins: boolean;
  readonly #isTrusted: boolean;
  readonly #nowMs: () => number;
  #sink: SourceSink | null = null;
  #occupant: Occupant | null = null;
  /**
   * For displaced publishers of single frames, the time until which they may not take over in turn; each attempt
   * postpones it. Otherwise, two publishers that both keep sending would take over from each other with every frame.
   */
  readonly #displaced = new Map<string, number>();

  /** @param options `isTrusted`: JPEGs are sent to NetGear clients without verification. */
  constructor(
    options: { readonly newestWins?: boolean; readonly isTrusted?: boolean; readonly nowMs?: () => number } = {},
  ) {
    this.#newestWins = options.newestWins ?? false;
    this.#isTrusted = options.isTrusted ?? false;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  open(sink: SourceSink): void {
    this.#sink = sink;
  }

  /** Ends the current publisher. The sink is not used afterwards. Idempotent. */
  close(): void {
    this.#sink = null;
    const occupant = this.#occupant;
    this.#occupant = null;
    if (occupant?.kind === 'connected') occupant.publisher.end({ kind: 'closed' });
  }

  /** The label of the current publisher, for display. */
  state(): string {
    return this.#present()?.publisher.label ?? NO_PUBLISHER;
  }

  /**
   * Grants the lease to a connected publisher.
   *
   * @throws {GearwayError} `publisher-present`, `closed`.
   */
  enter(publisher: ConnectedPublisher, { takeOver }: { readonly takeOver: boolean }): PublisherLease {
    const sink = this.#openSink();
    this.#checkFree(null, takeOver);
    const occupant: Occupant = { kind: 'connected', publisher };
    this.#occupy(occupant);
    const isHeld = (): boolean => this.#occupant === occupant;
    return {
      publish: (data, info) => {
        if (!isHeld()) throw new GearwayError('taken-over', `another publisher has taken over from ${publisher.label}`);
        return publishPicture(sink, data, info, this.#isTrusted);
      },
      reject: (error) => {
        if (isHeld()) sink.reject(error);
      },
      returns: () => sink.returns.changes(),
      leave: (reason) => {
        if (!isHeld()) return;
        this.#occupant = null;
        sink.interrupted(`${reason}; ${NO_PUBLISHER}`);
      },
    };
  }

  /**
   * Checks whether a single frame would be accepted now, before its body is read.
   *
   * @throws {GearwayError} `publisher-present`, `taken-over`, `closed`.
   */
  check({ identity }: SinglePublisher, { takeOver }: { readonly takeOver: boolean }): void {
    this.#openSink();
    this.#checkFree(identity, takeOver);
  }

  /**
   * Publishes a single frame, and extends the lease.
   *
   * @throws {GearwayError} the errors of {@link Publishing.check} and {@link publishPicture}.
   */
  publish(
    publisher: SinglePublisher,
    data: Sendable,
    info: PictureInfo,
    { takeOver }: { readonly takeOver: boolean },
  ): AcceptedFrame {
    const sink = this.#openSink();
    this.#checkFree(publisher.identity, takeOver);
    const frame = publishPicture(sink, data, info, this.#isTrusted);
    this.#occupy({ kind: 'single', publisher, heldUntilMs: this.#nowMs() + HOLD_MS });
    return frame;
  }

  /** Counts a rejected single frame. */
  reject(error: unknown): void {
    this.#sink?.reject(error);
  }

  #openSink(): SourceSink {
    if (this.#sink === null) throw new GearwayError('closed', 'the gateway is stopping');
    return this.#sink;
  }

  /** The current publisher; ends an expired lease. */
  #present(): Occupant | null {
    if (this.#occupant?.kind === 'single' && this.#nowMs() >= this.#occupant.heldUntilMs) this.#occupant = null;
    return this.#occupant;
  }

  /** @param identity null for a connection, which has none. */
  #checkFree(identity: string | null, takeOver: boolean): void {
    const present = this.#present();
    if (present === null || isOf(present, identity)) return;
    const { label } = present.publisher;
    if (identity !== null && this.#isDisplaced(identity)) {
      const remedy = `stop it, or send nothing for ${HOLD_MS / 1000} s and take over in turn`;
      throw new GearwayError('taken-over', `${label} has taken over this stream; ${remedy}`);
    }
    if (!takeOver && !this.#newestWins) {
      throw new GearwayError(
        'publisher-present',
        `the stream already has a publisher: ${label}; stop it, or take over with takeOver=true`,
      );
    }
  }

  #isDisplaced(identity: string): boolean {
    const untilMs = this.#displaced.get(identity);
    if (untilMs === undefined || this.#nowMs() >= untilMs) return false;
    this.#displaced.set(identity, this.#nowMs() + HOLD_MS);
    return true;
  }

  #occupy(occupant: Occupant): void {
    const former = this.#present();
    this.#occupant = occupant;
    if (former === null) return;
    if (former.kind === 'connected') {
      former.publisher.end({ kind: 'taken-over', by: occupant.publisher.label });
      return;
    }
    if (isOf(occupant, former.publisher.identity)) return;
    const now = this.#nowMs();
    for (const [identity, untilMs] of this.#displaced) if (now >= untilMs) this.#displaced.delete(identity);
    this.#displaced.set(former.publisher.identity, now + HOLD_MS);
  }
}

function isOf(occupant: Occupant, identity: string | null): boolean {
  return occupant.kind === 'single' && occupant.publisher.identity === identity;
}
