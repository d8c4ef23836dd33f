import { containFailure, runInBackground } from '../../../shared/background.ts';
import { errorText, GearwayError } from '../../../shared/errors.ts';
import { explainFailure } from './explain-failure.ts';
import { type FfmpegOptions, parseFfmpegOptions, stallMs } from './ffmpeg-options.ts';
import type { FfmpegTools } from './ffmpeg-tools.ts';
import { type FfmpegInput, parseInput } from './input.ts';
import { checkInput } from './input-plan.ts';
import { PictureFeed } from './picture-feed.ts';
import { createPictureReader } from './picture-reader.ts';
import { Program, type ProgramEnd } from './program.ts';
import { findRecipe, type Recipe } from './recipe.ts';
import { hasUnencodedPassword } from '../redactor.ts';
import type { SourceUrl } from '../../config/source-url.ts';
import type { Source, SourceSink } from '../source.ts';

/** How one run of a program went. */
interface Run {
  readonly end: ProgramEnd;
  /** The last lines that it has printed. */
  readonly lines: readonly string[];
  readonly published: number;
  /** Whether there were pictures, and all of them were invalid. */
  readonly isAllInvalid: boolean;
  /** Whether it was ended for that reason. */
  readonly wasEnded: boolean;
  /** Why its output could not be read; null when it could. */
  readonly unreadable: unknown;
}

/** FFmpeg as a source: cameras, network streams, files, screens, and all else that it reads. */
export class FfmpegSource implements Source {
  readonly kind = 'ffmpeg';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns = false;
  readonly verifiesJpegs: boolean;
  readonly seats = null;
  readonly stallMs: number;
  readonly #input: FfmpegInput;
  readonly #options: FfmpegOptions;
  readonly #tools: FfmpegTools;
  /** What an earlier opening has found out. */
  #recipe: Recipe | null = null;
  /** The input's own pictures were of no use. */
  #mustEncode = false;
  #state = 'closed';
  /** Whether a picture has ever come: the address is right then. */
  #hasWorked = false;
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
    this.verifiesJpegs = this.#options.isChecked;
    this.address = place;
    this.waitingReason = `waiting for the first picture of ${this.address}`;
    this.stallMs = stallMs(this.#options);
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
    const { signal } = this.#closing;
    this.#running = containFailure(this.#feed(sink, signal), (error) => {
      if (!signal.aborted) sink.fail(this.#hasWorked ? error : withPasswordHint(error, this.address));
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#state = 'closed';
  }

  async #feed(sink: SourceSink, signal: AbortSignal): Promise<void> {
    for (;;) {
      const recipe = (this.#recipe ??= await this.#findRecipe(signal));
      const run = await this.#run(recipe, sink, signal);
      // It may have become another one: a file that was replaced, a camera in another's place. A server that is just not there has not.
      if (run.isAllInvalid || (run.published === 0 && this.#input.kind !== 'url')) this.#recipe = null;
      if (signal.aborted) return;
      if (run.isAllInvalid && recipe.isCopied && this.#options.copy === null && (run.wasEnded || recipe.hasEnd)) {
        this.#mustEncode = true;
        continue;
      }
      const failure = explain(recipe, run);
      if (failure !== null) throw failure;
      // A loop that FFmpeg cannot make of this file is made here.
      if (!this.#options.isLooped) break;
    }
    this.#state = 'ended';
    sink.end(`the ${this.#input.kind === 'playlist' || this.#input.kind === 'file' ? this.#input.kind : 'recording'} has ended`);
  }

  #findRecipe(signal: AbortSignal): Promise<Recipe> {
    const options = this.#mustEncode ? { ...this.#options, copy: false } : this.#options;
    return findRecipe(this.#input, options, { tools: this.#tools, signal });
  }

  /** Runs a program to its end, or until it is aborted. */
  async #run(recipe: Recipe, sink: SourceSink, signal: AbortSignal): Promise<Run> {
    let unreadable: unknown = null;
    let wasEnded = false;
    const feed = new PictureFeed({
      sink,
      isTrusted: !(recipe.isCopied && this.#options.isChecked),
      onPublished: () => {
        this.#state = 'running';
        this.#hasWorked = true;
      },
      onAllInvalid: () => {
        // Browsers may still decode what NetGear clients refuse. Only encoding the pictures again is better than that.
        if (feed.published > 0 && this.#options.copy !== null) return;
        wasEnded = true;
        kill();
      },
    });
    const reader = createPictureReader(recipe.form, (picture) => feed.offer(picture));
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
    // Its end is awaited below, whichever way it comes.
    const kill = (): void => runInBackground(program.close(), () => undefined);
    const abort = (): void => {
      feed.close();
      kill();
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    const end = await program.ended;
    signal.removeEventListener('abort', abort);
    feed.close();
    const { published, isAllInvalid } = feed;
    return { end, lines: program.errorLines(), published, isAllInvalid, wasEnded, unreadable };
  }
}

/** FFmpeg takes such a password apart, and reports a host or a port that is a part of it. */
function withPasswordHint(error: unknown, address: string): unknown {
  if (!(error instanceof GearwayError) || error.code !== 'source-failed' || !hasUnencodedPassword(address)) return error;
  return new GearwayError(error.code, `${error.message}; a password with # / ? @ % or a space must be percent-encoded, as %23 %2F %3F %40 %25 %20`, { cause: error });
}

/** @returns null when the program has come to the input's end, as it should. */
function explain({ command, hasEnd }: Recipe, { end, lines, published, wasEnded, unreadable }: Run): GearwayError | null {
  if (wasEnded) return new GearwayError('source-failed', 'its pictures are all damaged');
  if (unreadable !== null) return new GearwayError('source-failed', `${command} gives what is no picture: ${errorText(unreadable)}`, { cause: unreadable });
  if (end.kind !== 'exited' || end.code !== 0) return explainFailure(command, end, lines);
  if (published === 0) return new GearwayError('source-failed', 'there is no picture in it');
  return hasEnd ? null : new GearwayError('source-failed', 'the stream has ended; it may begin again');
}
