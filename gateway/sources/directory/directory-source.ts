import { basename, dirname, join } from 'node:path';
import { containFailure } from '../../../shared/background.ts';
import { GearwayError } from '../../../shared/errors.ts';
import type { Sendable } from '../../netgear/picture.ts';
import { sleep } from '../sleep.ts';
import { FolderWatch } from './folder-watch.ts';
import { compareNames, ImageFolder } from './image-folder.ts';
import { NewestImage } from './newest-image.ts';
import { publishPicture } from '../publish-picture.ts';
import { readCheck, readFlag, readNumberOption, type SourceUrl } from '../../config/source-url.ts';
import type { Source, SourceSink } from '../source.ts';

interface DirectoryOptions {
  readonly folder: string;
  /** The only file that is shown; null for all images. */
  readonly file: string | null;
  /** Rate at which the images are played. */
  readonly framesPerSecond: number;
  readonly isLooped: boolean;
  /** Whether each new file is shown as it arrives, instead of playing all files. */
  readonly isWatched: boolean;
  /** Whether JPEGs are verified before a NetGear client gets them. */
  readonly isChecked: boolean;
}

/**
 * Parses `directory:/path/to/folder?fps=2&loop=true`, or `…?watch=true`.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parseDirectory({ target, options }: SourceUrl): DirectoryOptions {
  if (target === '' || target.includes('\0'))
    throw new GearwayError('source-invalid', 'directory: has no folder, expected directory:/path/to/images');
  const isWatched = readFlag(options, 'watch');
  if (isWatched && (options.has('fps') || options.has('loop'))) {
    throw new GearwayError(
      'source-invalid',
      'directory: has watch=true together with fps or loop, which apply only without it',
    );
  }
  return {
    folder: target,
    file: null,
    framesPerSecond: readNumberOption(options, 'fps', 0.01, 240) ?? 1,
    isLooped: readFlag(options, 'loop'),
    isWatched,
    isChecked: readCheck(options),
  };
}

/**
 * Parses `image:/path/to/picture.jpg`, a file that a program replaces.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parseImage({ target, options }: SourceUrl): DirectoryOptions {
  if (/^https?:\/\//i.test(target))
    throw new GearwayError(
      'source-invalid',
      'image: is followed by a URL, expected the path of a file; for a picture on a server use mjpeg:http://HOST/PATH',
    );
  const file = basename(target);
  if (file === '' || target.endsWith('/') || target.includes('\0'))
    throw new GearwayError('source-invalid', 'image: has no file, expected image:/path/to/picture.jpg');
  return {
    folder: dirname(target),
    file,
    framesPerSecond: 1,
    isLooped: false,
    isWatched: true,
    isChecked: readCheck(options),
  };
}

/** Interval between checks for a missing folder. */
const APPEAR_MS = 500;

/**
 * Shows the images of a folder, either all in order or always the newest, or each new version of a single image file.
 * Each frame's message is `{"file": name}`.
 */
export class DirectorySource implements Source {
  readonly kind: 'directory' | 'image';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns = false;
  readonly verifiesJpegs: boolean;
  readonly serverPorts = null;
  /** No timeout: a folder may have no new image for days. */
  readonly stallMs = null;
  readonly #options: DirectoryOptions;
  readonly #folder: ImageFolder;
  #wasThere = false;
  #state = 'closed';
  #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: DirectoryOptions) {
    this.#options = options;
    const { folder, file } = options;
    this.#folder = new ImageFolder(folder, file);
    this.verifiesJpegs = options.isChecked;
    this.kind = file === null ? 'directory' : 'image';
    this.address = file === null ? folder : join(folder, file);
    this.waitingReason = `waiting for ${file === null ? `an image in ${folder}` : this.address}`;
  }

  state(): string {
    return this.#state;
  }

  /**
   * @throws {GearwayError} `source-unavailable` if the folder does not exist. A watched folder that existed before may
   * reappear later.
   */
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
      if (names.length === 0)
        throw new GearwayError(
          'source-unavailable',
          `no images in ${folder}, expected .jpg, .png, .bmp, .webp, .tif or .npy files`,
        );
      for (const name of names) {
        // The image is decoded before it is due, so that slow images are not late.
        const read = await this.#folder.read(name).catch((error: unknown): void => sink.reject(error));
        await sleep(dueMs - performance.now(), signal);
        if (signal.aborted) return;
        if (read !== undefined) this.#publish(sink, name, read.picture);
        // Relative to the due time, so that the rate does not drift. If the source falls behind, frames are not sent in
        // a burst.
        dueMs = Math.max(dueMs + frameTimeMs, performance.now() - frameTimeMs);
      }
    } while (isLooped);
    await sleep(dueMs - performance.now(), signal);
    if (signal.aborted) return;
    this.#state = 'ended';
    sink.end(`all images of ${folder} have been shown`);
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

  /** Resolves when the folder exists, or the signal aborts. */
  async #appear(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await this.#folder.identify()) === null) {
      this.#state = 'the folder does not exist';
      await sleep(APPEAR_MS, signal);
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
