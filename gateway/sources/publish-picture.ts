import { FRAME_LIMITS } from '../../shared/frame.ts';
import type { Value } from '../../shared/protocol.ts';
import type { Frame } from '../hub/frame.ts';
import { GearwayError } from '../../shared/errors.ts';
import { encodeFrameHeader, type HeaderVariant } from '../netgear/frame-codec.ts';
import { type Sendable, toPicture } from '../netgear/picture.ts';
import type { SourceSink } from './source.ts';

/** A header as a server writes it: it is rewritten for each kind of client. */
const ANY_CLIENT: HeaderVariant = { pattern: 'request-reply', serverPort: null, dropMessage: false };

/** What goes with a picture. */
export interface PictureInfo {
  /** The data that travels with it; default null. */
  readonly message?: Value;
  /** The same as Python JSON, where its sender told 2.0 from 2: so it reaches native clients. */
  readonly messageJson?: string;
  /** When it was taken, microseconds of Unix time; default unknown. */
  readonly capturedAtUs?: number | null;
  /** Whether a JPEG goes to NetGear clients without being verified; default: as its source. See {@link Frame}. */
  readonly isTrusted?: boolean;
  /** As in {@link Frame}. */
  readonly onVerified?: (isGood: boolean) => void;
}

/**
 * Checks a picture that does not come from a NetGear server, and publishes it: a JPEG by its header, an array by its shape. Browsers get it at
 * once; NetGear clients get a JPEG only after it was decoded once, unless it is trusted.
 *
 * @param isSourceTrusted whether the source's JPEGs go to NetGear clients without being verified.
 * @throws {GearwayError} `jpeg-invalid`, `jpeg-too-complex`, `dtype-unknown`, `shape-invalid`, `array-misfit`, `too-large`.
 */
export function publishPicture(sink: Pick<SourceSink, 'publish'>, data: Sendable, { message = null, messageJson, capturedAtUs = null, isTrusted, onVerified }: PictureInfo = {}, isSourceTrusted = false): Frame {
  // What native clients are told to decode a JPEG to.
  const { width, height, encoding, payload } = toPicture(data, 'BGR');
  const limits = FRAME_LIMITS;
  if (width < 1 || height < 1 || width > limits.side || height > limits.side || width * height > limits.pixels || payload.byteLength > limits.payloadBytes) {
    throw new GearwayError('too-large', `frame is ${width}×${height} pixels and ${payload.byteLength} bytes, expected at most ${limits.side} a side, ${limits.pixels} pixels and ${limits.payloadBytes} bytes`);
  }
  const wireHeader = messageJson === undefined ? null : encodeFrameHeader(encoding, messageJson, ANY_CLIENT);
  return sink.publish({ width, height, encoding, payload, message, capturedAtUs, wireHeader, isTrusted: isTrusted ?? isSourceTrusted, onVerified });
}
