import { constants, type Stats } from 'node:fs';
import { lstat, open, opendir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { errorText, GearwayError } from '../../../shared/errors.ts';
import type { Sendable } from '../../netgear/picture.ts';
import { IMAGE_NAME, readImage } from './image-file.ts';

/** State of a file. */
export interface FileState {
  readonly name: string;
  /** Modification time, which a moved file keeps. */
  readonly writtenMs: number;
  /** Change time by the file system's clock: when it was written, moved here, or otherwise changed. */
  readonly changedMs: number;
  /** Changes whenever the file does. */
  readonly version: string;
}

/** An image, and the state of its file when it was read. */
export interface ReadImage extends Pick<FileState, 'changedMs' | 'version'> {
  readonly picture: Sendable;
}

/** Number of names that are read at a time. */
const LISTED_AT_ONCE = 1024;

const byNumber = new Intl.Collator('en', { numeric: true });

/** Natural order: img2 before img10. */
export function compareNames(a: string, b: string): number {
  return byNumber.compare(a, b) || (a < b ? -1 : Number(a > b));
}

/**
 * The images of a folder to which other programs write, so that any file may disappear, be incomplete, or not be an
 * image.
 */
export class ImageFolder {
  readonly path: string;
  readonly #onlyName: string | null;

  /** @param onlyName the only file that is used, regardless of its extension; null for all images. */
  constructor(path: string, onlyName: string | null = null) {
    this.path = path;
    this.#onlyName = onlyName;
  }

  /** Whether a file of this name is an image of the folder. */
  accepts(name: string): boolean {
    return this.#onlyName === null ? IMAGE_NAME.test(name) : name === this.#onlyName;
  }

  /** @throws {GearwayError} `source-unavailable` if the folder does not exist. */
  async check(): Promise<void> {
    const found = await stat(this.path).catch((error: unknown) => {
      throw this.#unavailable(error);
    });
    if (!found.isDirectory()) {
      const text = `${this.path} is not a folder, expected a folder with images; for a video file use ffmpeg:${this.path}`;
      throw new GearwayError('source-unavailable', text);
    }
    if (this.#onlyName === null) return;
    const only = join(this.path, this.#onlyName);
    const isFolder = await stat(only).then(
      (each) => each.isDirectory(),
      () => false,
    );
    if (isFolder)
      throw new GearwayError(
        'source-unavailable',
        `${only} is a folder, expected an image file; for the images of a folder use directory:${only}?watch=true`,
      );
  }

  /** The names of the folder's images, unordered. @throws {GearwayError} `source-unavailable`. */
  async list(): Promise<readonly string[]> {
    const names: string[] = [];
    try {
      if (this.#onlyName !== null) {
        await stat(this.path);
        return [this.#onlyName];
      }
      // Names are read in batches: reading all of them at once would block other streams for up to 100 ms.
      for await (const { name } of await opendir(this.path, { bufferSize: LISTED_AT_ONCE }))
        if (this.accepts(name)) names.push(name);
    } catch (error) {
      throw this.#unavailable(error);
    }
    return names;
  }

  /** Identifies the folder at the path, so that a recreated folder can be detected. Null if there is none. */
  async identify(): Promise<string | null> {
    const found = await stat(this.path).catch(() => null);
    // Not only the inode number, which may be reused.
    return found?.isDirectory() === true ? [found.dev, found.ino, found.birthtimeMs].join() : null;
  }

  /** Reads the state of a file. @returns null if it does not exist, or is not a file. */
  async inspect(name: string): Promise<FileState | null> {
    const path = join(this.path, name);
    const own = await lstat(path).catch(() => null);
    const found = own?.isSymbolicLink() === true ? await stat(path).catch(() => null) : own;
    if (own === null || found === null || !found.isFile()) return null;
    // A link that points to another file counts as changed.
    return {
      name,
      writtenMs: found.mtimeMs,
      changedMs: Math.max(own.ctimeMs, found.ctimeMs),
      version: versionOf(found),
    };
  }

  /**
   * Reads and decodes a file. Follows links only within the folder: otherwise anyone with write access to it could
   * publish any file that the gateway can read.
   *
   * @throws {GearwayError} `image-unreadable`, `image-changing`, `too-large`, and the errors of {@link readImage}, with
   * the file's name.
   */
  async read(name: string): Promise<ReadImage> {
    try {
      const { bytes, found } = await this.#readBytes(name);
      return { picture: await readImage(bytes), changedMs: found.ctimeMs, version: versionOf(found) };
    } catch (error) {
      throw new GearwayError(
        error instanceof GearwayError ? error.code : 'image-unreadable',
        `${name}: ${errorText(error)}`,
        { cause: error },
      );
    }
  }

  async #readBytes(name: string): Promise<{ readonly bytes: Buffer; readonly found: Stats }> {
    const folder = await realpath(this.path);
    const path = await realpath(join(this.path, name));
    if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
      throw new GearwayError('image-unreadable', 'it is a link to a file outside of the folder');
    }
    // O_NONBLOCK because opening a pipe would wait for a writer, O_NOFOLLOW because the file may have been replaced by
    // a link.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const before = await file.stat();
      if (!before.isFile()) throw new GearwayError('image-unreadable', 'it is not a file');
      const limit = FRAME_LIMITS.payloadBytes;
      if (before.size > limit)
        throw new GearwayError('too-large', `it has ${before.size} bytes, expected at most ${limit}`);
      const bytes = Buffer.allocUnsafeSlow(before.size);
      let filled = 0;
      for (let read = -1; filled < bytes.byteLength && read !== 0; filled += read)
        read = (await file.read(bytes, filled)).bytesRead;
      const found = await file.stat();
      if (filled !== found.size || found.mtimeMs !== before.mtimeMs) {
        throw new GearwayError('image-changing', 'it was written to while it was being read');
      }
      return { bytes, found };
    } finally {
      await file.close();
    }
  }

  #unavailable(error: unknown): GearwayError {
    return new GearwayError('source-unavailable', `the folder ${this.path} cannot be read: ${errorText(error)}`, {
      cause: error,
    });
  }
}

function versionOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [ino, size, mtimeMs, ctimeMs].join();
}
