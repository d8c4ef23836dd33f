import { FRAME_LIMITS } from '../../shared/frame.ts';
import type { Value } from '../../shared/protocol.ts';
import { GearwayError } from '../../shared/errors.ts';
import { encodeFrameHeader, type HeaderVariant } from '../netgear/frame-codec.ts';
import { type Sendable, toPicture } from '../netgear/picture.ts';
import type { AcceptedFrame, SourceSink } from './source.ts';

/** A header in a server's format; it is rewritten for each client. */
const ANY_CLIENT: HeaderVariant = { pattern: 'request-reply', serverPort: null, dropMessage: false };

/** Metadata of a picture. */
export interface PictureInfo {
  /** Data sent along with the picture; default null. */
  readonly message?: Value;
  /** The message as Python JSON, if its sender distinguishes 2.0 from 2; sent unmodified to native clients. */
  readonly messageJson?: string;
  /** Capture time, Unix time in microseconds; default unknown. */
  readonly capturedAtUs?: number | null;
  /** Whether a JPEG is sent to NetGear clients without verification; default: as for its source. See {@link Frame}. */
  readonly isTrusted?: boolean;
  /** As in {@link Frame}. */
  readonly onVerified?: (isGood: boolean) => void;
}

/**
 * Validates and publishes a picture that does not come from a NetGear server: a JPEG by its header, after it has been
 * repaired as in {@link repairJpeg}; an array by its shape. Browsers get it immediately; NetGear clients get a JPEG
 * only after it has been decoded once, unless it is trusted.
 *
 * @param isSourceTrusted whether the source's JPEGs are sent to NetGear clients without verification.
 * @throws {GearwayError} `jpeg-invalid`, `jpeg-too-complex`, `dtype-unknown`, `shape-invalid`, `array-misfit`,
 * `too-large`.
 */
export function publishPicture(
  sink: Pick<SourceSink, 'publish'>,
  data: Sendable,
  { message = null, messageJson, capturedAtUs = null, isTrusted, onVerified }: PictureInfo = {},
  isSourceTrusted = false,
): AcceptedFrame {
  // The colour space is the one to which native clients decode a JPEG.
  const { width, height, encoding, payload, orientation } = toPicture(data, 'BGR');
  const limits = FRAME_LIMITS;
  const isTooWide = width < 1 || height < 1 || width > limits.side || height > limits.side;
  if (isTooWide || width * height > limits.pixels || payload.byteLength > limits.payloadBytes) {
    const expected = `sides of at most ${limits.side}, ${limits.pixels} pixels and ${limits.payloadBytes} bytes`;
    throw new GearwayError(
      'too-large',
      `frame is ${width}×${height} pixels and ${payload.byteLength} bytes, expected ${expected}`,
    );
  }
  const wireHeader = messageJson === undefined ? null : encodeFrameHeader(encoding, messageJson, ANY_CLIENT);
  return sink.publish({
    width,
    height,
    encoding,
    payload,
    orientation,
    message,
    capturedAtUs,
    wireHeader,
    isTrusted: isTrusted ?? isSourceTrusted,
    onVerified,
  });
}
