/** A process of viewers that take a given time per frame, like a browser's decoder, and record the times. */
import type { FrameMessage } from '../../shared/protocol.ts';
import type { Drawn } from './drawn.ts';
import { FrameViewer } from './frame-viewer.ts';
import { answerParent } from './processes.ts';

/** Frames of one viewer since `start`. */
export interface Seen {
  readonly drawn: readonly Drawn[];
}

class TimedViewer extends FrameViewer {
  /** Drawn frames, with their times by this process's clock. */
  drawn: Drawn[] = [];
  readonly #workMs: number;
  #isDecoding = false;
  #waiting: FrameMessage | null = null;
  #painted = 0;
  #skipped = 0;

  /** @param workMs processing time per frame; 0 for none. */
  constructor(port: number, workMs: number) {
    super(port);
    this.#workMs = workMs;
  }

  /** Handles frames like the element: one is being decoded, one waits, and a newer frame replaces the waiting one. */
  protected take(frame: FrameMessage): void {
    if (this.#isDecoding) {
      if (this.#waiting !== null) this.#skipped += 1;
      this.#waiting = frame;
      return;
    }
    this.acknowledge({
      sequence: frame.sequence,
      painted: this.#painted,
      skipped: this.#skipped,
      decodeMs: this.#workMs,
    });
    if (this.#workMs === 0) {
      this.#draw(frame);
      return;
    }
    this.#isDecoding = true;
    setTimeout(() => {
      this.#isDecoding = false;
      this.#draw(frame);
      const waiting = this.#waiting;
      this.#waiting = null;
      if (waiting !== null) this.take(waiting);
    }, this.#workMs);
  }

  #draw({ receivedAtUs }: FrameMessage): void {
    const atMs = performance.now();
    this.#painted += 1;
    // The gateway's clock is this machine's.
    this.drawn.push({ atMs, delayMs: performance.timeOrigin + atMs - receivedAtUs / 1000 });
  }
}

let viewers: TimedViewer[] = [];
let startedAtMs = 0;

const handlers = {
  /** Adds one viewer per processing time (ms per frame). Settles when each has received a frame. */
  async connect(port: number, worksMs: readonly number[]): Promise<void> {
    const added = worksMs.map((workMs) => new TimedViewer(port, workMs));
    viewers.push(...added);
    await Promise.all(added.map(({ ready }) => ready));
  },
  start(): void {
    startedAtMs = performance.now();
    for (const viewer of viewers) viewer.drawn = [];
  },
  /** @returns the results in the order in which the viewers connected. */
  stop(): Seen[] {
    return viewers.map(({ drawn }) => ({
      drawn: drawn.map(({ atMs, delayMs }) => ({ atMs: atMs - startedAtMs, delayMs })),
    }));
  },
  async disconnect(): Promise<void> {
    await Promise.all(viewers.map((viewer) => viewer.close()));
    viewers = [];
  },
};

export type TimedViewers = typeof handlers;

answerParent(handlers);
