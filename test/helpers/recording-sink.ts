import type { Frame, FrameInput, FrameOutline } from '../../gateway/hub/frame.ts';
import type { SourceSink } from '../../gateway/sources/source.ts';

/** A sink that records the calls of a source, and waits for the next one. */
export class RecordingSink implements SourceSink {
  readonly frames: FrameInput[] = [];
  readonly rejected: unknown[] = [];
  readonly ended: string[] = [];
  readonly failed: unknown[] = [];
  readonly returns = null as never;
  needsPictures = true;
  readonly announced: FrameOutline[] = [];
  #waiting: (() => void)[] = [];

  publish(input: FrameInput): Frame {
    this.frames.push(input);
    this.#wake();
    return { ...input, sequence: this.frames.length, receivedAtUs: 0 };
  }
  announce(outline: FrameOutline): void {
    this.announced.push(outline);
  }
  reject(error: unknown): void {
    this.rejected.push(error);
    this.#wake();
  }
  end(reason: string): void {
    this.ended.push(reason);
    this.#wake();
  }
  interrupted(): void {}
  reopen(): void {
    // Only sources of a cluster are reopened.
  }

  fail(error: unknown): void {
    this.failed.push(error);
    this.#wake();
  }

  /** The frames' `message.file`. */
  get files(): unknown[] {
    return this.frames.map(({ message }) => (message as { file: string }).file);
  }

  async until(fits: () => boolean): Promise<void> {
    while (!fits()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
