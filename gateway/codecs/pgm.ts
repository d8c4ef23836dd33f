import { GearwayError } from '../../shared/errors.ts';
import type { HeadedFormat } from './headed-reader.ts';

/** First bytes of a binary PGM (Netpbm). */
const MAGIC = 'P5\n';

/** PGM with 8 or 16 bits per pixel. Samples of 16 bits are big-endian, and are swapped in place. */
export const PGM: HeadedFormat = {
  maxHeadBytes: 32,
  readHead(bytes) {
    const text = bytes.toString('latin1');
    if (!text.startsWith(MAGIC.slice(0, text.length)))
      throw new GearwayError(
        'picture-invalid',
        `a picture begins with ${JSON.stringify(text.slice(0, MAGIC.length))}, expected ${JSON.stringify(MAGIC)}: a PGM`,
      );
    const match = /^P5\n(\d{1,6}) (\d{1,6})\n(\d{1,6})\n/.exec(text);
    if (match === null) return null;
    const [width, height, most] = match.slice(1).map(Number) as [number, number, number];
    if (width < 1 || height < 1 || (most !== 255 && most !== 65_535))
      throw new GearwayError(
        'picture-invalid',
        `a picture is a PGM of ${width}×${height} pixels up to ${most}, expected up to 255 or 65535`,
      );
    const isWide = most > 255;
    return {
      bytes: match[0].length,
      bodyBytes: width * height * (isWide ? 2 : 1),
      finish: (body) => ({
        dtype: isWide ? 'uint16' : 'uint8',
        shape: [height, width],
        data: isWide ? body.swap16() : body,
      }),
    };
  },
};
