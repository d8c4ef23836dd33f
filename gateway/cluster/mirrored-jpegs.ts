import type { RenditionFrame } from '../renditions/rendition.ts';
import type { RemoteRendition } from './frame-wire.ts';
import type { RemoteNumbers } from './remote-numbers.ts';
import { type RenditionLink, RenditionSubscription } from './rendition-subscription.ts';

/** How long JPEGs are received after the last request for one. */
const UNUSED_MS = 3000;

/** Maximum time to wait for a JPEG, including the first one. After that, this gateway scales the frame itself. */
const WAIT_MS = 500;

interface MirroredJpegsOptions {
  readonly link: RenditionLink;
  /** Name of the step. */
  readonly step: string;
  readonly numbers: RemoteNumbers;
  readonly onUnavailable: () => void;
  /** Called when no JPEG was requested for a while. */
  readonly onUnused: () => void;
}

interface Waiting {
  readonly promise: Promise<RenditionFrame | 'skipped' | 'missing'>;
  readonly settle: (result: RenditionFrame | 'skipped' | 'missing') => void;
}

/** JPEGs of a stream that its owner scales for one step. */
export class MirroredJpegs {
  readonly #options: MirroredJpegsOptions;
  readonly #subscription: RenditionSubscription;
  /** Waiting requests, by the number of the frame. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #latest: RenditionFrame | null = null;
  /** Whether JPEGs arrive. */
  #isFlowing = false;
  /** Time until which the first JPEG is expected. */
  readonly #expectedUntilMs = performance.now() + WAIT_MS;
  #requestedAtMs = performance.now();

  constructor(options: MirroredJpegsOptions) {
    this.#options = options;
    const { link, step } = options;
    this.#subscription = new RenditionSubscription({
      link,
      step,
      onFrame: (frame) => this.#received(frame),
      onInterrupted: () => this.#missed(),
      onUnavailable: () => {
        this.#missed();
        options.onUnavailable();
      },
    });
    this.#timer = setInterval(() => this.#check(), UNUSED_MS / 4);
    this.#timer.unref();
  }

  /** Whether JPEGs arrive, or are expected to soon. */
  get continues(): boolean {
    return this.#isFlowing || performance.now() < this.#expectedUntilMs;
  }

  /**
   * The JPEG of the frame with this number.
   *
   * @returns null while no JPEGs arrive.
   */
  get(sequence: number): Promise<RenditionFrame | 'skipped' | 'missing'> | null {
    this.#requestedAtMs = performance.now();
    if (!this.#isFlowing) return null;
    const latest = this.#latest;
    if (latest !== null && latest.sequence >= sequence)
      return Promise.resolve(latest.sequence === sequence ? latest : 'skipped');
    return (this.#waiting.get(sequence) ?? this.#wait(sequence)).promise;
  }

  ownerChanged(): void {
    this.#subscription.ownerChanged();
  }

  reconnected(): void {
    this.#subscription.reconnected();
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#timer);
    this.#subscription.close();
    this.#missed();
  }

  #wait(sequence: number): Waiting {
    let settle: Waiting['settle'] = () => undefined;
    const promise = new Promise<RenditionFrame | 'skipped' | 'missing'>((resolve) => (settle = resolve));
    const timer = setTimeout(() => this.#missed(), WAIT_MS);
    const waiting: Waiting = {
      promise,
      settle: (result) => {
        clearTimeout(timer);
        settle(result);
      },
    };
    this.#waiting.set(sequence, waiting);
    return waiting;
  }

  #received(remote: RemoteRendition): void {
    const frame = this.#options.numbers.rendition(remote);
    if (frame === null || frame.encoding.kind !== 'jpeg') return;
    this.#latest = frame;
    this.#isFlowing = true;
    for (const [sequence, { settle }] of this.#waiting) {
      if (sequence > frame.sequence) continue;
      this.#waiting.delete(sequence);
      settle(sequence === frame.sequence ? frame : 'skipped');
    }
  }

  /** This gateway scales the frames until JPEGs arrive again. */
  #missed(): void {
    this.#isFlowing = false;
    this.#latest = null;
    for (const { settle } of this.#waiting.values()) settle('missing');
    this.#waiting.clear();
  }

  #check(): void {
    if (performance.now() - this.#requestedAtMs > UNUSED_MS) this.#options.onUnused();
  }
}
