import { containFailure } from '../../../shared/background.ts';
import { GearwayError } from '../../../shared/errors.ts';
import type { Sendable } from '../../netgear/picture.ts';
import { elapse } from '../elapse.ts';
import { FolderWatch } from './folder-watch.ts';
import { compareNames, ImageFolder } from './image-folder.ts';
import { NewestImage } from './newest-image.ts';
import { publishPicture } from '../publish-picture.ts';
import { readCheck, readFlag, readNumberOption, type SourceUrl } from '../../config/source-url.ts';
import type { Source, SourceSink } from '../source.ts';

export interface DirectoryOptions {
  readonly folder: string;
  /** Images a second; the list's rate. */
  readonly framesPerSecond: number;
  readonly isLooped: boolean;
  /** The newest file as it comes, and not the list. */
  readonly isWatched: boolean;
  /** Whether JPEGs are verified before a NetGear client gets them. */
  readonly isChecked: boolean;
}

/**
 * Reads `directory:/path/to/folder?fps=2&loop=true`, or `…?watch=true`.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parseDirectory({ place, options }: SourceUrl): DirectoryOptions {
  if (place === '' || place.includes('\0')) throw new GearwayError('source-invalid', 'directory: is followed by no folder, expected directory:/path/to/images');
  const isWatched = readFlag(options, 'watch');
  if (isWatched && (options.has('fps') || options.has('loop'))) throw new GearwayError('source-invalid', 'directory: has watch=true and fps or loop, expected one of the two: the newest file is shown as it comes');
  return { folder: place, framesPerSecond: readNumberOption(options, 'fps', 0.01, 240) ?? 1, isLooped: readFlag(options, 'loop'), isWatched, isChecked: readCheck(options) };
}

/** How often a folder that has gone is looked for. */
const APPEAR_MS = 500;

/** The images of a folder: one after the other, or always the newest. Each frame's message is `{"file": name}`. */
export class DirectorySource implements Source {
  readonly kind = 'directory';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns = false;
  readonly verifiesJpegs: boolean;
  readonly seats = null;
  /** A folder may have nothing new for days, and a list may be slow. */
  readonly stallMs = null;
  readonly #options: DirectoryOptions;
  readonly #folder: ImageFolder;
  #wasThere = false;
  #state = 'closed';
  #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#folder = new ImageFolder(options.folder);
    this.verifiesJpegs = options.isChecked;
    this.address = options.folder;
    this.waitingReason = `waiting for an image in ${options.folder}`;
  }

  state(): string {
    return this.#state;
  }

  /** @throws {GearwayError} `source-unavailable` when there is no such folder. One that was there and is watched may come back later. */
  async open(sink: SourceSink): Promise<void> {
    const { isWatched } = this.#options;
    if (!isWatched || !this.#wasThere) await this.#folder.check();
    this.#wasThere = true;
    this.#closing = new AbortController();
    this.#state = 'running';
    const { signal } = this.#closing;
    this.#running = containFailure(isWatched ? this.#watch(sink, signal) : this.#play(sink, signal), (error) => {
      if (!signal.aborted) sink.fail(error);
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#state = 'closed';
  }

  async #play(sink: SourceSink, signal: AbortSignal): Promise<void> {
    const { folder, framesPerSecond, isLooped } = this.#options;
    const frameTimeMs = 1000 / framesPerSecond;
    let dueMs = performance.now();
    do {
      const names = [...(await this.#folder.list())].sort(compareNames);
      if (names.length === 0) throw new GearwayError('source-unavailable', `there is no image in ${folder}, expected .jpg, .png, .bmp, .webp, .tif or .npy files`);
      for (const name of names) {
        // Read before its time has come, so that what takes long to decode is not late.
        const read = await this.#folder.read(name).catch((error: unknown): void => sink.reject(error));
        await elapse(dueMs - performance.now(), signal);
        if (signal.aborted) return;
        if (read !== undefined) this.#publish(sink, name, read.picture);
        // By the clock, so that the rate does not drift; time that cannot be kept up with is given up, not caught up.
        dueMs = Math.max(dueMs + frameTimeMs, performance.now() - frameTimeMs);
      }
    } while (isLooped);
    await elapse(dueMs - performance.now(), signal);
    if (signal.aborted) return;
    this.#state = 'ended';
    sink.end(`all images of ${folder} were shown`);
  }

  async #watch(sink: SourceSink, signal: AbortSignal): Promise<void> {
    const watch = new FolderWatch(this.#folder);
    const newest = new NewestImage(this.#folder, (error) => sink.reject(error));
    try {
      for (await this.#appear(signal); !signal.aborted; await watch.wait(newest.retryAtMs, signal)) {
        const found = await newest.find(await watch.names());
        if (signal.aborted) return;
        if (found !== null) this.#publish(sink, found.name, found.picture);
      }
    } finally {
      watch.close();
    }
  }

  /** Resolves when the folder is there, or with the signal. */
  async #appear(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await this.#folder.identify()) === null) {
      this.#state = 'the folder is not there';
      await elapse(APPEAR_MS, signal);
    }
    this.#state = 'running';
  }

  #publish(sink: SourceSink, name: string, picture: Sendable): void {
    try {
      publishPicture(sink, picture, { message: { file: name } }, !this.#options.isChecked);
    } catch (error) {
      sink.reject(error);
    }
  }
}
