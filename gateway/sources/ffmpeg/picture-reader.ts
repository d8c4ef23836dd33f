import { FRAME_LIMITS } from '../../../shared/frame.ts';
import type { NDArray } from '../../../shared/ndarray.ts';
import { MultipartReader } from '../../codecs/multipart-reader.ts';
import { BMP } from '../../codecs/bmp.ts';
import { HeadedReader } from '../../codecs/headed-reader.ts';
import { JpegSequenceReader } from '../../codecs/jpeg-sequence-reader.ts';
import { BOUNDARY } from './output-args.ts';
import { PGM } from '../../codecs/pgm.ts';

/** Format of the pictures in a program's output. */
export type PictureFormat = 'multipart' | 'jpegs' | 'bmp' | 'pgm';

/** Extracts pictures from a program's output. */
interface PictureReader {
  /** @throws {GearwayError} if the output has another format; the reader cannot be used afterwards. */
  read(chunk: Buffer): void;
}

/** @param onPicture called as soon as a picture is complete; it takes ownership of the memory. */
export function createPictureReader(
  format: PictureFormat,
  onPicture: (picture: Buffer | NDArray) => void,
): PictureReader {
  const { payloadBytes } = FRAME_LIMITS;
  switch (format) {
    case 'multipart':
      return new MultipartReader({
        boundary: BOUNDARY,
        maxBodyBytes: payloadBytes,
        onPart: ({ body }) => onPicture(body),
      });
    case 'jpegs':
      return new JpegSequenceReader({ maxJpegBytes: payloadBytes, onJpeg: onPicture });
    case 'bmp':
      return new HeadedReader({ format: BMP, maxBodyBytes: payloadBytes, onPicture });
    case 'pgm':
      return new HeadedReader({ format: PGM, maxBodyBytes: payloadBytes, onPicture });
    default:
      return format satisfies never;
  }
}
