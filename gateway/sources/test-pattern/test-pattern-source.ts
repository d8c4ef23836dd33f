import { containFailure } from '../../../shared/background.ts';
import { GearwayError } from '../../../shared/errors.ts';
import { encodeJpeg } from '../../codecs/jpeg.ts';
import { readNumberOption, readSize, type SourceUrl } from '../../config/source-url.ts';
import type { Source, SourceSink } from '../source.ts';
import { TestPicture } from './test-picture.ts';

/** Size in pixels, and rate of the test pattern. */
interface TestPatternOptions {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
}

/**
 * Parses `test-pattern:?size=1280x720&fps=30`.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parseTestPattern({ target, options }: SourceUrl): TestPatternOptions {
  if (target !== '')
    throw new GearwayError(
      'source-invalid',
      `test-pattern: is followed by ${JSON.stringify(target)}, expected nothing or ?size=1280x720&fps=30`,
    );
  const { width, height } = readSize(options, {
    min: { width: 160, height: 120 },
    max: { width: 3840, height: 2160 },
  }) ?? { width: 1280, height: 720 };
  return { width, height, framesPerSecond: readNumberOption(options, 'fps', 0.1, 240) ?? 30 };
}

/** A moving picture with frame number and clock, as JPEG with quality 90. Its `message` contains the frame number. */
export class TestPatternSource implements Source {
  readonly kind = 'test-pattern';
  readonly address: string;
  readonly waitingReason = 'the test pattern is starting';
  readonly takesReturns = false;
  readonly verifiesJpegs = false;
  readonly serverPorts = null;
  /** No timeout: the test pattern cannot stall. */
  readonly stallMs = null;
  readonly #options: TestPatternOptions;
  #running = false;
  #ticking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #stop: (() => void) | null = null;

  constructor(options: TestPatternOptions) {
    this.#options = options;
    this.address = `${options.width}x${options.height}, ${options.framesPerSecond} fps`;
  }

  state(): string {
    return this.#running ? 'running' : 'closed';
  }

  async open(sink: SourceSink): Promise<void> {
    this.#running = true;
    this.#ticking = containFailure(this.#run(sink), (error) => sink.fail(error));
  }

  async close(): Promise<void> {
    this.#running = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#stop?.();
    await this.#ticking;
  }

  async #run(sink: SourceSink): Promise<void> {
    const { width, height, framesPerSecond } = this.#options;
    const picture = new TestPicture(width, height, framesPerSecond);
    const frameTimeMs = 1000 / framesPerSecond;
    let dueMs = performance.now();
    for (let number = 1; this.#running; number += 1) {
      const timeMs = Date.now();
      try {
        const data = picture.draw(number, timeMs);
        const payload = await encodeJpeg({ data, width, height, channels: 3 });
        if (!this.#running) return;
        sink.publish({
          width,
          height,
          encoding: { kind: 'jpeg' },
          payload,
          message: { number, time: new Date(timeMs).toISOString() },
          wireHeader: null,
          capturedAtUs: timeMs * 1000,
          isTrusted: true,
        });
      } catch (error) {
        sink.reject(error);
      }
      // Relative to the due time, so that the rate does not drift. If the source falls behind, frames are not sent in a
      // burst.
      dueMs += frameTimeMs;
      const now = performance.now();
      if (dueMs < now - frameTimeMs) dueMs = now;
      await this.#wait(dueMs - now);
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#stop = resolve;
      this.#timer = setTimeout(resolve, Math.max(0, ms));
    });
  }
}
