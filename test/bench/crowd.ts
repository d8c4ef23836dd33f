import { type Usage, UsageMeter } from './usage-meter.ts';

/** A viewer that counts its frames. */
export interface CountingViewer {
  readonly frames: number;
  /** Settles with the first frame. */
  readonly ready: Promise<void>;
  /** @throws the error that has ended the connection, if any. */
  check(): void;
  close(): Promise<void>;
}

/** The viewers of a process, with their activity in a measuring window. */
export class Crowd {
  readonly #meter = new UsageMeter();
  #viewers: readonly CountingViewer[] = [];
  #framesBefore = 0;

  /** Adds viewers. Settles when each of them has received a frame. */
  async connect(count: number, create: () => CountingViewer): Promise<void> {
    const added = Array.from({ length: count }, create);
    this.#viewers = [...this.#viewers, ...added];
    await Promise.all(added.map(({ ready }) => ready));
  }

  start(): void {
    this.#framesBefore = this.#countFrames();
    this.#meter.start();
  }

  stop(): Usage & { readonly frames: number } {
    const usage = this.#meter.stop();
    for (const viewer of this.#viewers) viewer.check();
    return { ...usage, frames: this.#countFrames() - this.#framesBefore };
  }

  async disconnect(): Promise<void> {
    await Promise.all(this.#viewers.map((viewer) => viewer.close()));
    this.#viewers = [];
  }

  #countFrames(): number {
    return this.#viewers.reduce((sum, { frames }) => sum + frames, 0);
  }
}
