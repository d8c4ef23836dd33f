import { GearwayError } from '../errors.ts';

/** Name of a built-in colormap. */
type ColormapName = 'gray' | 'turbo' | 'viridis' | 'inferno' | 'magma' | 'jet';

export const COLORMAP_NAMES: readonly ColormapName[] = ['gray', 'turbo', 'viridis', 'inferno', 'magma', 'jet'];

/** Number of colours of every colormap. */
export const COLORS = 256;

/** Maximum number of colours of a custom table. */
const MAX_CUSTOM_COLORS = COLORS;

/** A colour as a pixel in memory on a little-endian machine: red in the lowest byte, alpha in the highest. */
export type PackedColor = number;

/** Quotes a string for an error message, and truncates it if it is long. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}

/** Packs a colour of 8 bits per channel. */
export function packColor(red: number, green: number, blue: number, alpha = 255): PackedColor {
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** Swaps red and blue, for receivers that expect BGRA. */
export function swapRedAndBlue(color: PackedColor): PackedColor {
  return ((color & 0xff00ff00) | ((color & 0xff) << 16) | ((color >>> 16) & 0xff)) >>> 0;
}

/**
 * Colours from the lowest to the highest value.
 *
 * @param text a name, or a custom table: 2 to 256 colours `#rgb`, `#rrggbb` or `#rrggbbaa`, separated by commas. The
 * colours are spread evenly and interpolated linearly.
 * @throws {GearwayError} `style-invalid`.
 */
export function colormapOf(text: string): Uint32Array {
  const name = text.trim().toLowerCase();
  if (name === 'gray') return Uint32Array.from({ length: COLORS }, (_, level) => packColor(level, level, level));
  const table = Object.hasOwn(TABLES, name) ? TABLES[name] : undefined;
  if (table !== undefined) return readTable(table);
  const colors = text.split(',').map((color) => color.trim());
  if (colors.length < 2 || colors.length > MAX_CUSTOM_COLORS) {
    const found = colors.length < 2 ? quoted(text) : `a table of ${colors.length} colours`;
    throw new GearwayError(
      'style-invalid',
      `colormap is ${found}, expected ${COLORMAP_NAMES.join(', ')}, or 2 to ${MAX_CUSTOM_COLORS} colours such as "#000,#ff0000,#fff"`,
    );
  }
  return interpolate(colors.map((color) => parseColor(color, 'colormap')));
}

/**
 * Parses a colour in CSS's hexadecimal notation, with or without `#`, or `transparent`.
 *
 * @param what name of the setting, for the error.
 * @throws {GearwayError} `style-invalid`.
 */
export function parseColor(text: string, what: string): PackedColor {
  const color = text.trim().toLowerCase();
  if (color === 'transparent') return 0;
  const [, digits] = /^#?([\da-f]{3}|[\da-f]{6}|[\da-f]{8})$/.exec(color) ?? [];
  if (digits === undefined)
    throw new GearwayError(
      'style-invalid',
      `${what} has the colour ${quoted(text)}, expected #rgb, #rrggbb, #rrggbbaa or transparent`,
    );
  const full = digits.length === 3 ? digits.replaceAll(/./g, '$&$&') : digits;
  const [red = 0, green = 0, blue = 0, alpha = 255] = (full.match(/../g) ?? []).map((hex) => Number.parseInt(hex, 16));
  // A transparent pixel has no colour, so that PNG and canvas both contain zeros.
  return alpha === 0 ? 0 : packColor(red, green, blue, alpha);
}

function interpolate(colors: readonly PackedColor[]): Uint32Array {
  return Uint32Array.from({ length: COLORS }, (_, index) => {
    const position = (index / (COLORS - 1)) * (colors.length - 1);
    const before = Math.min(Math.floor(position), colors.length - 2);
    const [from = 0, to = 0] = [colors[before], colors[before + 1]];
    const channel = (shift: number): number => {
      const start = (from >>> shift) & 0xff;
      return Math.round(start + (((to >>> shift) & 0xff) - start) * (position - before));
    };
    return packColor(channel(0), channel(8), channel(16), channel(24));
  });
}

/**
 * A table of colours: the first colour, and the steps from each colour to the next, channel by channel: `F` is 0, `G`
 * 1, `E` -1.
 */
interface Table {
  readonly start: readonly number[];
  readonly steps: string;
}

const ZERO_STEP = 'F'.charCodeAt(0);

function readTable({ start, steps }: Table): Uint32Array {
  const levels = start.map((first, channel) => {
    let level = first;
    const from = channel * (COLORS - 1);
    return [
      first,
      ...Array.from({ length: COLORS - 1 }, (_, step) => (level += steps.charCodeAt(from + step) - ZERO_STEP)),
    ];
  });
  return Uint32Array.from({ length: COLORS }, (_, index) =>
    packColor(levels[0]?.[index] ?? 0, levels[1]?.[index] ?? 0, levels[2]?.[index] ?? 0),
  );
}

/** The colours of OpenCV's `applyColorMap`. All tables except jet are the same in Matplotlib. */
const TABLES: Readonly<Record<string, Table>> = {
  turbo: {
    start: [48, 18, 59],
    steps:
      'HGGGGGGGGGGGGGFGGFGFGGFFGFFGFFFFGFFFFFEFFFFEFEEEEEDEDEDEDDDDEDDDEDDEDEEDEEFEEFFFFFGFGHGHGHIHIHIIIIJIJIJJJIJJJJJJJJJJIJJIJIJIIIHIIHIIHIIHIHIHIHIHIHHIHHHHHHHHHHGHGHGHGGGGGGGFGFGFGFFFFFFFFFEFEFEFEEFEEEEEEEEEEDEEEDEDEDEDDEDDDDDDDDDDCDDCDCDCDCCCDCCCCCCCBCCCBCBIIIIIIIIIHIIIIIHIIIHIIIHIIHIIHIHIIHIHIHIHIHIHIHIHIHIHIHIIHHIHIHIHHIHHHHHIHHGHHHHGHHGGHGHGGGHGGGGGGGGGGFGGFGGFGFGFFFGFFFFFFEFFEFEFEFEEEEEEEEDEEDEDEDDEDDEDDDDDDDDDDDDDDDCDDDDCDCDCDCCCCDCCCCCCCCCCCCCCCCCCCCDCCDCDCDDDDDDDDDDDDDDDDEDDEDDEDEDEDEEDEEDEEEDEEEEEEENMMMMMMLLMLKLLKLKKKJKKJJJJJIJIIIIIHIHHHHHHGGGGFGFFEFEEEEDEDEDDDCDDCDCDCDCCDCCDCCDCDDCDDCCDCCCCCCBCCBCCBCCBCBCCCBCCCCCDCCDDCDDEDEDEEEEFEFEFFFFFFFFGFFGFGFFGFGFFGFFFFFFFFEFFEEEFEEEEEEEDEEEEDEEDEEDEEEDEEEDEEEEEEEEEFEEFEEFEFEFEFFEFFEFFEFFFFEFFFFFFFFFFFFFGFFFFG',
  },
  viridis: {
    start: [68, 1, 84],
    steps:
      'FGFGFFFGFFFFGFFFFFFFFFFFFFFFFEFFFFEFFFEFFEFFEFEFFEFEFEFEFFEFEFEFEFEFEFEFEFEFEFEFEFEFFEFEFEFFEFEFFEFEFFEFFEFEFFEFFEFFEFEFFEFFEFFFEFFEFFFFFFEFFGFFFFFGFGFGFGGGFGGGGGHGGGHGHGHGHGHHGHHHHHHHHHHHHHHHHIHHHIHHIHHIHIHIHIHIHIHIIHIHIIHIIHIIHIIHIIHIIHIIHIHIIHIHIHIHHIHGHGHGHGHGHGHGHGGHGGGHGGHGGGHGGHGGGGHGGGHGGGGHGGGGGHGGGGGGHGGGGGGGGGGHGGGGGGGGGGGGGGGGGGGGGGGGGFGGGGGGGGGGGGGGGGGFGGGGGGGGGGGGGGGGFGGGGGGGGGGGGGGGFGGGGGGGGGGGGFGGGGGGGGGFGGGGGGFGGGGGFGGGGFGGGFGGGFGGFGGGFGFGGFGGFGFGFGFGFGFGFGFGFGFFGFFGFGFFGFFGFFGFFGFFFGFFGFHGHGHGGHGHGGHGGGHGGGGGHGGGGGGGFGGGGFGGGFGGFGFGFGFGFGFFGFFGFFFGFFFGFFFFFGFFFFFFFFGFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFEFFFFEFFFEFFEFFEFFEFEFEFFEEFEFEFEEFEEEFEEEFEEEEEEEEEEEEEEEEEEDEEEDEEDEEDEEDEDEDEDDEDEDDEDDEDDEDDDEDDDEDEDDEEDEEEEFEFFGFGGGGGHGHH',
  },
  inferno: {
    start: [0, 0, 4],
    steps:
      'GFFGFFGGFGGGGGGGGGGHGGHGGHGHGHGHHGHHGHHHHGHHHGHHGHHHGHHGHGHHGHGHHGHGHHGHGHHGHGHHGHGHGHHGHGHHGHGHHGHGHGHHGHGHHGHGHGHGHHGHGHGHGHGHGHGGHGHGGHGGHGGHGGGHGGGGHGGGGGGGGGGGGGGFGGGGFGGFGGFGGFGFGFGFFGFFGFFGFFFFGFFFFFFFFFFFEFFFFEFFFEFFEFEFEFEFEFFEFEFFEFFFGFGFGGGHGGHFGFFGFFGFGFGFGGFGFGFGFGFFGFFFFFFFFFEFFFEFFFEFFFFFGFFFGFGFGFGFGFGFGGFGFGGFGFGGFGFGFGGFGFGFGGFGFGFGFGGFGFGFGGFGFGGFGGFGGFGGFGGGFGGGGGFGGGGGGGGGGGGGGHGGGGHGGGHGGHGHGGHGHGHGHGHHGHHGHHGHHGHHHGHHHGHHHHHGHHHHHHHGHHHHHHHHHHHHHHHHGHHHHHHHHHHHHHHHGHHHGHHGHGGHGGGGGHGGHHHHHHHIHHHHIHHIHHIHHIHIHIHHIHHIHHHHHHGHGHGGGGGGGFGGFGFGFFGFFGFFFFFFFFFFFFFFFFFFFEFFFFEFFEFFEFEFFEFEFEFEEFEFEEEFEEFEEEEFEEEEEEEEEEEEEEEEEEEEEEEEEDEEEEEDEEEEEDEEEEDEEEDEEEDEEDEEDEEDEEEDEEDEEEEEFEFFFGFGGGHGHHGHHHHIHHHIHHIHIIHIIIIIIIIJIJIJJJJJJJJKJJJJJJIJI',
  },
  magma: {
    start: [0, 0, 4],
    steps:
      'GFFGFFGFGGGFGGGGGGGGHGGGGGGHGGHGGHGGHGHHGHGHHHGHHGHHHGHHGHHGHHGHGHHGHGHGHGHHGHGHGHGHHGHGHGHGHHGHGHHGHGHHGHGHHGHGHHGHHGHHGHGHHGHHGHHGHGHHGHGHHGHGHGHGHGHGHGGHGGGHGGGGGGGGGGGFGGFGGFGFGFGFFGFFGFFGFFFFGFFFFFGFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFFFEFFFFFFFFFFGFFGFGFGFGFGGFGGFGGFGGFGFGFGFFGFFFFGFFEFFFFFEFFFEFFFFFFGFFFGFGFGFGGFGFGGFGGFGGFGFGGFGGFGFGFGGFGFGFGGFGFGFGFGFGFGFGFGFGGFGFGFGFGFGGFGFGGFGGFGGFGGGGGFGGGGGHGGGGHGGHGGHGHHGHHGHHHGHHHHHHGHHHHHHHHGHHHHHHHHGHHHHHHHGHHHHHHGHHHHHGHHHHHGHHHHHGHHHHHGHHHHGHHHHHGHHHGGHGHHHIHHHHHHHHHHIHHHHIHHIHHIHIHHIHIHIHHIHHHHHHGHHGGHGGGGFGGGFGFGFGFFGFFGFFFFGFFFFFFFFFFGFFFFEFFFFFFFFFFEFFFFEFFFEFFEFFEFEFFEFEFEFEFEEFEEFEEFEEFEEEFEEEEFEEEEFEEFEEFEEFFEFEFFFFFFFFFFGFFGFGFGGFGGGGGGGGGGGGGGHGGGHGGHGGHGHGHGHGHHGHGHHGHHGHHHGHHHHGHHHHHHHGHHH',
  },
  jet: {
    start: [0, 0, 128],
    steps:
      'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFHJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJGFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFCBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJIFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFCBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJIFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBAEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF',
  },
};
