import { type ArrayStyleTexts, parseArrayStyle } from '../../shared/arrays/array-style.ts';
import { errorText } from '../../shared/errors.ts';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import type { Scaling } from '../clients/scaled-pictures.ts';

/** Result of parsing a query parameter. */
export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** A query parameter in Fastify: a list if it is repeated. */
type QueryText = string | readonly string[] | undefined;

/** Parses `?width=`, in pixels; null if it is absent. */
export function readWidth(text: QueryText): Read<number | null> {
  if (text === undefined) return { ok: true, value: null };
  const { side } = FRAME_LIMITS;
  const value = readQueryNumber(text, /^\d{1,5}$/, 1, side);
  if (value !== undefined) return { ok: true, value };
  return {
    ok: false,
    message: `width is ${JSON.stringify(text)}, expected a whole number of pixels from 1 to ${side}`,
  };
}

/** Parses `?quality=` of a JPEG; null if it is absent. */
function readQuality(text: QueryText): Read<number | null> {
  if (text === undefined) return { ok: true, value: null };
  const value = readQueryNumber(text, /^\d{1,3}$/, 1, 100);
  if (value !== undefined) return { ok: true, value };
  return { ok: false, message: `quality is ${JSON.stringify(text)}, expected a whole number from 1 to 100` };
}

/** @returns undefined if the text does not match `pattern`, or the number is out of range. */
export function readQueryNumber(
  text: string | readonly string[],
  pattern: RegExp,
  from: number,
  to: number,
): number | undefined {
  if (typeof text !== 'string' || !pattern.test(text)) return undefined;
  const number = Number(text);
  return number >= from && number <= to ? number : undefined;
}

/** Parses a boolean; undefined if it is neither true nor false. */
export function readQueryFlag(text: string | string[]): boolean | undefined {
  if (text === 'true') return true;
  return text === 'false' ? false : undefined;
}

/** The query of a request for a picture. */
export type Query = Readonly<Record<string, string | string[] | undefined>>;

/** Parses how a picture is scaled, compressed, and, if it is an array, shown. */
export function readScaling(query: Query): Read<Required<Scaling>> {
  const width = readWidth(query['width']);
  if (!width.ok) return width;
  const quality = readQuality(query['quality']);
  if (!quality.ok) return quality;
  const style = readArrayStyle(query);
  return style.ok ? { ok: true, value: { width: width.value, quality: quality.value, style: style.value } } : style;
}

/** Query parameters of {@link readArrayStyle}, by the texts of a style. */
const STYLE_PARAMETERS = [
  'range',
  'colormap',
  'noData',
  'nanColor',
  'belowColor',
  'aboveColor',
  'channelOrder',
] as const;

/**
 * Parses how arrays are shown: `?range=400,6000&colormap=turbo&invert=true`. An empty style if there is no such
 * parameter.
 */
function readArrayStyle(query: Query): Read<ArrayStyleTexts> {
  const texts: Record<string, string | boolean> = {};
  for (const name of STYLE_PARAMETERS) {
    const text = query[name];
    if (Array.isArray(text)) return { ok: false, message: `${name} is given ${text.length} times, expected once` };
    if (text !== undefined && text !== '') texts[name] = text;
  }
  const { invert } = query;
  if (invert !== undefined) {
    const flag = readQueryFlag(invert);
    if (flag === undefined)
      return { ok: false, message: `invert is ${JSON.stringify(invert)}, expected true or false` };
    if (flag) texts['invert'] = true;
  }
  try {
    parseArrayStyle(texts);
    return { ok: true, value: texts };
  } catch (error) {
    return { ok: false, message: errorText(error) };
  }
}
