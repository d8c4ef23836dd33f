import { GearwayError } from '../../shared/errors.ts';

/** Maximum length of a source URL, in UTF-16 code units. The work of hiding its secrets grows with it. */
export const MAX_SOURCE_URL_LENGTH = 8192;

/** A parsed source URL. */
export interface SourceUrl {
  /** The text between the scheme and the options, unmodified: a path, a URL, or nothing. */
  readonly target: string;
  readonly options: ReadonlyMap<string, string>;
}

/**
 * Parses `KIND:TARGET?key=value&key=value`. The options follow the last `?`. A URL as target may have its own query
 * (`http://camera/stream?channel=1`): if none of the keys after the last `?` is known, they belong to the target. A
 * path that contains a `?` needs another one at its end: `ffmpeg:what?.mp4?`.
 *
 * @param known names of the options.
 * @throws {GearwayError} `source-invalid` for an unknown or repeated option, or a URL that is too long.
 */
export function parseSourceUrl(url: string, known: readonly string[]): SourceUrl {
  if (url.length > MAX_SOURCE_URL_LENGTH) {
    throw new GearwayError(
      'source-invalid',
      `the source URL has ${url.length} characters, expected at most ${MAX_SOURCE_URL_LENGTH}`,
    );
  }
  const colon = url.indexOf(':');
  const kind = url.slice(0, colon);
  const rest = url.slice(colon + 1);
  const mark = rest.lastIndexOf('?');
  if (mark < 0) return { target: rest, options: new Map() };
  const pairs = [...new URLSearchParams(rest.slice(mark + 1))];
  const unknown = pairs.filter(([key]) => !known.includes(key));
  const hasOwnQuery = /^[a-z][a-z0-9+.-]*:\/\//i.test(rest);
  if (hasOwnQuery && pairs.length > 0 && unknown.length === pairs.length) return { target: rest, options: new Map() };
  const [first] = unknown;
  if (first !== undefined) {
    const help = hasOwnQuery
      ? `; to give the address its own query, put it first: ${kind}:ADDRESS?channel=1?${known[0] ?? ''}=…`
      : '';
    throw new GearwayError(
      'source-invalid',
      `${kind}: has the option ${JSON.stringify(first[0])}, expected one of ${known.join(', ')}${help}`,
    );
  }
  const options = new Map(pairs);
  if (options.size !== pairs.length)
    throw new GearwayError('source-invalid', `${kind}: has an option twice, expected unique options`);
  return { target: rest.slice(0, mark), options };
}

/**
 * Parses the option `size`, `WIDTHxHEIGHT` in pixels.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function readSize(
  options: ReadonlyMap<string, string>,
  { min, max }: { readonly min: Size; readonly max: Size },
): Size | null {
  const text = options.get('size');
  if (text === undefined) return null;
  const [, width = '', height = ''] = /^(\d{1,5})x(\d{1,5})$/.exec(text) ?? [];
  const size = { width: Number(width), height: Number(height) };
  if (
    width === '' ||
    size.width < min.width ||
    size.height < min.height ||
    size.width > max.width ||
    size.height > max.height
  ) {
    const expected = `WIDTHxHEIGHT from ${min.width}x${min.height} to ${max.width}x${max.height}`;
    throw new GearwayError('source-invalid', `size is ${JSON.stringify(text)}, expected ${expected}`);
  }
  return size;
}

/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Parses a numeric option.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function readNumberOption(
  options: ReadonlyMap<string, string>,
  name: string,
  min: number,
  max: number,
): number | null {
  const text = options.get(name);
  if (text === undefined) return null;
  const value = Number(text);
  if (!/^\d{1,7}(?:\.\d{1,6})?$/.test(text) || value < min || value > max) {
    throw new GearwayError(
      'source-invalid',
      `${name} is ${JSON.stringify(text)}, expected a number from ${min} to ${max}`,
    );
  }
  return value;
}

/**
 * Parses an option with a fixed set of values.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function readWord<T extends string>(
  options: ReadonlyMap<string, string>,
  name: string,
  words: readonly T[],
): T | null {
  const text = options.get(name);
  if (text === undefined) return null;
  const found = words.find((word) => word === text);
  if (found === undefined)
    throw new GearwayError('source-invalid', `${name} is ${JSON.stringify(text)}, expected ${words.join(' or ')}`);
  return found;
}

/**
 * Parses `check`: whether JPEGs are verified before a NetGear client gets them.
 *
 * @returns `byDefault` if it is absent.
 * @throws {GearwayError} `source-invalid`.
 */
export function readCheck(options: ReadonlyMap<string, string>, byDefault = true): boolean {
  const word = readWord(options, 'check', ['true', 'false']);
  return word === null ? byDefault : word === 'true';
}

/**
 * Parses a boolean option.
 *
 * @returns false if it is absent.
 * @throws {GearwayError} `source-invalid`.
 */
export function readFlag(options: ReadonlyMap<string, string>, name: string): boolean {
  return readWord(options, name, ['true', 'false']) === 'true';
}
