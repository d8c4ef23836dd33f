import { FRAME_LIMITS } from '../../shared/frame.ts';
import { GearwayError } from '../../shared/errors.ts';
import type { NDArray } from '../../shared/ndarray.ts';
import { inTurns, SAMPLES_PER_TURN } from './in-turns.ts';

/** Size of the file header, and minimum size of the picture header (BITMAPINFOHEADER). */
const FILE_HEAD_BYTES = 14;
const INFO_HEAD_BYTES = 40;

/** Values of `compression`: uncompressed samples, without and with masks for the positions of the colours. */
const RGB = 0;
const BITFIELDS = 3;

/** Masks of red, green and blue in a pixel of four bytes: blue, green, red, and an unused byte. */
const BGRX_MASKS = [0x00ff0000, 0x0000ff00, 0x000000ff];

/** Whether bytes begin like a BMP file. */
export function isBmp(bytes: Uint8Array): boolean {
  return bytes[0] === 0x42 && bytes[1] === 0x4d;
}

/**
 * Reads a BMP as OpenCV, Windows and industrial cameras write it: uncompressed, with 8 bits (gray, or colours from a
 * palette), 24 or 32 bits per pixel. Yields to the event loop.
 *
 * @returns gray or BGR.
 * @throws {GearwayError} `image-invalid`, `too-large`.
 */
export async function readBmp(bytes: Uint8Array): Promise<NDArray> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.byteLength < FILE_HEAD_BYTES + INFO_HEAD_BYTES)
    throw invalid(`is ${buffer.byteLength} bytes, too few for its header`);
  const start = buffer.readUInt32LE(10);
  const infoBytes = buffer.readUInt32LE(14);
  const [width, signedHeight] = [buffer.readInt32LE(18), buffer.readInt32LE(22)];
  const [bits, compression, colours] = [buffer.readUInt16LE(28), buffer.readUInt32LE(30), buffer.readUInt32LE(46)];
  const height = Math.abs(signedHeight);
  const isPlain = compression === RGB && [8, 24, 32].includes(bits);
  if (infoBytes < INFO_HEAD_BYTES || !(isPlain || (compression === BITFIELDS && bits === 32)))
    throw invalid(
      `has ${bits} bits per pixel and compression ${compression}, expected 8, 24 or 32 bits, not compressed`,
    );
  if (width < 1 || height < 1 || width * height > FRAME_LIMITS.pixels)
    throw invalid(`is ${width}×${height} pixels, expected 1 to ${FRAME_LIMITS.pixels} in total`);
  const stride = Math.ceil((width * bits) / 32) * 4;
  const palette =
    bits === 8 ? { at: FILE_HEAD_BYTES + infoBytes, colours: colours === 0 ? 256 : Math.min(colours, 256) } : null;
  const headBytes = FILE_HEAD_BYTES + infoBytes + (palette?.colours ?? 0) * 4;
  if (start < headBytes || buffer.byteLength < start + stride * height)
    throw invalid(`is ${buffer.byteLength} bytes, its header announces ${start + stride * height}`);
  if (
    compression === BITFIELDS &&
    !BGRX_MASKS.every((mask, index) => buffer.byteLength >= 66 && buffer.readUInt32LE(54 + index * 4) === mask)
  )
    throw invalid('has colours in an order other than blue, green, red');
  // The last row comes first, unless the height is negative.
  const rowAt = (y: number): number => start + (signedHeight < 0 ? y : height - 1 - y) * stride;
  const colourTable = palette === null ? null : buffer.subarray(palette.at, palette.at + palette.colours * 4);
  if (colourTable !== null && !isRamp(colourTable)) return readIndexed(buffer, { width, height, rowAt }, colourTable);
  const channels = colourTable === null ? 3 : 1;
  const data = allocateSamples(width, height, channels);
  await inTurns(height, SAMPLES_PER_TURN / (width * channels), (from, to) => {
    for (let y = from; y < to; y += 1) {
      const row = rowAt(y);
      if (bits === 32) copyPixels(buffer.subarray(row, row + width * 4), data, y * width * 3);
      else buffer.copy(data, y * width * channels, row, row + width * channels);
    }
  });
  return { dtype: 'uint8', shape: colourTable === null ? [height, width, 3] : [height, width], data };
}

function allocateSamples(width: number, height: number, channels: 1 | 3): Buffer {
  const bytes = width * height * channels;
  if (bytes > FRAME_LIMITS.payloadBytes)
    throw new GearwayError(
      'too-large',
      `the BMP is ${width}×${height} pixels, ${bytes} bytes, expected at most ${FRAME_LIMITS.payloadBytes}`,
    );
  return Buffer.allocUnsafeSlow(bytes);
}

/**
 * Copies sample by sample: one `copy()` call per pixel took 130 ms for 1920×1080.
 */
function copyPixels(row: Buffer, data: Buffer, start: number): void {
  let to = start;
  for (let at = 0; at < row.byteLength; at += 4) {
    data[to] = row[at] ?? 0;
    data[to + 1] = row[at + 1] ?? 0;
    data[to + 2] = row[at + 2] ?? 0;
    to += 3;
  }
}

/** Whether the palette maps each of the 256 samples to itself, as in the files of cameras. */
function isRamp(palette: Buffer): boolean {
  return palette.byteLength === 256 * 4 && palette.every((sample, at) => at % 4 === 3 || sample === at >> 2);
}

/** Size of a BMP, and where its rows begin, the first one on top. */
interface Rows {
  readonly width: number;
  readonly height: number;
  readonly rowAt: (y: number) => number;
}

/** @param palette blue, green, red and a zero for each colour. */
async function readIndexed(buffer: Buffer, { width, height, rowAt }: Rows, palette: Buffer): Promise<NDArray> {
  const isGray = palette.every((sample, at) => at % 4 === 3 || sample === palette[at - (at % 4)]);
  const channels = isGray ? 1 : 3;
  const data = allocateSamples(width, height, channels);
  const copyRow = (y: number): void => {
    const row = rowAt(y);
    let to = y * width * channels;
    for (let at = row; at < row + width; at += 1) {
      const entry = (buffer[at] ?? 0) * 4;
      if (entry >= palette.byteLength)
        throw invalid(`has a pixel of colour ${entry / 4}, its palette has ${palette.byteLength / 4}`);
      for (let channel = 0; channel < channels; channel += 1) data[to + channel] = palette[entry + channel] ?? 0;
      to += channels;
    }
  };
  await inTurns(height, SAMPLES_PER_TURN / (width * channels), (from, to) => {
    for (let y = from; y < to; y += 1) copyRow(y);
  });
  return { dtype: 'uint8', shape: isGray ? [height, width] : [height, width, 3], data };
}

function invalid(what: string): GearwayError {
  return new GearwayError('image-invalid', `the BMP ${what}`);
}
