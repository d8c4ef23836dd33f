import { GearwayError } from '../../shared/errors.ts';
import type { SourceSink } from '../hub/stream.ts';
import { encodeJpeg } from '../jpeg.ts';
import type { Source } from './source.ts';
import { TestPicture } from './test-picture.ts';

/** How the test pattern looks. Pixels, and frames a second. */
export interface TestPatternOptions {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
}

/**
 * Reads `test-pattern:?size=1280x720&fps=30`.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parseTestPattern(url: string): TestPatternOptions {
  const query = new URLSearchParams(url.slice('test-pattern:'.length).replace(/^\?/, ''));
  for (const key of query.keys()) {
    if (key !== 'size' && key !== 'fps') throw new GearwayError('source-invalid', `test-pattern: has the option ${JSON.stringify(key)}, expected size or fps`);
  }
  const size = /^(\d+)x(\d+)$/.exec(query.get('size') ?? '1280x720');
  const width = Number(size?.[1]);
  const height = Number(size?.[2]);
  if (!(width >= 160 && width <= 3840 && height >= 120 && height <= 2160)) {
    throw new GearwayError('source-invalid', `test-pattern: size is ${query.get('size')}, expected WIDTHxHEIGHT from 160x120 to 3840x2160`);
  }
  const framesPerSecond = Number(query.get('fps') ?? '30');
  if (!(framesPerSecond >= 0.1 && framesPerSecond <= 240)) {
    throw new GearwayError('source-invalid', `test-pattern: fps is ${query.get('fps')}, expected 0.1 to 240`);
  }
  return { width, height, framesPerSecond };
}

/** A moving picture with frame number and clock: real JPEG at quality 90, its `message` the number in the picture. */
export class TestPatternSource implements Source {
  readonly kind = 'test-pattern';
  readonly address: string;
  readonly waitingReason = 'the test pattern is starting';
  readonly takesReturns = false;
  readonly seats = null;
  readonly #options: TestPatternOptions;
  #running = false;
  #ticking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #stop: (() => void) | null = null;

  constructor(options: TestPatternOptions) {
    this.#options = options;
    this.address = `${options.width}x${options.height}, ${options.framesPerSecond} frames/s`;
  }

  state(): string {
    return this.#running ? 'running' : 'closed';
  }

  async open(sink: SourceSink): Promise<void> {
    this.#running = true;
    this.#ticking = this.#run(sink);
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
        sink.publish({ width, height, encoding: { kind: 'jpeg' }, payload, message: { number, time: new Date(timeMs).toISOString() }, wireHeader: null, capturedAtUs: timeMs * 1000 });
      } catch (error) {
        sink.reject(error);
      }
      // By the clock, so that the rate does not drift; time that cannot be kept up with is given up, not caught up.
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
