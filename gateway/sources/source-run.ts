import { GearwayError } from '../../shared/errors.ts';
import type { FrameInput, FrameOutline } from '../hub/frame.ts';
import type { Stream } from '../hub/stream.ts';
import type { AcceptedFrame, SourceSink } from './source.ts';
import { UprightFrames } from './upright-frames.ts';

/** Why a run ended. */
type RunEnd =
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'unwatched' }
  | { readonly kind: 'reopened' }
  | { readonly kind: 'closed' };

interface SourceRunOptions {
  readonly stream: Stream;
  /** The source's `stallMs`, which may change. */
  readonly stallMs: number | null;
  /** The source's `problem()`; without it, none is reported. */
  readonly problem?: () => string | null;
  /** Whether the run ends when there are no viewers. */
  readonly isOnDemand: boolean;
}

const CHECK_INTERVAL_MS = 250;

/** Factor for the timeout of the first frame, because cameras and networks need time to start. */
const FIRST_FRAME_FACTOR = 3;

/**
 * How long a source runs without viewers: long enough for reloading a page, and short enough to stop within 5 s of the
 * last viewer.
 */
const UNWATCHED_MS = 3000;

/** One run of a source, from open to close: forwards its frames, and detects when the source has to be closed. */
export class SourceRun implements SourceSink {
  /** Resolves when the run is over. */
  readonly over: Promise<RunEnd>;
  readonly #options: SourceRunOptions;
  readonly #frames: UprightFrames;
  readonly #timer: NodeJS.Timeout;
  readonly #openedAtMs = performance.now();
  #end: (end: RunEnd) => void = () => undefined;
  #firstFrameAtMs: number | null = null;
  #lastFrameAtMs = 0;
  #watchedAtMs = performance.now();
  #hasEnded = false;

  constructor(options: SourceRunOptions) {
    this.#options = options;
    this.#frames = new UprightFrames(options.stream);
    this.over = new Promise((resolve) => {
      this.#end = (end) => {
        clearInterval(this.#timer);
        this.#frames.close();
        resolve(end);
      };
    });
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  /** Time from the first to the latest frame. */
  get deliveredMs(): number {
    return this.#firstFrameAtMs === null ? 0 : this.#lastFrameAtMs - this.#firstFrameAtMs;
  }

  get returns(): SourceSink['returns'] {
    return this.#options.stream.returns;
  }

  get needsPictures(): boolean {
    return this.#options.stream.needsPictures();
  }

  publish(input: FrameInput): AcceptedFrame {
    this.#arrived();
    return this.#frames.publish(input);
  }

  announce(outline: FrameOutline): void {
    this.#arrived();
    this.#frames.afterwards(() => this.#options.stream.announce(outline));
  }

  #arrived(): void {
    this.#lastFrameAtMs = performance.now();
    this.#firstFrameAtMs ??= this.#lastFrameAtMs;
    this.#hasEnded = false;
  }

  reject(error: unknown): void {
    this.#options.stream.rejectInput(error);
  }

  end(reason: string): void {
    this.#hasEnded = true;
    this.#frames.afterwards(() => this.#options.stream.end(reason));
  }

  interrupted(reason: string): void {
    this.#frames.afterwards(() => this.#options.stream.interrupted(reason));
  }

  reopen(): void {
    this.#end({ kind: 'reopened' });
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
    stream.explain(this.#options.problem?.() ?? null);
    if (stallMs === null || this.#hasEnded) return;
    const isFirst = this.#firstFrameAtMs === null;
    const silentMs = now - (isFirst ? this.#openedAtMs : this.#lastFrameAtMs);
    const limitMs = isFirst ? stallMs * FIRST_FRAME_FACTOR : stallMs;
    if (silentMs >= limitMs)
      this.fail(new GearwayError('source-stalled', `no ${isFirst ? 'first ' : ''}frame for ${limitMs / 1000} s`));
  }
}
