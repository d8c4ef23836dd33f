import { GearwayError } from '../../shared/errors.ts';

/** A source's URL, taken apart. */
export interface SourceUrl {
  /** What is between the scheme and the options, as it was written: a path, a URL, or nothing. */
  readonly target: string;
  readonly options: ReadonlyMap<string, string>;
}

/**
 * Takes `KIND:PLACE?key=value&key=value` apart. The options are what follows the last `?`. A place may have a query of its own
 * (`http://camera/stream?channel=1`): where none of the keys behind the last `?` is ours, they are the place's. A path with a `?`
 * in it is followed by another one: `ffmpeg:what?.mp4?`.
 *
 * @param known the options' names.
 * @throws {GearwayError} `source-invalid` for an option that is not known or comes twice.
 */
export function parseSourceUrl(url: string, known: readonly string[]): SourceUrl {
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
    const help = hasOwnQuery ? `; a query of the address itself comes first: ${kind}:ADDRESS?channel=1?${known[0] ?? ''}=…` : '';
    throw new GearwayError('source-invalid', `${kind}: has the option ${JSON.stringify(first[0])}, expected one of ${known.join(', ')}${help}`);
  }
  const options = new Map(pairs);
  if (options.size !== pairs.length) throw new GearwayError('source-invalid', `${kind}: has an option twice, expected each once`);
  return { target: rest.slice(0, mark), options };
}

/**
 * Reads an option that is `WIDTHxHEIGHT`, pixels.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function readSize(options: ReadonlyMap<string, string>, { min, max }: { readonly min: Size; readonly max: Size }): Size | null {
  const text = options.get('size');
  if (text === undefined) return null;
  const [, width = '', height = ''] = /^(\d{1,5})x(\d{1,5})$/.exec(text) ?? [];
  const size = { width: Number(width), height: Number(height) };
  if (width === '' || size.width < min.width || size.height < min.height || size.width > max.width || size.height > max.height) {
    throw new GearwayError('source-invalid', `size is ${JSON.stringify(text)}, expected WIDTHxHEIGHT from ${min.width}x${min.height} to ${max.width}x${max.height}`);
  }
  return size;
}

/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Reads an option that is a number.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function readNumberOption(options: ReadonlyMap<string, string>, name: string, min: number, max: number): number | null {
  const text = options.get(name);
  if (text === undefined) return null;
  const value = Number(text);
  if (!/^\d{1,7}(?:\.\d{1,6})?$/.test(text) || value < min || value > max) throw new GearwayError('source-invalid', `${name} is ${JSON.stringify(text)}, expected a number from ${min} to ${max}`);
  return value;
}

/**
 * Reads an option that is one of a few words.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function readWord<T extends string>(options: ReadonlyMap<string, string>, name: string, words: readonly T[]): T | null {
  const text = options.get(name);
  if (text === undefined) return null;
  const found = words.find((word) => word === text);
  if (found === undefined) throw new GearwayError('source-invalid', `${name} is ${JSON.stringify(text)}, expected ${words.join(' or ')}`);
  return found;
}

/**
 * Reads `check`: whether JPEGs are decoded once before a NetGear client gets them.
 *
 * @returns `byDefault` when it is absent.
 * @throws {GearwayError} `source-invalid`.
 */
export function readCheck(options: ReadonlyMap<string, string>, byDefault = true): boolean {
  const word = readWord(options, 'check', ['true', 'false']);
  return word === null ? byDefault : word === 'true';
}

/**
 * Reads an option that is `true` or `false`.
 *
 * @returns false when it is absent.
 * @throws {GearwayError} `source-invalid`.
 */
export function readFlag(options: ReadonlyMap<string, string>, name: string): boolean {
  return readWord(options, name, ['true', 'false']) === 'true';
}
