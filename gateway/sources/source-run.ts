import { GearwayError } from '../../shared/errors.ts';
import type { Frame, FrameInput } from '../hub/frame.ts';
import type { Stream } from '../hub/stream.ts';
import type { SourceSink } from './source.ts';

/** Why a source is closed. */
export type RunEnd = { readonly kind: 'failed'; readonly error: unknown } | { readonly kind: 'unwatched' } | { readonly kind: 'closed' };

export interface SourceRunOptions {
  readonly stream: Stream;
  /** Its `stallMs`. */
  readonly stallMs: number | null;
  /** Whether it ends when nobody watches. */
  readonly isOnDemand: boolean;
}

const CHECK_INTERVAL_MS = 250;

/** A camera or a network needs longer for its first frame. */
const FIRST_FRAME_FACTOR = 3;

/** A page that is loaded again is back by then. Off within 5 s of the last viewer. */
const UNWATCHED_MS = 3000;

/** One opening of a source: passes its frames on, and finds out when it has to be closed. */
export class SourceRun implements SourceSink {
  /** Settles once, whatever the source does afterwards. */
  readonly over: Promise<RunEnd>;
  readonly #options: SourceRunOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #openedAtMs = performance.now();
  #end: (end: RunEnd) => void = () => undefined;
  #firstFrameAtMs: number | null = null;
  #lastFrameAtMs = 0;
  #watchedAtMs = performance.now();
  #hasEnded = false;

  constructor(options: SourceRunOptions) {
    this.#options = options;
    this.over = new Promise((resolve) => {
      this.#end = (end) => {
        clearInterval(this.#timer);
        resolve(end);
      };
    });
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  /** From its first frame to its last one. */
  get deliveredMs(): number {
    return this.#firstFrameAtMs === null ? 0 : this.#lastFrameAtMs - this.#firstFrameAtMs;
  }

  get returns(): SourceSink['returns'] {
    return this.#options.stream.returns;
  }

  publish(input: FrameInput): Frame {
    this.#lastFrameAtMs = performance.now();
    this.#firstFrameAtMs ??= this.#lastFrameAtMs;
    this.#hasEnded = false;
    return this.#options.stream.publish(input);
  }

  reject(error: unknown): void {
    this.#options.stream.reject(error);
  }

  end(reason: string): void {
    this.#hasEnded = true;
    this.#options.stream.end(reason);
  }

  interrupted(reason: string): void {
    this.#options.stream.interrupted(reason);
  }

  fail(error: unknown): void {
    this.#end({ kind: 'failed', error });
  }

  close(): void {
    this.#end({ kind: 'closed' });
  }

  #check(): void {
    const now = performance.now();
    const { stream, stallMs, isOnDemand } = this.#options;
    if (!isOnDemand || stream.isWatched()) this.#watchedAtMs = now;
    else if (now - this.#watchedAtMs >= UNWATCHED_MS) this.#end({ kind: 'unwatched' });
    if (stallMs === null || this.#hasEnded) return;
    const isFirst = this.#firstFrameAtMs === null;
    const silentMs = now - (isFirst ? this.#openedAtMs : this.#lastFrameAtMs);
    const limitMs = isFirst ? stallMs * FIRST_FRAME_FACTOR : stallMs;
    if (silentMs >= limitMs) this.fail(new GearwayError('source-stalled', `no ${isFirst ? 'first ' : ''}frame came for ${limitMs / 1000} s`));
  }
}
