import { FRAME_LIMITS } from '../../../shared/frame.ts';
import type { NDArray } from '../../../shared/ndarray.ts';
import { MultipartReader } from '../../codecs/multipart-reader.ts';
import { BMP } from '../../codecs/bmp.ts';
import { completeJpeg } from '../../codecs/complete-jpeg.ts';
import { HeadedReader } from '../../codecs/headed-reader.ts';
import { JpegSequenceReader } from '../../codecs/jpeg-sequence-reader.ts';
import { BOUNDARY } from './output-args.ts';
import { PGM } from '../../codecs/pgm.ts';

/** How pictures stand in a program's output. */
export type PictureForm = 'multipart' | 'jpegs' | 'bmp' | 'pgm';

/** Takes pictures out of a program's output as it comes. */
export interface PictureReader {
  /** @throws {GearwayError} when this is no such output; nothing more can be read then. */
  read(chunk: Buffer): void;
}

/** @param onPicture called with a picture's last byte; its memory is its own. */
export function createPictureReader(form: PictureForm, onPicture: (picture: Buffer | NDArray) => void): PictureReader {
  const { payloadBytes } = FRAME_LIMITS;
  const onJpeg = (jpeg: Buffer): void => onPicture(completeJpeg(jpeg));
  switch (form) {
    case 'multipart':
      return new MultipartReader({ boundary: BOUNDARY, maxBodyBytes: payloadBytes, onPart: ({ body }) => onJpeg(body) });
    case 'jpegs':
      return new JpegSequenceReader({ maxJpegBytes: payloadBytes, onJpeg });
    case 'bmp':
      return new HeadedReader({ format: BMP, maxBodyBytes: payloadBytes, onPicture });
    case 'pgm':
      return new HeadedReader({ format: PGM, maxBodyBytes: payloadBytes, onPicture });
    default:
      return form satisfies never;
  }
}
