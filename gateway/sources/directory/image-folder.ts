import { constants, type Stats } from 'node:fs';
import { lstat, open, opendir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { errorText, GearwayError } from '../../../shared/errors.ts';
import type { Sendable } from '../../netgear/picture.ts';
import { IMAGE_NAME, readImage } from './image-file.ts';

/** A file as it was when it was looked at. */
export interface FileState {
  readonly name: string;
  readonly writtenMs: number;
  /** When it was written, moved here or changed otherwise, by the file system's own clock: what was moved here keeps its time of writing. */
  readonly changedMs: number;
  /** Another whenever the file is. */
  readonly version: string;
}

/** An image, and its file as it was when it was read. */
export interface ReadImage extends Pick<FileState, 'changedMs' | 'version'> {
  readonly picture: Sendable;
}

/** Names that are read in one go. */
const LISTED_AT_ONCE = 1024;

const byNumber = new Intl.Collator('en', { numeric: true });

/** As people count: img2 before img10. */
export function compareNames(a: string, b: string): number {
  return byNumber.compare(a, b) || (a < b ? -1 : Number(a > b));
}

/** The images of a folder, which others write to: nothing in it is trusted to stay, to be whole, or to be an image. */
export class ImageFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** @throws {GearwayError} `source-unavailable` when there is no such folder. */
  async check(): Promise<void> {
    const found = await stat(this.path).catch((error: unknown) => {
      throw this.#unavailable(error);
    });
    if (!found.isDirectory()) throw new GearwayError('source-unavailable', `${this.path} is no folder, expected one with images; a video file is ffmpeg:${this.path}`);
  }

  /** The names of its images, in any order. @throws {GearwayError} `source-unavailable`. */
  async list(): Promise<readonly string[]> {
    const names: string[] = [];
    try {
      // Not all at once, which would hold up other streams for as long as a tenth of a second.
      for await (const { name } of await opendir(this.path, { bufferSize: LISTED_AT_ONCE })) if (IMAGE_NAME.test(name)) names.push(name);
    } catch (error) {
      throw this.#unavailable(error);
    }
    return names;
  }

  /** Which folder is at the path: another one after it was removed and made again. Null when there is none. */
  async identify(): Promise<string | null> {
    const found = await stat(this.path).catch(() => null);
    // The number alone is given to the next one.
    return found?.isDirectory() === true ? [found.dev, found.ino, found.birthtimeMs].join() : null;
  }

  /** @returns null when there is no such file, or it is something else. */
  async look(name: string): Promise<FileState | null> {
    const path = join(this.path, name);
    const own = await lstat(path).catch(() => null);
    const found = own?.isSymbolicLink() === true ? await stat(path).catch(() => null) : own;
    if (own === null || found === null || !found.isFile()) return null;
    // A link that leads to another file now has changed, too.
    return { name, writtenMs: found.mtimeMs, changedMs: Math.max(own.ctimeMs, found.ctimeMs), version: versionOf(found) };
  }

  /**
   * Reads and decodes one. Links are followed within the folder, not out of it: who may write here could else show any file that the
   * gateway can read.
   *
   * @throws {GearwayError} `image-unreadable`, `image-changing`, `too-large`, and what {@link readImage} throws; with the file's name.
   */
  async read(name: string): Promise<ReadImage> {
    try {
      const { bytes, found } = await this.#readBytes(name);
      return { picture: await readImage(bytes), changedMs: found.ctimeMs, version: versionOf(found) };
    } catch (error) {
      throw new GearwayError(error instanceof GearwayError ? error.code : 'image-unreadable', `${name}: ${errorText(error)}`, { cause: error });
    }
  }

  async #readBytes(name: string): Promise<{ readonly bytes: Buffer; readonly found: Stats }> {
    const folder = await realpath(this.path);
    const path = await realpath(join(this.path, name));
    if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) throw new GearwayError('image-unreadable', 'it is a link that leads out of the folder');
    // A pipe would wait for its writer otherwise, and somebody could put a link there just now.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const before = await file.stat();
      if (!before.isFile()) throw new GearwayError('image-unreadable', 'it is no file');
      const limit = FRAME_LIMITS.payloadBytes;
      if (before.size > limit) throw new GearwayError('too-large', `it has ${before.size} bytes, expected at most ${limit}`);
      const bytes = Buffer.allocUnsafeSlow(before.size);
      let filled = 0;
      for (let read = -1; filled < bytes.byteLength && read !== 0; filled += read) read = (await file.read(bytes, filled)).bytesRead;
      const found = await file.stat();
      if (filled !== found.size || found.mtimeMs !== before.mtimeMs) throw new GearwayError('image-changing', 'it was written to while it was read');
      return { bytes, found };
    } finally {
      await file.close();
    }
  }

  #unavailable(error: unknown): GearwayError {
    return new GearwayError('source-unavailable', `the folder ${this.path} cannot be read: ${errorText(error)}`, { cause: error });
  }
}

function versionOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [ino, size, mtimeMs, ctimeMs].join();
}
