/**
 * How a stored picture must be transformed to be upright (EXIF 2.3, tag 0x0112): 1 not at all; 2 to 4 mirrored or
 * upside down; 5 to 8 with width and height exchanged.
 */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** Whether width and height are exchanged when the picture is made upright. */
export function exchangesSides(orientation: Orientation): boolean {
  return orientation >= 5;
}

const EXIF = Buffer.from('Exif\0');

/** Length of the identifier, whose last byte is 0 or 0xff. */
const TIFF_OFFSET = 6;

const ORIENTATION_TAG = 0x0112;
const SHORT = 3;
const ENTRY_BYTES = 12;

/**
 * Reads the orientation from the contents of a JPEG's APP1 segment. Like browsers, it reads only the first
 * directory, and accepts only a single 16-bit number, because thumbnails have their own orientation.
 *
 * @returns null if the segment is not EXIF, is malformed, or has no valid orientation.
 */
export function readExifOrientation(segment: Uint8Array): Orientation | null {
  const exif = Buffer.from(segment.buffer, segment.byteOffset, segment.byteLength);
  if (!exif.subarray(0, EXIF.byteLength).equals(EXIF)) return null;
  const tiff = exif.subarray(TIFF_OFFSET);
  const order = tiff.toString('latin1', 0, 4);
  const isLittle = order === 'II*\0';
  if (!isLittle && order !== 'MM\0*') return null;
  const short = (at: number): number =>
    isLittle ? byteAt(tiff, at) + byteAt(tiff, at + 1) * 256 : byteAt(tiff, at) * 256 + byteAt(tiff, at + 1);
  const long = (at: number): number =>
    isLittle ? short(at) + short(at + 2) * 65_536 : short(at) * 65_536 + short(at + 2);
  const directory = long(4);
  const count = short(directory);
  for (
    let at = directory + 2;
    at < directory + 2 + count * ENTRY_BYTES && at + ENTRY_BYTES <= tiff.byteLength;
    at += ENTRY_BYTES
  ) {
    if (short(at) !== ORIENTATION_TAG) continue;
    const value = short(at + 8);
    return short(at + 2) === SHORT && long(at + 4) === 1 && value >= 1 && value <= 8 ? (value as Orientation) : null;
  }
  return null;
}

/** Returns 0 beyond the end; no directory entry is read there. */
function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
