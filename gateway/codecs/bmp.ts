import { GearwayError } from '../../shared/errors.ts';
import type { HeadedFormat } from './headed-reader.ts';

/** Size of file header and picture header, as FFmpeg writes them. */
const HEAD_BYTES = 54;

/**
 * BMP with three bytes per pixel, in BGR order. BMP stores the last row first: FFmpeg flips the picture, so
 * that the rows arrive in order.
 */
export const BMP: HeadedFormat = {
  maxHeadBytes: HEAD_BYTES,
  readHead(bytes) {
    if (bytes.byteLength < HEAD_BYTES) return null;
    const [offset, headBytes, width, height] = [10, 14, 18, 22].map((at) => bytes.readInt32LE(at)) as [
      number,
      number,
      number,
      number,
    ];
    const bits = bytes.readUInt16LE(28);
    const compression = bytes.readUInt32LE(30);
    if (
      bytes.toString('latin1', 0, 2) !== 'BM' ||
      offset !== HEAD_BYTES ||
      headBytes !== 40 ||
      bits !== 24 ||
      compression !== 0 ||
      width < 1 ||
      height < 1
    ) {
      throw new GearwayError(
        'picture-invalid',
        `a picture is a BMP of ${width}×${height} pixels, ${bits} bits, compression ${compression}, samples at ${offset}, expected 24 bits, not compressed, at ${HEAD_BYTES}`,
      );
    }
    const row = width * 3;
    const stride = Math.ceil(row / 4) * 4;
    return {
      bytes: HEAD_BYTES,
      bodyBytes: stride * height,
      finish(body) {
        for (let y = 1; y < height && stride !== row; y += 1) body.copyWithin(y * row, y * stride, y * stride + row);
        return { dtype: 'uint8', shape: [height, width, 3], data: body.subarray(0, row * height) };
      },
    };
  },
};
