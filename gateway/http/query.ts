import { type ArrayStyleTexts, parseArrayStyle } from '../../shared/arrays/array-style.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import type { Scaling } from '../clients/scaled-pictures.ts';

/** JSON Schema of a number in a query, which is used for checking it and in the API description. */
interface NumberSchema {
  readonly type: 'integer' | 'number';
  readonly minimum: number;
  readonly maximum: number;
}

/** Syntax of the numbers that are accepted in a query, in addition to the limits of their schema. */
const NUMBER_PATTERNS = { integer: /^\d{1,5}$/, number: /^\d{1,3}(?:\.\d{1,3})?$/ };

/** Schemas of the numbers in queries, by parameter. */
export const QUERY_NUMBERS = {
  /** Width in pixels. */
  width: { type: 'integer', minimum: 1, maximum: FRAME_LIMITS.side },
  /** Quality of a JPEG. */
  quality: { type: 'integer', minimum: 1, maximum: 100 },
  /** Maximum rate of MJPEG, in frames per second. */
  fps: { type: 'number', minimum: 0.1, maximum: 120 },
} as const satisfies Record<string, NumberSchema>;

/** The query of a request. A parameter is a list if it is repeated. */
export type Query = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Parses a number; null if it is absent.
 *
 * @throws {GearwayError} `query-invalid`.
 */
export function readQueryNumber(query: Query, name: keyof typeof QUERY_NUMBERS): number | null {
  const text = query[name];
  if (text === undefined) return null;
  const { type, minimum, maximum } = QUERY_NUMBERS[name];
  const number = typeof text === 'string' && NUMBER_PATTERNS[type].test(text) ? Number(text) : NaN;
  if (number >= minimum && number <= maximum) return number;
  throw invalid(name, text, `a${type === 'integer' ? ' whole' : ''} number from ${minimum} to ${maximum}`);
}

/**
 * Parses a boolean; null if it is absent.
 *
 * @throws {GearwayError} `query-invalid`.
 */
export function readQueryFlag(query: Query, name: string): boolean | null {
  const text = query[name];
  if (text === undefined) return null;
  if (text === 'true' || text === 'false') return text === 'true';
  throw invalid(name, text, 'true or false');
}

function invalid(name: string, text: string | readonly string[], expected: string): GearwayError {
  return new GearwayError('query-invalid', `${name} is ${JSON.stringify(text)}, expected ${expected}`);
}

/**
 * Parses how a picture is scaled, compressed, and, if it is an array, shown.
 *
 * @throws {GearwayError} `query-invalid`.
 */
export function readScaling(query: Query): Required<Scaling> {
  return {
    width: readQueryNumber(query, 'width'),
    quality: readQueryNumber(query, 'quality'),
    style: readArrayStyle(query),
  };
}

/** Query parameters of a style. */
const STYLE_PARAMETERS = [
  'range',
  'colormap',
  'invert',
  'noData',
  'nanColor',
  'belowColor',
  'aboveColor',
  'channelOrder',
] as const satisfies readonly (keyof ArrayStyleTexts)[];

/**
 * Parses how arrays are shown: `?range=400,6000&colormap=turbo&invert=true`. An empty style if there is no such
 * parameter.
 */
function readArrayStyle(query: Query): ArrayStyleTexts {
  const texts: Record<string, string | boolean> = {};
  for (const name of STYLE_PARAMETERS) {
    const text = query[name];
    if (name === 'invert') {
      if (readQueryFlag(query, name) === true) texts[name] = true;
    } else if (Array.isArray(text)) {
      throw new GearwayError('query-invalid', `${name} is given ${text.length} times, expected once`);
    } else if (text !== undefined && text !== '') {
      texts[name] = text;
    }
  }
  try {
    parseArrayStyle(texts);
    return texts;
  } catch (error) {
    throw new GearwayError('query-invalid', errorText(error), { cause: error });
  }
}
