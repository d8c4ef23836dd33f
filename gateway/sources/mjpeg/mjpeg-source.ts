import { containFailure } from '../../../shared/background.ts';
import { GearwayError } from '../../../shared/errors.ts';
import { readCheck, readNumberOption, readWord, type SourceUrl } from '../../config/source-url.ts';
import { withPasswordHint } from '../password-hint.ts';
import { PicturePublisher } from '../picture-publisher.ts';
import type { Source, SourceSink } from '../source.ts';
import { stallTimeMs } from '../stall-time.ts';
import { type HttpAddress, parseHttpAddress } from './http-address.ts';
import { HttpCamera } from './http-camera.ts';

interface MjpegOptions {
  /** URL as given. */
  readonly url: string;
  readonly address: HttpAddress;
  /** Rate at which a still picture is requested, and maximum rate of a stream; null for the defaults. */
  readonly framesPerSecond: number | null;
  readonly acceptsAnyCertificate: boolean;
  /** Whether JPEGs are verified before a NetGear client gets them. */
  readonly isChecked: boolean;
}

/** Option names, for parseSourceUrl. */
export const MJPEG_OPTIONS = ['fps', 'certificate', 'check'] as const;

/**
 * Parses `mjpeg:http://HOST/PATH?fps=5&certificate=any&check=false`.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parseMjpeg({ target, options }: SourceUrl): MjpegOptions {
  if (!/^https?:\/\//i.test(target))
    throw new GearwayError(
      'source-invalid',
      'mjpeg: is not followed by an address, expected mjpeg:http://HOST/PATH or mjpeg:https://HOST/PATH',
    );
  return {
    url: target,
    address: parseHttpAddress(target),
    framesPerSecond: readNumberOption(options, 'fps', 0.001, 240),
    acceptsAnyCertificate: readWord(options, 'certificate', ['verified', 'any']) === 'any',
    isChecked: readCheck(options),
  };
}

/** A camera that serves MJPEG or still pictures over HTTP. */
export class MjpegSource implements Source {
  readonly kind = 'mjpeg';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns = false;
  readonly verifiesJpegs: boolean;
  readonly serverPorts = null;
  readonly #options: MjpegOptions;
  readonly #camera: HttpCamera;
  #state = 'closed';
  /** Whether there has ever been a picture, which means that the address is correct. */
  #hasWorked = false;
  #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: MjpegOptions) {
    this.#options = options;
    this.#camera = new HttpCamera({ ...options, accepts: { streams: true, others: true } });
    this.verifiesJpegs = options.isChecked;
    this.address = options.url;
    this.waitingReason = `waiting for the first picture of ${options.url}`;
  }

  /** A still picture may stay the same for any length of time. */
  get stallMs(): number | null {
    return this.#camera.isPolled ? null : stallTimeMs(this.#options.framesPerSecond);
  }

  state(): string {
    return this.#state;
  }

  async open(sink: SourceSink): Promise<void> {
    this.#state = 'starting';
    this.#closing = new AbortController();
    const { signal } = this.#closing;
    this.#running = containFailure(this.#run(sink, signal), (error) => {
      if (!signal.aborted) sink.fail(this.#hasWorked ? error : withPasswordHint(error, this.address));
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#state = 'closed';
  }

  async #run(sink: SourceSink, signal: AbortSignal): Promise<void> {
    const pictures = new PicturePublisher({
      sink,
      isTrusted: !this.#options.isChecked,
      onPublished: () => {
        this.#state = 'running';
        this.#hasWorked = true;
      },
      // Each picture is counted as rejected. Browsers may be able to decode pictures that NetGear clients cannot.
      onAllInvalid: () => {
        if (pictures.published === 0)
          sink.fail(new GearwayError('source-failed', 'all pictures of the source are damaged'));
      },
    });
    await this.#camera.run(pictures, signal).finally(() => pictures.close());
  }
}
