import { errorText, GearwayError } from '../../shared/errors.ts';
import type { NDArray } from '../../shared/ndarray.ts';
import { findPiProgram } from './ffmpeg/devices/pi-cameras.ts';
import { explainFailure } from './ffmpeg/explain-failure.ts';
import { type FfmpegOptions, parseFfmpegOptions } from './ffmpeg/ffmpeg-options.ts';
import type { FfmpegTools } from './ffmpeg/ffmpeg-tools.ts';
import type { FfmpegVersion } from './ffmpeg/ffmpeg-version.ts';
import { type FfmpegInput, parseInput } from './ffmpeg/input.ts';
import { checkInput, type InputPlan, planInput } from './ffmpeg/input-plan.ts';
import { outputArgs } from './ffmpeg/output-args.ts';
import { piCameraArgs } from './ffmpeg/pi-camera.ts';
import { createPictureReader, type PictureForm } from './ffmpeg/picture-reader.ts';
import { Program, type ProgramEnd } from './ffmpeg/program.ts';
import { createRedactor, hideSecrets } from './ffmpeg/secrets.ts';
import { publishPicture } from './publish-picture.ts';
import type { SourceUrl } from './source-options.ts';
import type { Source, SourceSink } from './source.ts';

/** A silence of a camera; at a slow rate so many frame times. */
const STALL_MS = 5000;
const STALL_FRAMES = 5;

/** What is run to get pictures, and how they come. */
interface Recipe {
  readonly command: string;
  readonly args: readonly string[];
  readonly stdin: string | null;
  readonly form: PictureForm;
  readonly hasEnd: boolean;
}

/** FFmpeg as a source: cameras, network streams, files, screens, and all else that it reads. */
export class FfmpegSource implements Source {
  readonly kind = 'ffmpeg';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns = false;
  readonly seats = null;
  readonly stallMs: number;
  readonly #input: FfmpegInput;
  readonly #options: FfmpegOptions;
  readonly #tools: FfmpegTools;
  readonly #hide: (text: string) => string;
  /** What an earlier opening has found out, unless nothing came of it. */
  #recipe: Recipe | null = null;
  #state = 'closed';
  #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();

  /**
   * Reads `ffmpeg:INPUT?options`.
   *
   * @throws {GearwayError} `source-invalid`.
   */
  constructor({ place, options }: SourceUrl, tools: FfmpegTools) {
    this.#input = parseInput(place);
    this.#options = parseFfmpegOptions(options, this.#input);
    this.#tools = tools;
    this.#hide = createRedactor(place, [...this.#options.inputArgs, ...this.#options.outputArgs]);
    this.address = hideSecrets(place);
    this.waitingReason = `waiting for the first picture of ${this.address}`;
    this.stallMs = Math.max(STALL_MS, (STALL_FRAMES * 1000) / (this.#options.fps ?? Infinity));
  }

  state(): string {
    return this.#state;
  }

  /** @throws {GearwayError} `ffmpeg-missing`, `ffmpeg-too-old`, `source-unavailable` when there is no such file. */
  async open(sink: SourceSink): Promise<void> {
    this.#closing = new AbortController();
    this.#state = 'starting';
    const version = this.#input.kind === 'pi-camera' ? null : await this.#tools.version();
    await checkInput(this.#input);
    this.#running = this.#run(sink, version, this.#closing.signal);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#state = 'closed';
  }

  async #run(sink: SourceSink, version: FfmpegVersion | null, signal: AbortSignal): Promise<void> {
    try {
      // A loop that FFmpeg cannot make of a file is made here.
      while (await this.#play(sink, version, signal));
    } catch (error) {
      if (!signal.aborted) sink.fail(error);
    }
  }

  /**
   * Runs the program to its end.
   *
   * @returns whether it is to be run again at once.
   */
  async #play(sink: SourceSink, version: FfmpegVersion | null, signal: AbortSignal): Promise<boolean> {
    const recipe = (this.#recipe ??= await this.#findRecipe(version, signal));
    if (signal.aborted) return false;
    let published = 0;
    const reader = createPictureReader(recipe.form, (picture) => {
      if (this.#publish(sink, picture)) published += 1;
    });
    const program = new Program({
      command: recipe.command,
      args: recipe.args,
      input: recipe.stdin,
      guard: this.#tools.guard,
      onOutput: (chunk) => {
        try {
          reader.read(chunk);
        } catch (error) {
          broken = error;
          void program.close();
        }
      },
    });
    let broken: unknown = null;
    const kill = (): void => void program.close();
    signal.addEventListener('abort', kill);
    const end = await program.ended;
    signal.removeEventListener('abort', kill);
    // The input may have changed its nature.
    if (published === 0) this.#recipe = null;
    if (signal.aborted) return false;
    if (broken !== null) throw new GearwayError('source-failed', `${recipe.command} gives what is no picture: ${errorText(broken)}`, { cause: broken });
    const hasFinished = end.kind === 'exited' && end.code === 0;
    if (!hasFinished || !recipe.hasEnd || published === 0) throw this.#explain(recipe, end, program.errorLines(), published);
    if (this.#options.isLooped) return true;
    this.#state = 'ended';
    sink.end(`${this.#input.kind === 'playlist' ? 'the playlist' : 'the file'} has ended`);
    return false;
  }

  /** @returns whether it was one. */
  #publish(sink: SourceSink, picture: Uint8Array | NDArray): boolean {
    try {
      publishPicture(sink, picture);
      this.#state = 'running';
      return true;
    } catch (error) {
      sink.reject(error);
      return false;
    }
  }

  async #findRecipe(version: FfmpegVersion | null, signal: AbortSignal): Promise<Recipe> {
    const input = this.#input;
    if (input.kind === 'pi-camera' || version === null) return this.#findPiCamera(input.kind === 'pi-camera' ? input.number : 0, signal);
    const plan = await planInput(input, this.#options, { tools: this.#tools, version, hide: this.#hide, signal });
    return {
      command: 'ffmpeg',
      args: ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'error', ...plan.args, ...outputArgs(this.#options, plan, version)],
      stdin: plan.stdin,
      form: this.#form(plan),
      hasEnd: plan.hasEnd,
    };
  }

  async #findPiCamera(number: number, signal: AbortSignal): Promise<Recipe> {
    const command = await findPiProgram(this.#tools, signal);
    if (command === null) throw new GearwayError('source-unavailable', 'neither rpicam-vid nor libcamera-vid is installed, which read this camera; install them on Raspberry Pi OS with: sudo apt-get install rpicam-apps');
    return { command, args: piCameraArgs(number, this.#options), stdin: null, form: 'jpegs', hasEnd: false };
  }

  #form({ isCopied }: InputPlan): PictureForm {
    const { pixels } = this.#options;
    if (isCopied || pixels === null) return 'multipart';
    return pixels === 'bgr24' ? 'bmp' : 'pgm';
  }

  #explain({ command }: Recipe, end: ProgramEnd, lines: readonly string[], published: number): GearwayError {
    if (end.kind !== 'exited' || end.code !== 0) return explainFailure(command, end, lines.map(this.#hide));
    return new GearwayError('source-failed', published > 0 ? 'the stream has ended; it may begin again' : 'there is no picture in it');
  }
}
