import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { DEFAULT_FRAME_LIMITS } from '../netgear/frame-codec.ts';
import { elapse } from './elapse.ts';
import { IMAGE_NAME, readImage } from './image-file.ts';
import { publishPicture } from './publish-picture.ts';
import { readFlag, readNumberOption, type SourceUrl } from './source-options.ts';
import type { Source, SourceSink } from './source.ts';

export interface DirectoryOptions {
  readonly folder: string;
  /** Images a second; the list's rate. */
  readonly framesPerSecond: number;
  readonly isLooped: boolean;
  /** The newest file as it comes, and not the list. */
  readonly isWatched: boolean;
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
  return { folder: place, framesPerSecond: readNumberOption(options, 'fps', 0.01, 240) ?? 1, isLooped: readFlag(options, 'loop'), isWatched };
}

/** Where the system says nothing of new files (network file systems), they are looked for. */
const POLL_MS = 500;

/** A file that is no image is being written as long as it changes, and for so long after. */
const WRITING_MS = 2000;

/** Most files that are looked at, twice a second. */
const MAX_WATCHED_FILES = 20_000;

/** As people count: img2 before img10. */
const byName = new Intl.Collator('en', { numeric: true }).compare;

interface ImageFile {
  readonly name: string;
  readonly changedMs: number;
}

/** The images of a folder: one after the other, or always the newest. Each frame's message is `{"file": name}`. */
export class DirectorySource implements Source {
  readonly kind = 'directory';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns = false;
  readonly seats = null;
  /** A folder may have nothing new for days, and a list may be slow. */
  readonly stallMs = null;
  readonly #options: DirectoryOptions;
  #state = 'closed';
  #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.address = options.folder;
    this.waitingReason = `waiting for an image in ${options.folder}`;
  }

  state(): string {
    return this.#state;
  }

  /** @throws {GearwayError} `source-unavailable` when there is no such folder. */
  async open(sink: SourceSink): Promise<void> {
    const { folder, isWatched } = this.#options;
    const found = await stat(folder).catch((error: unknown) => {
      throw new GearwayError('source-unavailable', `the folder ${folder} cannot be read: ${errorText(error)}`, { cause: error });
    });
    if (!found.isDirectory()) throw new GearwayError('source-unavailable', `${folder} is no folder, expected one with images; for a video file write ffmpeg:${folder}`);
    this.#closing = new AbortController();
    this.#state = 'running';
    const { signal } = this.#closing;
    this.#running = (isWatched ? this.#watch(sink, signal) : this.#play(sink, signal)).catch((error: unknown) => {
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
    let dueMs = performance.now();
    do {
      const names = (await readdir(folder)).filter((name) => IMAGE_NAME.test(name)).sort(byName);
      if (names.length === 0) throw new GearwayError('source-unavailable', `there is no image in ${folder}, expected .jpg, .png, .webp, .tif or .npy files`);
      for (const name of names) {
        await elapse(dueMs - performance.now(), signal);
        if (signal.aborted) return;
        await this.#read(name).then((publish) => publish(sink), (error: unknown) => sink.reject(error));
        // By the clock, so that the rate does not drift; time that cannot be kept up with is given up, not caught up.
        dueMs = Math.max(dueMs + 1000 / framesPerSecond, performance.now() - 1000 / framesPerSecond);
      }
    } while (isLooped && !signal.aborted);
    await elapse(dueMs - performance.now(), signal);
    if (signal.aborted) return;
    this.#state = 'ended';
    sink.end(`all images of ${folder} were shown`);
  }

  async #watch(sink: SourceSink, signal: AbortSignal): Promise<void> {
    const bell = new Bell();
    const watcher = this.#listen(bell);
    signal.addEventListener('abort', () => bell.ring());
    try {
      for (let shown: ImageFile = { name: '', changedMs: -Infinity }; !signal.aborted; await bell.wait(POLL_MS)) {
        const newest = await this.#findNewest();
        if (newest === null || !isNewer(newest, shown)) continue;
        try {
          const publish = await this.#read(newest.name);
          if (signal.aborted) return;
          publish(sink);
          shown = newest;
        } catch (error) {
          // Half of a file is no image yet: the next look may find all of it.
          if (Date.now() - newest.changedMs < WRITING_MS) continue;
          sink.reject(error);
          shown = newest;
        }
      }
    } finally {
      watcher?.close();
    }
  }

  /** @returns null where the system cannot say what happens in a folder: it is looked at all the same. */
  #listen(bell: Bell): FSWatcher | null {
    try {
      // An error says that the folder has gone, which the next look finds.
      return watch(this.#options.folder, () => bell.ring()).on('error', () => undefined);
    } catch {
      return null;
    }
  }

  async #findNewest(): Promise<ImageFile | null> {
    const { folder } = this.#options;
    const names = (await readdir(folder)).filter((name) => IMAGE_NAME.test(name));
    if (names.length > MAX_WATCHED_FILES) throw new GearwayError('source-unavailable', `there are ${names.length} images in ${folder}, expected at most ${MAX_WATCHED_FILES} in a folder that is watched; move old ones away`);
    let newest: ImageFile | null = null;
    for (const name of names) {
      const file = await stat(join(folder, name)).catch(() => null);
      // One that has gone since the folder was read.
      if (file === null || !file.isFile()) continue;
      const found = { name, changedMs: file.mtimeMs };
      if (newest === null || isNewer(found, newest)) newest = found;
    }
    return newest;
  }

  /** @returns what publishes it, so that a failure of reading is not one of publishing. @throws {GearwayError} what {@link readImage} throws, `too-large`. */
  async #read(name: string): Promise<(sink: SourceSink) => void> {
    const path = join(this.#options.folder, name);
    const { size } = await stat(path);
    const limit = DEFAULT_FRAME_LIMITS.payloadBytes;
    if (size > limit) throw new GearwayError('too-large', `${name} has ${size} bytes, expected at most ${limit}`);
    const picture = await readImage(await readFile(path));
    return (sink) => void publishPicture(sink, picture, { message: { file: name } });
  }
}

function isNewer(file: ImageFile, than: ImageFile): boolean {
  return file.changedMs > than.changedMs || (file.changedMs === than.changedMs && byName(file.name, than.name) > 0);
}

/** Resolves when it rings, or when time is over; a ring that nobody waits for is not lost. */
class Bell {
  #hasRung = false;
  #wake: (() => void) | null = null;

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  async wait(ms: number): Promise<void> {
    if (!this.#hasRung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = null;
    this.#hasRung = false;
  }
}
