import { containFailure, runInBackground } from '../../../shared/background.ts';
import { errorText, GearwayError } from '../../../shared/errors.ts';
import { explainFailure } from './explain-failure.ts';
import { type FfmpegOptions, parseFfmpegOptions } from './ffmpeg-options.ts';
import type { FfmpegTools } from './ffmpeg-tools.ts';
import { type FfmpegInput, parseInput } from './input.ts';
import { checkInput } from './input-plan.ts';
import { PicturePublisher } from '../picture-publisher.ts';
import { createPictureReader } from './picture-reader.ts';
import { Program, type ProgramEnd } from './program.ts';
import { findCaptureCommand, type CaptureCommand } from './capture-command.ts';
import { HttpCamera } from '../mjpeg/http-camera.ts';
import { parseHttpAddress } from '../mjpeg/http-address.ts';
import { withPasswordHint } from '../password-hint.ts';
import { stallTimeMs } from '../stall-time.ts';
import type { SourceUrl } from '../../config/source-url.ts';
import type { Source, SourceSink } from '../source.ts';

/** Failures of FFmpeg that {@link HttpCamera} can often avoid. */
const UNREADABLE = /in a format that FFmpeg cannot read|FFmpeg's reader refuses/;
const WITHOUT_FFMPEG =
  'a camera with MJPEG or still pictures is read without FFmpeg if it has no options but fps, check and onDemand';

const ALL_DAMAGED = 'all pictures of the source are damaged';

/** Result of one run of a program. */
interface Run {
  readonly end: ProgramEnd;
  /** The last lines of the program's error output. */
  readonly lines: readonly string[];
  readonly published: number;
  /** Whether there were pictures, but no valid one. */
  readonly allFramesInvalid: boolean;
  /** Whether the program was stopped because all of its pictures were invalid. */
  readonly wasEnded: boolean;
  /** Why the program's output could not be parsed; null if it could. */
  readonly unreadable: unknown;
}

/** FFmpeg as a source: cameras, network streams, files, screens, and everything else that it supports. */
export class FfmpegSource implements Source {
  readonly kind = 'ffmpeg';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns = false;
  readonly verifiesJpegs: boolean;
  readonly serverPorts = null;
  readonly #input: FfmpegInput;
  readonly #options: FfmpegOptions;
  readonly #tools: FfmpegTools;
  /** Reads MJPEG and still pictures over HTTP instead of FFmpeg; null if they must be decoded, or for other inputs. */
  #camera: HttpCamera | null;
  /** Cached result of an earlier run. */
  #captureCommand: CaptureCommand | null = null;
  /** Whether the input's own JPEGs were unusable. */
  #mustEncode = false;
  #state = 'closed';
  /** Whether there has ever been a picture, which means that the address is correct. */
  #hasWorked = false;
  #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();

  /**
   * Parses `ffmpeg:INPUT?options`.
   *
   * @throws {GearwayError} `source-invalid`.
   */
  constructor({ target, options }: SourceUrl, tools: FfmpegTools) {
    this.#input = parseInput(target);
    this.#options = parseFfmpegOptions(options, this.#input);
    this.#tools = tools;
    this.verifiesJpegs = this.#options.isChecked;
    this.address = target;
    this.waitingReason = `waiting for the first picture of ${this.address}`;
    this.#camera = createCamera(this.#input, this.#options);
  }

  get stallMs(): number | null {
    return this.#camera?.isPolled === true ? null : stallTimeMs(this.#options.fps);
  }

  get #isHttp(): boolean {
    return this.#input.kind === 'url' && /^https?$/.test(this.#input.scheme);
  }

  state(): string {
    return this.#state;
  }

  /** @throws {GearwayError} `ffmpeg-missing`, `ffmpeg-too-old`, `source-unavailable` if the file does not exist. */
  async open(sink: SourceSink): Promise<void> {
    if (this.#input.kind !== 'pi-camera') await this.#tools.version();
    await checkInput(this.#input);
    this.#state = 'starting';
    this.#closing = new AbortController();
    const { signal } = this.#closing;
    this.#running = containFailure(this.#capture(sink, signal), (error) => {
      if (!signal.aborted) sink.fail(this.#hasWorked ? error : withPasswordHint(error, this.address));
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#state = 'closed';
  }

  async #capture(sink: SourceSink, signal: AbortSignal): Promise<void> {
    if (this.#camera !== null && (await this.#runCamera(this.#camera, sink, signal)) === 'aborted') return;
    for (;;) {
      const capture = (this.#captureCommand ??= await this.#findCaptureCommand(signal));
      const run = await this.#run(capture, sink, signal);
      // The input may have changed, for instance a replaced file or camera, so inspect it again; an unreachable server
      // has not changed.
      if (run.allFramesInvalid || (run.published === 0 && this.#input.kind !== 'url')) this.#captureCommand = null;
      if (signal.aborted) return;
      if (run.allFramesInvalid && capture.isCopied && this.#options.copy === null && (run.wasEnded || capture.hasEnd)) {
        this.#mustEncode = true;
        continue;
      }
      // The input is not an HTTP camera, so it is not tried again.
      if (run.published > 0) this.#camera = null;
      const failure = explain(capture, run);
      if (failure !== null)
        throw this.#isHttp && UNREADABLE.test(failure.message)
          ? new GearwayError(failure.code, `${failure.message}; ${WITHOUT_FFMPEG}`, { cause: failure })
          : failure;
      if (this.#isHttp && run.published === 1)
        throw new GearwayError('source-failed', `the input is one picture, which FFmpeg reads once; ${WITHOUT_FFMPEG}`);
      // FFmpeg cannot loop some files, so it is restarted.
      if (!this.#options.isLooped) break;
    }
    this.#state = 'ended';
    sink.end(
      `the ${this.#input.kind === 'playlist' || this.#input.kind === 'file' ? this.#input.kind : 'recording'} has ended`,
    );
  }

  /**
   * @returns whether FFmpeg must read the input instead, because the input is not an HTTP camera, or its pictures must
   * be encoded.
   */
  async #runCamera(camera: HttpCamera, sink: SourceSink, signal: AbortSignal): Promise<'unsuitable' | 'aborted'> {
    const aborting = new AbortController();
    const abort = (): void => aborting.abort();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    const pictures = this.#createPublisher(sink, this.#options.isChecked, abort);
    try {
      const end = await camera.run(pictures, aborting.signal);
      if (end === 'unsuitable' || signal.aborted) return end;
    } finally {
      signal.removeEventListener('abort', abort);
      pictures.close();
    }
    if (this.#options.copy !== null) throw new GearwayError('source-failed', ALL_DAMAGED);
    this.#mustEncode = true;
    this.#camera = null;
    return 'unsuitable';
  }

  #createPublisher(sink: SourceSink, isChecked: boolean, end: () => void): PicturePublisher {
    const pictures = new PicturePublisher({
      sink,
      isTrusted: !isChecked,
      onPublished: () => {
        this.#state = 'running';
        this.#hasWorked = true;
      },
      onAllInvalid: () => {
        // Continue if the pictures must not be encoded: browsers may be able to decode pictures that NetGear clients
        // cannot.
        if (pictures.published === 0 || this.#options.copy === null) end();
      },
    });
    return pictures;
  }

  #findCaptureCommand(signal: AbortSignal): Promise<CaptureCommand> {
    const options = this.#mustEncode ? { ...this.#options, copy: false } : this.#options;
    return findCaptureCommand(this.#input, options, { tools: this.#tools, signal });
  }

  /** Runs a program until it exits or is aborted. */
  async #run(capture: CaptureCommand, sink: SourceSink, signal: AbortSignal): Promise<Run> {
    let unreadable: unknown = null;
    let wasEnded = false;
    const pictures = this.#createPublisher(sink, capture.isCopied && this.#options.isChecked, () => {
      wasEnded = true;
      kill();
    });
    const reader = createPictureReader(capture.format, (picture) => pictures.offer(picture));
    const program = new Program({
      command: capture.command,
      args: capture.args,
      input: capture.stdin,
      guard: this.#tools.guard,
      onOutput: (chunk) => {
        try {
          reader.read(chunk);
        } catch (error) {
          unreadable = error;
          kill();
        }
      },
    });
    // Not awaited here: `program.ended` is awaited below.
    const kill = (): void => runInBackground(program.close(), () => undefined);
    const abort = (): void => {
      pictures.close();
      kill();
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    const end = await program.ended;
    signal.removeEventListener('abort', abort);
    pictures.close();
    const { published, allFramesInvalid } = pictures;
    return { end, lines: program.errorLines(), published, allFramesInvalid, wasEnded, unreadable };
  }
}

/** @returns null if the input is not an HTTP URL, or its options apply only to FFmpeg. */
function createCamera(input: FfmpegInput, options: FfmpegOptions): HttpCamera | null {
  if (input.kind !== 'url' || !/^https?$/.test(input.scheme)) return null;
  const { size, fps, quality, pixels, format, inputArgs, outputArgs, hwaccel, filter, copy } = options;
  const needsFfmpeg =
    [size, quality, pixels, format, hwaccel, filter].some((option) => option !== null) ||
    copy === false ||
    inputArgs.length > 0 ||
    outputArgs.length > 0;
  if (needsFfmpeg) return null;
  // Certificates and the rate of streams are handled as by FFmpeg: any certificate is accepted, and the rate is kept.
  return new HttpCamera({
    address: parseHttpAddress(input.url),
    acceptsAnyCertificate: true,
    framesPerSecond: fps,
    accepts: { streams: fps === null, others: false },
  });
}

/** @returns null if the program has reached the input's end normally. */
function explain(
  { command, hasEnd }: CaptureCommand,
  { end, lines, published, wasEnded, unreadable }: Run,
): GearwayError | null {
  if (wasEnded) return new GearwayError('source-failed', ALL_DAMAGED);
  if (unreadable !== null) {
    return new GearwayError('source-failed', `the output of ${command} cannot be parsed: ${errorText(unreadable)}`, {
      cause: unreadable,
    });
  }
  if (end.kind !== 'exited' || end.code !== 0) return explainFailure(command, end, lines);
  if (published === 0) return new GearwayError('source-failed', 'the input contains no video');
  return hasEnd ? null : new GearwayError('source-failed', 'the stream has ended; it may start again');
}
