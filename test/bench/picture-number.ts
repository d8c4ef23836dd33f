/** A frame's number in the picture's middle, as bench_picture.py describes it. */
const BITS = 12;
const COLUMNS = 16;

/** Number of different numbers; after the last one, they start over. */
export const NUMBERS = 1 << BITS;

/**
 * Values below this limit are a black block, values above 255 minus this limit a white one. Other values do not belong
 * to a block, or to a mix of two pictures.
 */
const BLACK = 80;

interface Block {
  readonly bit: number;
  readonly left: number;
  readonly top: number;
  readonly size: number;
  /** The second row, where 1 is black. */
  readonly inverted: boolean;
}

function blocks(width: number, height: number): Block[] {
  const size = width / COLUMNS;
  return Array.from({ length: BITS }, (_, index) => index).flatMap((index) =>
    [false, true].map((inverted) => ({
      bit: BITS - 1 - index,
      left: (2 + index) * size,
      top: height / 2 - (inverted ? 0 : size),
      size,
      inverted,
    })),
  );
}

/** Burns the number into BGR samples. */
export function burnNumber(samples: Uint8Array, width: number, height: number, number: number): void {
  for (const { bit, left, top, size, inverted } of blocks(width, height)) {
    const value = ((number >> bit) & 1) === (inverted ? 0 : 1) ? 255 : 0;
    for (let y = top; y < top + size; y += 1)
      samples.fill(value, (y * width + left) * 3, (y * width + left + size) * 3);
  }
}

/** Reads the number from gray samples of the whole picture at any size. @returns null if there is none. */
export function readNumber(gray: Uint8Array, width: number, height: number): number | null {
  let number = 0;
  for (const { bit, left, top, size, inverted } of blocks(width, height)) {
    const value = gray[Math.floor(top + size / 2) * width + Math.floor(left + size / 2)] ?? 128;
    if (value > BLACK && value < 255 - BLACK) return null;
    const isOne = value > 128 !== inverted;
    if (!inverted) number |= isOne ? 1 << bit : 0;
    else if (isOne !== (((number >> bit) & 1) === 1)) return null;
  }
  return number;
}
