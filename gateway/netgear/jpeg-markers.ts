import { GearwayError } from '../../shared/errors.ts';

/** What a JPEG's own markers say. */
export interface JpegInfo {
  readonly width: number;
  readonly height: number;
  readonly components: number;
}

/** Bytes tolerated behind the end-of-image marker: encoders pad. */
const MAX_PADDING_BYTES = 64;

/**
 * Reads a JPEG's size from its start-of-frame marker (ITU-T T.81, B.2.2) and checks that it begins and ends as one.
 * Nothing is decoded: an image that claims 20000 × 20000 costs nothing here.
 *
 * @param colorspace what a NetGear receiver will decode it to: it stumbles over 4 components that are not CMYK, and the reverse.
 * @throws {GearwayError} `jpeg-invalid`.
 */
export function readJpegMarkers(jpeg: Uint8Array, colorspace?: string): JpegInfo {
  if (jpeg[0] !== 0xff || jpeg[1] !== 0xd8) throw invalid('does not begin with SOI');
  if (!endsWithEoi(jpeg)) throw invalid('has no EOI at its end: it is truncated');
  let at = 2;
  while (at + 9 < jpeg.byteLength) {
    if (jpeg[at] !== 0xff) throw invalid(`has no marker at byte ${at}`);
    const marker = byte(jpeg, at + 1);
    if (marker === 0xff) {
      at += 1; // fill byte
      continue;
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {
      at += 2; // stands alone, without a length
      continue;
    }
    const length = byte(jpeg, at + 2) * 256 + byte(jpeg, at + 3);
    if (length < 2) throw invalid(`has a segment of ${length} bytes`);
    const isStartOfFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isStartOfFrame) {
      const height = byte(jpeg, at + 5) * 256 + byte(jpeg, at + 6);
      const width = byte(jpeg, at + 7) * 256 + byte(jpeg, at + 8);
      if (width === 0 || height === 0) throw invalid(`is ${width}×${height} pixels`);
      const components = byte(jpeg, at + 9);
      if (colorspace !== undefined && (components === 4) !== (colorspace === 'CMYK')) throw invalid(`has ${components} components, which do not decode to ${colorspace}`);
      return { width, height, components };
    }
    if (marker === 0xda || marker === 0xd9) break;
    at += 2 + length;
  }
  throw invalid('has no start-of-frame marker');
}

function endsWithEoi(jpeg: Uint8Array): boolean {
  const last = Math.max(0, jpeg.byteLength - 2 - MAX_PADDING_BYTES);
  for (let at = jpeg.byteLength - 2; at >= last; at -= 1) {
    if (jpeg[at] === 0xff && jpeg[at + 1] === 0xd9) return true;
  }
  return false;
}

function byte(bytes: Uint8Array, at: number): number {
  const value = bytes[at];
  if (value === undefined) throw invalid('ends inside a marker');
  return value;
}

function invalid(what: string): GearwayError {
  return new GearwayError('jpeg-invalid', `the JPEG ${what}`);
}
