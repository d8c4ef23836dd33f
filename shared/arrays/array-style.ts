import type { SampleRange } from '../eight-bit.ts';
import { GearwayError } from '../errors.ts';
import type { SampleType } from '../ndarray.ts';
import { colormapOf, type PackedColor, parseColor, quoted } from './colormaps.ts';

/**
 * How arrays are shown, in the notation of attributes and query parameters. An absent or empty string means the
 * default.
 */
export interface ArrayStyleTexts {
  /** `auto`, `type`, or two numbers, `400,6000`. */
  readonly range?: string;
  /** See {@link colormapOf}. */
  readonly colormap?: string;
  /** Whether the lowest value gets the last colour. */
  readonly invert?: boolean;
  /** The value that means "not measured": a number, or `none`. */
  readonly noData?: string;
  readonly nanColor?: string;
  readonly belowColor?: string;
  readonly aboveColor?: string;
  /** `bgr` or `rgb`. */
  readonly channelOrder?: string;
}

/**
 * How arrays are shown. Colours, `noData` and `colormap` apply to arrays of one channel, and `channelOrder` to arrays
 * of three or four channels.
 */
export interface ArrayStyle {
  /** `default`: `auto` for one channel of 16 or more bits, otherwise `type`. */
  readonly range: 'default' | 'auto' | 'type' | SampleRange;
  readonly colormap: Uint32Array;
  readonly invert: boolean;
  /** `default`: 0 for unsigned 16-bit integers, otherwise none. */
  readonly noData: 'default' | 'none' | number;
  readonly nanColor: PackedColor;
  /** null: the first colour. */
  readonly belowColor: PackedColor | null;
  /** null: the last colour. */
  readonly aboveColor: PackedColor | null;
  readonly channelOrder: 'bgr' | 'rgb';
}

/** Colour of pixels without a measurement. */
export const NO_DATA_COLOR: PackedColor = 0;

/**
 * Parses a style.
 *
 * @throws {GearwayError} `style-invalid`.
 */
export function parseArrayStyle(texts: ArrayStyleTexts): ArrayStyle {
  const {
    range = '',
    colormap = '',
    invert = false,
    noData = '',
    nanColor = '',
    belowColor = '',
    aboveColor = '',
    channelOrder = '',
  } = texts;
  const order = channelOrder === '' ? 'bgr' : channelOrder;
  if (order !== 'bgr' && order !== 'rgb')
    throw new GearwayError('style-invalid', `the channel order is ${quoted(channelOrder)}, expected bgr or rgb`);
  return {
    range: parseRange(range),
    colormap: colormapOf(colormap === '' ? 'gray' : colormap),
    invert,
    noData: parseNoData(noData),
    nanColor: nanColor === '' ? NO_DATA_COLOR : parseColor(nanColor, 'the colour of NaN'),
    belowColor: belowColor === '' ? null : parseColor(belowColor, 'the colour below the range'),
    aboveColor: aboveColor === '' ? null : parseColor(aboveColor, 'the colour above the range'),
    channelOrder: order,
  };
}

function parseRange(text: string): ArrayStyle['range'] {
  const name = text.trim();
  if (name === '') return 'default';
  if (name === 'auto' || name === 'type') return name;
  const parts = name.split(',');
  const [low, high] = parts.map(parseNumber);
  if (parts.length !== 2 || low === undefined || high === undefined || low >= high) {
    throw new GearwayError(
      'style-invalid',
      `range is ${quoted(text)}, expected auto, type, or two increasing numbers such as "400,6000"`,
    );
  }
  return { low, high };
}

function parseNoData(text: string): ArrayStyle['noData'] {
  const name = text.trim();
  if (name === '') return 'default';
  if (name === 'none') return name;
  const value = parseNumber(name);
  if (value === undefined)
    throw new GearwayError(
      'style-invalid',
      `the value without a measurement is ${quoted(text)}, expected a number or none`,
    );
  return value;
}

/** Parses a finite decimal number; undefined if the string is not one. */
function parseNumber(text: string): number | undefined {
  const trimmed = text.trim();
  // Each digit can match in only one way: otherwise, checking a long string that is not a number would take seconds.
  if (!/^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?$/i.test(trimmed)) return undefined;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : undefined;
}

/**
 * The value of pixels without a measurement in arrays of this type; null for none. By default, it is 0 in arrays of
 * unsigned 16-bit integers, as in depth pictures (ROS REP 118). In floats, NaN has this meaning, and has a separate
 * colour.
 */
export function noDataOf({ noData }: Pick<ArrayStyle, 'noData'>, type: SampleType, channels: number): number | null {
  if (channels !== 1 || noData === 'none') return null;
  if (noData !== 'default') return noData;
  return type.kind === 'uint' && type.bytes === 2 ? 0 : null;
}

/**
 * Whether the range follows the values. Default: yes for one channel of 16 or more bits, which rarely use the full range
 * of their type.
 */
export function usesAutoRange({ range }: Pick<ArrayStyle, 'range'>, type: SampleType, channels: number): boolean {
  return range === 'auto' || (range === 'default' && channels === 1 && type.bytes >= 2);
}
