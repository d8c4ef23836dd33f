import jpegTurbo from '@julusian/jpeg-turbo';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';

/** Gray levels that can be distinguished after two encodings. */
export const LEVELS = Array.from({ length: 25 }, (_, index) => 8 + index * 9);

export const TOLERANCE = 3;

/** A JPEG of one gray level. */
export const flat = (level: number, width: number, height: number): Promise<Buffer> =>
  encodeJpeg({ data: new Uint8Array(width * height).fill(level), width, height, channels: 1 });

/** The gray level of a JPEG's pixel. */
export function levelAt(jpeg: string, x: number, y: number): number {
  const { data, width } = jpegTurbo.decompressSync(Buffer.from(jpeg, 'base64'), { format: jpegTurbo.FORMAT_GRAY });
  return data[y * width + x]!;
}
