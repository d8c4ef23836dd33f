import { errorText, GearwayError } from '../../shared/errors.ts';
import type { NDArray } from '../../shared/ndarray.ts';
import { explainFailure } from './ffmpeg/explain-failure.ts';
import { type FfmpegOptions, parseFfmpegOptions } from './ffmpeg/ffmpeg-options.ts';
import type { FfmpegTools } from './ffmpeg/ffmpeg-tools.ts';
import { type FfmpegInput, parseInput } from './ffmpeg/input.ts';
import { checkInput } from './ffmpeg/input-plan.ts';
import { createPictureReader } from './ffmpeg/picture-reader.ts';
import { Program, type ProgramEnd } from './ffmpeg/program.ts';
import { findRecipe, type Recipe } from './ffmpeg/recipe.ts';
import { createRedactor, hideSecrets } from './ffmpeg/secrets.ts';
import { publishPicture } from './publish-picture.ts';
import type { SourceUrl } from './source-options.ts';
import type { Source, SourceSink } from './source.ts';

/** A silence of a camera; at a slow rate so many frame times. */
const STALL_MS = 5000;
const STALL_FRAMES = 5;

/** How one run of a program went. */
interface Run {
  readonly end: ProgramEnd;
  /** The last lines that it has printed, without secrets. */
  readonly lines: readonly string[];
  readonly published: number;
  readonly rejected: number;
  /** Why its output could not be read; null when it could. */
  readonly unreadable: unknown;
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
  /** What an earlier opening has found out. */
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
    if (this.#input.kind !== 'pi-camera') await this.#tools.version();
    await checkInput(this.#input);
    this.#state = 'starting';
    this.#closing = new AbortController();
    this.#running = this.#feed(sink, this.#closing.signal);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#state = 'closed';
  }

  async #feed(sink: SourceSink, signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        const recipe = (this.#recipe ??= await findRecipe(this.#input, this.#options, { tools: this.#tools, hide: this.#hide, signal }));
        const run = await this.#run(recipe, sink, signal);
        // It may have become another one: a file that was replaced, a camera in another's place. A server that is just not there has not.
        if (run.published === 0 && (run.rejected > 0 || this.#input.kind !== 'url')) this.#recipe = null;
        if (signal.aborted) return;
        const failure = explain(recipe, run);
        if (failure !== null) throw failure;
        // A loop that FFmpeg cannot make of this file is made here.
        if (!this.#options.isLooped) break;
      }
      this.#state = 'ended';
      sink.end(`the ${this.#input.kind === 'playlist' || this.#input.kind === 'file' ? this.#input.kind : 'recording'} has ended`);
    } catch (error) {
      if (!signal.aborted) sink.fail(error);
    }
  }

  /** Runs a program to its end, or until it is aborted. */
  async #run(recipe: Recipe, sink: SourceSink, signal: AbortSignal): Promise<Run> {
    let [published, rejected] = [0, 0];
    let unreadable: unknown = null;
    const reader = createPictureReader(recipe.form, (picture) => {
      if (this.#publish(sink, picture)) published += 1;
      else rejected += 1;
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
          unreadable = error;
          kill();
        }
      },
    });
    const kill = (): void => void program.close();
    if (signal.aborted) kill();
    signal.addEventListener('abort', kill);
    const end = await program.ended;
    signal.removeEventListener('abort', kill);
    return { end, lines: program.errorLines().map(this.#hide), published, rejected, unreadable };
  }

  /** @returns whether it was a picture. */
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
}

/** @returns null when the program has come to the input's end, as it should. */
function explain({ command, hasEnd }: Recipe, { end, lines, published, unreadable }: Run): GearwayError | null {
  if (unreadable !== null) return new GearwayError('source-failed', `${command} gives what is no picture: ${errorText(unreadable)}`, { cause: unreadable });
  if (end.kind !== 'exited' || end.code !== 0) return explainFailure(command, end, lines);
  if (published === 0) return new GearwayError('source-failed', 'there is no picture in it');
  return hasEnd ? null : new GearwayError('source-failed', 'the stream has ended; it may begin again');
}
