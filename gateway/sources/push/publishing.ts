import { GearwayError } from '../../../shared/errors.ts';
import type { Frame } from '../../hub/frame.ts';
import type { ReturnChanges } from '../../hub/returns/return-changes.ts';
import type { Sendable } from '../../netgear/picture.ts';
import { type PictureInfo, publishPicture } from '../publish-picture.ts';
import type { SourceSink } from '../source.ts';

/** Why a publisher has lost its seat: to another one, or since the gateway stops. */
export type PublisherEnd = { readonly kind: 'taken-over'; readonly by: string } | { readonly kind: 'closed' };

/** Who publishes over a connection, and is there as long as it lasts. */
export interface ConnectedPublisher {
  /** For people, as `formatLabel` makes it. */
  readonly label: string;
  /** Its seat is lost. Called at most once, and never after it has left. */
  end(end: PublisherEnd): void;
}

/** Who publishes single frames, and cannot be seen between them. */
export interface SinglePublisher {
  /** For people, as `formatLabel` makes it. */
  readonly label: string;
  /** What it is known again by. */
  readonly identity: string;
}

/** The seat of a {@link ConnectedPublisher}. Once it is left or lost, nothing of it reaches the stream. */
export interface PublisherSeat {
  /** @throws {GearwayError} what {@link publishPicture} throws; `taken-over` when the seat is lost. */
  publish(data: Sendable, info?: PictureInfo): Frame;
  /** Counts a frame that was refused. */
  reject(error: unknown): void;
  /** What the stream's clients return from now on. */
  returns(): ReturnChanges;
  /** Leaves it for the next; viewers read the reason. Idempotent. */
  leave(reason: string): void;
}

type Occupant =
  | { readonly kind: 'connected'; readonly publisher: ConnectedPublisher }
  | { readonly kind: 'single'; readonly publisher: SinglePublisher; readonly heldUntilMs: number };

/** How long a seat without a connection is kept after its last frame: then the stream is stale, too. */
const HOLD_MS = 2000;

/** Why there are no frames while nobody sits there. */
export const NO_PUBLISHER = 'waiting for a publisher';

/**
 * The one seat of those who publish to a stream: the next is refused while somebody sits there, or takes over where it asks for
 * that, or the source's `takeOver` says so for all.
 */
export class Publishing {
  readonly #newestWins: boolean;
  readonly #isTrusted: boolean;
  readonly #nowMs: () => number;
  #sink: SourceSink | null = null;
  #occupant: Occupant | null = null;
  /**
   * Until when those who lost their seat between two frames may not take over in turn; each attempt begins that time anew. Two
   * that both go on sending would else change places with each frame.
   */
  readonly #displaced = new Map<string, number>();

  /** @param options `isTrusted`: JPEGs go to NetGear clients without being verified. */
  constructor(options: { readonly newestWins?: boolean; readonly isTrusted?: boolean; readonly nowMs?: () => number } = {}) {
    this.#newestWins = options.newestWins ?? false;
    this.#isTrusted = options.isTrusted ?? false;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  open(sink: SourceSink): void {
    this.#sink = sink;
  }

  /** Nothing reaches the sink afterwards. Idempotent. */
  close(): void {
    this.#sink = null;
    const occupant = this.#occupant;
    this.#occupant = null;
    if (occupant?.kind === 'connected') occupant.publisher.end({ kind: 'closed' });
  }

  /** Who publishes, for people. */
  state(): string {
    return this.#present()?.publisher.label ?? NO_PUBLISHER;
  }

  /**
   * Seats a publisher for as long as its connection lasts.
   *
   * @throws {GearwayError} `publisher-present`, `closed`.
   */
  enter(publisher: ConnectedPublisher, { takeOver }: { readonly takeOver: boolean }): PublisherSeat {
    const sink = this.#openSink();
    this.#checkFree(null, takeOver);
    const occupant: Occupant = { kind: 'connected', publisher };
    this.#seat(occupant);
    const isHeld = (): boolean => this.#occupant === occupant;
    return {
      publish: (data, info) => {
        if (!isHeld()) throw new GearwayError('taken-over', `${publisher.label} has lost its seat`);
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
   * Whether a single frame would be taken now, so that who has no seat need not send it first.
   *
   * @throws {GearwayError} `publisher-present`, `taken-over`, `closed`.
   */
  check({ identity }: SinglePublisher, { takeOver }: { readonly takeOver: boolean }): void {
    this.#openSink();
    this.#checkFree(identity, takeOver);
  }

  /**
   * Publishes a single frame, and keeps the seat for a while.
   *
   * @throws {GearwayError} what {@link Publishing.check} and {@link publishPicture} throw.
   */
  publish(publisher: SinglePublisher, data: Sendable, info: PictureInfo, { takeOver }: { readonly takeOver: boolean }): Frame {
    const sink = this.#openSink();
    this.#checkFree(publisher.identity, takeOver);
    const frame = publishPicture(sink, data, info, this.#isTrusted);
    this.#seat({ kind: 'single', publisher, heldUntilMs: this.#nowMs() + HOLD_MS });
    return frame;
  }

  /** Counts a single frame that was refused. */
  reject(error: unknown): void {
    this.#sink?.reject(error);
  }

  #openSink(): SourceSink {
    if (this.#sink === null) throw new GearwayError('closed', 'the gateway stops');
    return this.#sink;
  }

  /** Who sits there now. */
  #present(): Occupant | null {
    if (this.#occupant?.kind === 'single' && this.#nowMs() >= this.#occupant.heldUntilMs) this.#occupant = null;
    return this.#occupant;
  }

  /** @param identity null for a connection, which is known to nobody. */
  #checkFree(identity: string | null, takeOver: boolean): void {
    const present = this.#present();
    if (present === null || isOf(present, identity)) return;
    const { label } = present.publisher;
    if (identity !== null && this.#isDisplaced(identity)) {
      throw new GearwayError('taken-over', `${label} has taken this stream over; stop it, or send nothing for ${HOLD_MS / 1000} s and take over in turn`);
    }
    if (!takeOver && !this.#newestWins) throw new GearwayError('publisher-present', `the stream has a publisher: ${label}; stop it, or take over with takeOver=true`);
  }

  #isDisplaced(identity: string): boolean {
    const untilMs = this.#displaced.get(identity);
    if (untilMs === undefined || this.#nowMs() >= untilMs) return false;
    this.#displaced.set(identity, this.#nowMs() + HOLD_MS);
    return true;
  }

  #seat(occupant: Occupant): void {
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
