import jpegTurbo from '@julusian/jpeg-turbo';
import { GearwayError } from '../shared/errors.ts';
import { readJpegMarkers } from './netgear/jpeg-markers.ts';

/** Most pixels of a JPEG that is decoded as a check: the decoder takes 4 bytes for each. */
const MAX_CHECKED_PIXELS = 1 << 24;

/** Pixels in memory, 8 bits a channel, C-contiguous. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Gray, BGR or BGRA. */
  readonly channels: 1 | 3 | 4;
}

const FORMATS = { 1: jpegTurbo.FORMAT_GRAY, 3: jpegTurbo.FORMAT_BGR, 4: jpegTurbo.FORMAT_BGRA } as const;

/**
 * Encodes on the thread pool. `pixels.data` must not change until the promise settles.
 *
 * @returns memory of its own, as long as the JPEG: not a slice that pins the encoder's large buffer.
 */
export async function encodeJpeg(pixels: Pixels, quality = 90): Promise<Buffer> {
  const { width, height, channels } = pixels;
  const subsampling = channels === 1 ? jpegTurbo.SAMP_GRAY : jpegTurbo.SAMP_422;
  const source = Buffer.from(pixels.data.buffer, pixels.data.byteOffset, pixels.data.byteLength);
  const scratch = takeScratch(jpegTurbo.bufferSize({ width, height, subsampling }));
  try {
    const encoded = await jpegTurbo.compress(source, scratch, { format: FORMATS[channels], width, height, subsampling, quality });
    return Buffer.from(encoded);
  } finally {
    scratches.push(scratch);
    if (scratches.length > MAX_SCRATCHES) scratches.shift();
  }
}

/** Output buffers for encodings under way, kept because making one costs more than filling it. */
const scratches: Buffer[] = [];
const MAX_SCRATCHES = 4;

function takeScratch(bytes: number): Buffer {
  const at = scratches.findIndex((scratch) => scratch.byteLength >= bytes);
  const [found] = at < 0 ? [] : scratches.splice(at, 1);
  return found ?? Buffer.allocUnsafeSlow(bytes);
}

/**
 * Decodes a JPEG from an untrusted place once, to be sure that a NetGear peer's decoder does not choke on it.
 *
 * @throws {GearwayError} `jpeg-invalid`, `too-large`.
 */
export async function checkJpeg(jpeg: Uint8Array): Promise<void> {
  const { width, height } = readJpegMarkers(jpeg);
  if (width * height > MAX_CHECKED_PIXELS) throw new GearwayError('too-large', `JPEG is ${width}×${height} pixels, expected at most ${MAX_CHECKED_PIXELS} in all`);
  try {
    await jpegTurbo.decompress(Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength), Buffer.allocUnsafeSlow(width * height * 3), { format: jpegTurbo.FORMAT_BGR });
  } catch (error) {
    throw new GearwayError('jpeg-invalid', 'the JPEG cannot be decoded', { cause: error });
  }
}
