import { checkShowable, EightBitConverter, rangeOfType, type SampleRange, subtractionFactor } from '../eight-bit.ts';
import { GearwayError } from '../errors.ts';
import type { Encoding } from '../frame.ts';
import { parseDtype, type SampleType } from '../ndarray.ts';
import { type ArrayStyle, NO_DATA_COLOR, noDataOf, usesAutoRange } from './array-style.ts';
import { AutoRange, measureRange } from './auto-range.ts';
import { COLORS, type PackedColor, swapRedAndBlue } from './colormaps.ts';
import { everyValue, readSamples, SAMPLES_AT_ONCE } from './sample-reader.ts';

/**
 * Adding this number and subtracting it again rounds a position to an integer, with halves rounded to even, because
 * doubles of this size have no fractional part. `Math.round()` rounds halves up.
 */
const ROUNDING = 1.5 * 2 ** 52;

/** Positions in {@link Palette.all}. */
const POSITION = { below: 0, first: 1, above: COLORS + 1, missing: COLORS + 2, nan: COLORS + 3 } as const;
/** The positions themselves, instead of colours. */
const POSITIONS = Uint32Array.from({ length: COLORS + 4 }, (_, position) => position);

/** An array to be shown. */
export interface RenderedArray {
  readonly encoding: Encoding;
  readonly width: number;
  readonly height: number;
  readonly payload: Uint8Array;
}

/** The range of values with which an array is shown. */
interface ShownRange extends SampleRange {
  readonly dtype: string;
  readonly channels: 1 | 3 | 4;
  /** Whether the range follows the values. */
  readonly isAuto: boolean;
}

/**
 * Mapping of the samples of an array to colours, for a renderer that does not use {@link ArrayRenderer.render}. A
 * sample is a value of an array with one channel, or one of the three values of a colour.
 */
export interface SampleMapping {
  readonly type: SampleType;
  readonly channels: 1 | 3 | 4;
  /** The value of samples without a measurement; null for none. */
  readonly noData: number | null;
  readonly nanColor: PackedColor;
  /** Colours by position; shades of gray for arrays with three or four channels. */
  readonly colors: Uint32Array;
  /**
   * Writes the position in `colors` of each sample, except for NaN and samples without a measurement. A larger value
   * never has a lower position.
   *
   * @param samples bytes in the type of the array.
   */
  readonly positions: (samples: Uint8Array, out: Uint32Array) => void;
}

/** Everything that determines the pixels of an array. */
interface Prepared extends ShownRange {
  readonly type: SampleType;
  readonly payload: Uint8Array;
}

/** A range with the colours of its values, by {@link POSITION}. */
interface Mapped extends SampleRange {
  readonly noData: number | null;
  readonly all: Uint32Array;
}

interface Palette {
  /** Colours from the lowest to the highest value. */
  readonly colors: Uint32Array;
  /** The same colours, followed by those of the special values, at the indexes of {@link POSITION}. */
  readonly all: Uint32Array;
}

/**
 * Converts arrays to pixels, in the gateway (MJPEG, snapshots) and in the browser: the same frame with the same
 * style and range has the same pixels. Values between the ends of the range get the nearest of 256 colours, rounded
 * half to even; values outside get the first or last one, unless the style has colours for them.
 */
export class ArrayRenderer {
  readonly #isSwapped: boolean;
  readonly #autoRange = new AutoRange();
  readonly #values = new Float64Array(SAMPLES_AT_ONCE);
  readonly #indices = new Uint8ClampedArray(SAMPLES_AT_ONCE * 4);
  #style: ArrayStyle;
  #palette: Palette;
  #prepared: Prepared | null = null;
  /** Type, channels and no-data value of the last array: the automatic range starts over when they change. */
  #kind = '';
  /**
   * For one channel of one or two bytes: the pixel of every possible value, by its bytes read as a little-endian
   * integer.
   */
  #table: { readonly key: string; readonly pixels: Uint32Array } = { key: '', pixels: new Uint32Array(0) };
  #converter: { readonly key: string; readonly converter: EightBitConverter } | null = null;
  #mapping: { readonly key: string; readonly mapping: SampleMapping } | null = null;
  #styleNumber = 0;

  /** @param order order of the pixels' channels in memory. */
  constructor(style: ArrayStyle, order: 'rgba' | 'bgra' = 'rgba') {
    this.#style = style;
    this.#isSwapped = order === 'bgra';
    this.#palette = this.#createPalette();
  }

  get style(): ArrayStyle {
    return this.#style;
  }

  /** Sets the style. The automatic range is kept. */
  set style(style: ArrayStyle) {
    this.#style = style;
    this.#styleNumber += 1;
    this.#palette = this.#createPalette();
  }

  /** The colours from the lowest to the highest value, in the order of the pixels. */
  get colors(): Uint32Array {
    return this.#palette.colors;
  }

  /** Whether all pixels of arrays with one channel are gray or transparent. */
  get isGray(): boolean {
    return this.#palette.all.every(
      (color) => (color & 0xff) === ((color >>> 8) & 0xff) && (color & 0xff) === ((color >>> 16) & 0xff),
    );
  }

  /**
   * Sets the array to be rendered, and determines its range. The payload is borrowed until the next call.
   *
   * @param isNext whether the array is the next one of the same stream: the automatic range then follows its values.
   * Otherwise, the range of the last array is used.
   * @throws {GearwayError} `dtype-unsupported`, `channels-unsupported`, `frame-encoded` for a JPEG, `array-misfit`.
   */
  prepare({ encoding, width, height, payload }: RenderedArray, isNext = true): ShownRange {
    const channels = checkShowable(encoding);
    const type = encoding.kind === 'jpeg' ? undefined : parseDtype(encoding.dtype);
    if (type === undefined) throw new GearwayError('dtype-unsupported', 'the array has no type that can be shown');
    const expected = width * height * channels * type.bytes;
    if (payload.byteLength !== expected)
      throw new GearwayError(
        'array-misfit',
        `the frame has ${payload.byteLength} bytes of samples, expected ${expected}`,
      );
    const isAuto = usesAutoRange(this.#style, type, channels);
    let range: SampleRange = typeof this.#style.range === 'object' ? this.#style.range : rangeOfType(type);
    if (isAuto) {
      const noData = noDataOf(this.#style, type, channels);
      const kind = `${type.name} ${channels} ${noData}`;
      if (kind !== this.#kind) this.#autoRange.reset();
      this.#kind = kind;
      if (isNext || this.#autoRange.range === null)
        this.#autoRange.update(measureRange({ type, width, height, channels, bytes: payload, noData }));
      range = this.#autoRange.range ?? range;
    }
    this.#prepared = { ...range, dtype: type.name, type, channels, isAuto, payload };
    const { low, high } = range;
    return { low, high, dtype: type.name, channels, isAuto };
  }

  /** Discards the automatic range, because the next array does not follow the last one. */
  reset(): void {
    this.#autoRange.reset();
  }

  /**
   * Writes the pixels `from` (inclusive) to `to` (exclusive) of the last array.
   *
   * @param out receives the packed pixels, from its beginning.
   */
  render(from: number, to: number, out: Uint32Array): void {
    const prepared = this.#prepared;
    if (prepared === null) return;
    if (prepared.channels > 1) this.#renderColors(prepared, from, to, out);
    else if (prepared.type.bytes > 2) this.#renderWide(prepared, from, to, out);
    else this.#renderNarrow(prepared, from, to, out);
  }

  /** Returns the table for one channel of one or two bytes, see `#table`; null for other arrays. */
  get table(): Uint32Array | null {
    const prepared = this.#prepared;
    if (prepared === null || prepared.channels > 1 || prepared.type.bytes > 2) return null;
    const { low, high, type } = prepared;
    const key = `${this.#styleNumber} ${type.name} ${low} ${high}`;
    if (this.#table.key !== key) {
      const values = everyValue(type);
      const pixels = new Uint32Array(values.length);
      this.#map(this.#colored(prepared), values, values.length, pixels, 0);
      this.#table = { key, pixels };
    }
    return this.#table.pixels;
  }

  /**
   * Mapping of the samples of the last array to colours: the same object for arrays that differ only in their samples.
   */
  get mapping(): SampleMapping | null {
    const prepared = this.#prepared;
    if (prepared === null) return null;
    const { dtype, channels, low, high } = prepared;
    const key = `${this.#styleNumber} ${dtype} ${channels} ${low} ${high}`;
    if (this.#mapping?.key !== key) this.#mapping = { key, mapping: this.#createMapping(prepared) };
    return this.#mapping.mapping;
  }

  #createMapping({ type, channels, low, high }: Prepared): SampleMapping {
    if (channels > 1) {
      const converter = this.#converterOf(type.name, { low, high });
      const shades = Uint32Array.from({ length: COLORS }, (_, gray) => (0xff000000 | (gray * 0x010101)) >>> 0);
      const colors = this.#style.invert ? shades.toReversed() : shades;
      return {
        type,
        channels,
        noData: null,
        nanColor: colors[0] as number,
        colors,
        positions: (samples, out) => {
          const grays = new Uint8ClampedArray(out.length);
          converter.convert(samples, 0, out.length, grays);
          out.set(grays);
        },
      };
    }
    return {
      type,
      channels,
      noData: noDataOf(this.#style, type, channels),
      nanColor: this.#palette.all[POSITION.nan] as number,
      colors: this.#palette.all.slice(0, POSITION.above + 1),
      positions: (samples, out) => {
        const values = new Float64Array(out.length);
        readSamples(type, samples, 0, out.length, values);
        this.#map({ low, high, noData: null, all: POSITIONS }, values, out.length, out, 0);
      },
    };
  }

  #renderNarrow({ payload, type }: Prepared, from: number, to: number, out: Uint32Array): void {
    const table = this.table ?? new Uint32Array(0);
    if (type.bytes === 1) {
      for (let at = from; at < to; at += 1) out[at - from] = table[payload[at] ?? 0] ?? 0;
    } else if (payload.byteOffset % 2 === 0) {
      const samples = new Uint16Array(payload.buffer, payload.byteOffset, payload.byteLength / 2);
      for (let at = from; at < to; at += 1) out[at - from] = table[samples[at] ?? 0] ?? 0;
    } else {
      for (let at = from; at < to; at += 1)
        out[at - from] = table[(payload[2 * at] ?? 0) | ((payload[2 * at + 1] ?? 0) << 8)] ?? 0;
    }
  }

  #renderWide(prepared: Prepared, from: number, to: number, out: Uint32Array): void {
    const mapped = this.#colored(prepared);
    for (let at = from; at < to; at += SAMPLES_AT_ONCE) {
      const count = Math.min(SAMPLES_AT_ONCE, to - at);
      readSamples(prepared.type, prepared.payload, at, count, this.#values);
      this.#map(mapped, this.#values, count, out, at - from);
    }
  }

  /** The last array with the colours of the style. */
  #colored({ low, high, type, channels }: Prepared): Mapped {
    return { low, high, noData: noDataOf(this.#style, type, channels), all: this.#palette.all };
  }

  /** Converts values of one channel to pixels. */
  #map(
    { low, high, noData: missingValue, all }: Mapped,
    values: Float64Array,
    count: number,
    out: Uint32Array,
    outAt: number,
  ): void {
    const noData = missingValue ?? NaN;
    const factor = subtractionFactor({ low, high });
    const start = low * factor;
    const extent = high > low ? high * factor - start : 1;
    const { below, first, above, missing, nan } = POSITION;
    const [steps, toInteger, toPosition] = [COLORS - 1, ROUNDING, ROUNDING - first] as const;
    // A single loop, in which rare cases overwrite the usual result, takes half as long as one with branches.
    for (let at = 0; at < count; at += 1) {
      const value = values[at] as number;
      let position = (((value * factor - start) / extent) * steps + toInteger - toPosition) | 0;
      if (!(value >= low)) position = value < low ? below : nan;
      if (value > high) position = above;
      if (value === noData) position = missing;
      out[outAt + at] = all[position] as number;
    }
  }

  /** Converts three and four channels. Alpha is ignored, and NaN is black. */
  #renderColors({ dtype, low, high, channels, payload }: Prepared, from: number, to: number, out: Uint32Array): void {
    const { channelOrder, invert } = this.#style;
    const converter = this.#converterOf(dtype, { low, high });
    // Position of the channel that is lowest in the packed pixel.
    const first = (channelOrder === 'rgb') === this.#isSwapped ? 2 : 0;
    const last = 2 - first;
    const flip = invert ? 0x00ffffff : 0;
    const samples = this.#indices;
    for (let pixel = from; pixel < to; pixel += SAMPLES_AT_ONCE) {
      const count = Math.min(SAMPLES_AT_ONCE, to - pixel);
      converter.convert(payload, pixel * channels, (pixel + count) * channels, samples);
      for (let at = 0, sample = 0; at < count; at += 1, sample += channels) {
        const packed =
          ((samples[sample + last] ?? 0) << 16) | ((samples[sample + 1] ?? 0) << 8) | (samples[sample + first] ?? 0);
        out[pixel - from + at] = ((packed ^ flip) | 0xff000000) >>> 0;
      }
    }
  }

  #converterOf(dtype: string, range: SampleRange): EightBitConverter {
    const key = `${dtype} ${range.low} ${range.high}`;
    if (this.#converter?.key !== key) this.#converter = { key, converter: new EightBitConverter(dtype, range) };
    return this.#converter.converter;
  }

  #createPalette(): Palette {
    const { colormap, invert, belowColor, aboveColor, nanColor } = this.#style;
    const inOrder = (color: PackedColor): PackedColor => (this.#isSwapped ? swapRedAndBlue(color) : color);
    const colors = (invert ? colormap.toReversed() : colormap).map(inOrder);
    const all = new Uint32Array(COLORS + 4);
    all.set(colors, POSITION.first);
    all[POSITION.below] = belowColor === null ? (colors[0] ?? 0) : inOrder(belowColor);
    all[POSITION.above] = aboveColor === null ? (colors[COLORS - 1] ?? 0) : inOrder(aboveColor);
    all[POSITION.missing] = NO_DATA_COLOR;
    all[POSITION.nan] = inOrder(nanColor);
    return { colors, all };
  }
}
