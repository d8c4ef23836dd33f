import jpegTurbo from '@julusian/jpeg-turbo';

/** Pixels in memory, 8 bits per channel, C-contiguous. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** 1 for gray, 3 for BGR, 4 for BGRA. */
  readonly channels: 1 | 3 | 4;
}

const FORMATS = { 1: jpegTurbo.FORMAT_GRAY, 3: jpegTurbo.FORMAT_BGR, 4: jpegTurbo.FORMAT_BGRA } as const;

/**
 * Encodes on the thread pool. `pixels.data` must not change until the promise settles.
 *
 * @returns a separate buffer of the size of the JPEG: not a view that keeps the encoder's large buffer alive.
 */
export async function encodeJpeg(pixels: Pixels, quality = 90): Promise<Buffer> {
  const { width, height, channels } = pixels;
  const subsampling = channels === 1 ? jpegTurbo.SAMP_GRAY : jpegTurbo.SAMP_422;
  const source = Buffer.from(pixels.data.buffer, pixels.data.byteOffset, pixels.data.byteLength);
  const scratch = takeScratch(jpegTurbo.bufferSize({ width, height, subsampling }));
  try {
    const encoded = await jpegTurbo.compress(source, scratch, {
      format: FORMATS[channels],
      width,
      height,
      subsampling,
      quality,
    });
    return Buffer.from(encoded);
  } finally {
    scratches.push(scratch);
    if (scratches.length > MAX_SCRATCHES) scratches.shift();
  }
}

/** Pool of output buffers, because allocating one costs more than filling it. */
const scratches: Buffer[] = [];
const MAX_SCRATCHES = 4;

function takeScratch(bytes: number): Buffer {
  const at = scratches.findIndex((scratch) => scratch.byteLength >= bytes);
  const [found] = at < 0 ? [] : scratches.splice(at, 1);
  return found ?? Buffer.allocUnsafeSlow(bytes);
}
