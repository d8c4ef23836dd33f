import { GearwayError } from '../../shared/errors.ts';
import { type Encoding, FRAME_LIMITS, type FrameLimits } from '../../shared/frame.ts';
import { arrayBytes, canonicalDtype } from '../../shared/ndarray.ts';
import type { Value } from '../../shared/protocol.ts';
import type { Orientation } from '../codecs/exif-orientation.ts';
import { formatPattern, type Pattern } from './pattern.ts';
import { type ParsedObject, parsePythonObject } from '../codecs/python-json.ts';
import { repairJpeg } from '../codecs/repair-jpeg.ts';

/** A frame of a NetGear server. `payload` is borrowed from the socket, except for a JPEG that had to be repaired. */
export interface NetGearFrame {
  readonly kind: 'frame';
  /** Size of the payload in pixels, before any rotation. */
  readonly width: number;
  readonly height: number;
  readonly encoding: Encoding;
  readonly message: Value;
  /** Channel order to which a NetGear receiver decodes the JPEG; null for a raw frame. */
  readonly colorspace: string | null;
  /** EXIF orientation of a JPEG. NetGear's receivers ignore it. */
  readonly orientation: Orientation;
  /** The server's own port in multi-servers mode; otherwise null. */
  readonly serverPort: string | null;
  readonly payload: Uint8Array;
  /** The header's JSON, unmodified. */
  readonly headerText: string;
}

/** A server's notice that it is terminating. */
export interface NetGearTermination {
  readonly kind: 'termination';
  /** The server's own port in multi-servers mode; otherwise null. */
  readonly serverPort: string | null;
}

/** Colour spaces of simplejpeg: the channel orders to which a NetGear receiver decodes. */
export const COLORSPACES: ReadonlySet<string> = new Set([
  'RGB',
  'BGR',
  'RGBX',
  'BGRX',
  'XBGR',
  'XRGB',
  'GRAY',
  'RGBA',
  'BGRA',
  'ABGR',
  'ARGB',
  'CMYK',
]);

/** Header keys whose absence crashes a real receiver (`KeyError`). */
const REQUIRED_KEYS = ['compression', 'message', 'pattern', 'dtype', 'shape'] as const;

/**
 * Decodes the parts of a NetGear server's message.
 *
 * @throws {GearwayError} `parts-unexpected`, `too-large`, `header-invalid`, `array-misfit`, `jpeg-invalid`, and the
 * errors of
 *   {@link parsePythonObject}.
 */
export function decodeFrame(
  parts: readonly Uint8Array[],
  limits: FrameLimits = FRAME_LIMITS,
): NetGearFrame | NetGearTermination {
  const [header, payload] = parts;
  if (header === undefined || parts.length > 2)
    throw new GearwayError('parts-unexpected', `message has ${parts.length} parts, expected a header and a payload`);
  if (header.byteLength > limits.headerBytes)
    throw new GearwayError('too-large', `header is ${header.byteLength} bytes, expected at most ${limits.headerBytes}`);
  const headerText = decodeUtf8(header);
  const { fields, spans } = parsePythonObject(headerText);
  if (fields['terminate_flag'] === true) return { kind: 'termination', serverPort: readServerPort(fields) };
  if (fields['terminate_flag'] !== false) throw invalid('header has no terminate_flag');
  for (const key of REQUIRED_KEYS) {
    if (fields[key] === undefined) throw invalid(`header has no ${key}`);
  }
  if (payload === undefined)
    throw new GearwayError('parts-unexpected', 'message has 1 part, expected a header and a payload');
  if (payload.byteLength > limits.payloadBytes)
    throw new GearwayError(
      'too-large',
      `payload is ${payload.byteLength} bytes, expected at most ${limits.payloadBytes}`,
    );
  if (patternNumber(fields) === undefined) throw invalid('header has an unknown pattern, expected 0, 1 or 2');

  const shape = spans.get('shape');
  const picture =
    fields['compression'] === false
      ? readRaw(fields, headerText.slice(shape?.start, shape?.end), payload)
      : readCompressed(fields['compression'], payload);
  const { width, height, encoding, colorspace, orientation } = picture;
  if (width > limits.side || height > limits.side || width * height > limits.pixels) {
    throw new GearwayError(
      'too-large',
      `frame is ${width}×${height} pixels, expected sides of at most ${limits.side} and at most ${limits.pixels} pixels`,
    );
  }
  return {
    kind: 'frame',
    width,
    height,
    encoding,
    message: fields['message'] ?? null,
    colorspace,
    orientation,
    serverPort: readServerPort(fields),
    payload: picture.payload,
    headerText,
  };
}

/** The port as text; a server sends the type that its user passed, which may be a number. */
function readServerPort({ port }: ParsedObject['fields']): string | null {
  if (typeof port === 'string') return port;
  return typeof port === 'number' || typeof port === 'bigint' ? String(port) : null;
}

/** The header's pattern as text; a server may also send a number. */
function patternNumber(fields: ParsedObject['fields']): string | undefined {
  const { pattern } = fields;
  const text = typeof pattern === 'number' ? String(pattern) : pattern;
  return typeof text === 'string' && /^[012]$/.test(text) ? text : undefined;
}

type FrameContent = Pick<NetGearFrame, 'width' | 'height' | 'encoding' | 'colorspace' | 'orientation' | 'payload'>;

/**
 * @param shapeText the shape as text: native clients get it unmodified, and NumPy raises TypeError for 480.0, which
 * JavaScript cannot distinguish from 480.
 */
function readRaw({ dtype, shape }: ParsedObject['fields'], shapeText: string, payload: Uint8Array): FrameContent {
  if (typeof dtype !== 'string' || !isShape(shape))
    throw invalid('header of a raw frame has no dtype and shape of an image');
  if (/[.eE]/.test(shapeText)) throw invalid(`header has the shape ${shapeText.slice(0, 100)}, expected integers`);
  const expected = arrayBytes(dtype, shape);
  if (expected !== payload.byteLength)
    throw new GearwayError('array-misfit', `payload is ${payload.byteLength} bytes, the header announces ${expected}`);
  const [height = 0, width = 0] = shape;
  return {
    width,
    height,
    encoding: { kind: 'raw', dtype: canonicalDtype(dtype), shape },
    colorspace: null,
    orientation: 1,
    payload,
  };
}

function readCompressed(compression: Value | undefined, payload: Uint8Array): FrameContent {
  if (typeof compression !== 'object' || compression === null || Array.isArray(compression))
    throw invalid('header has a compression that is neither false nor a dict');
  const { dct, ups, colorspace } = compression as { [key: string]: Value };
  if (
    typeof dct !== 'boolean' ||
    typeof ups !== 'boolean' ||
    typeof colorspace !== 'string' ||
    !COLORSPACES.has(colorspace)
  ) {
    throw invalid('header has a compression without dct, ups and a known colorspace');
  }
  const { jpeg, header } = repairJpeg(payload, colorspace);
  const { width, height, orientation } = header;
  return { width, height, encoding: { kind: 'jpeg' }, colorspace, orientation, payload: jpeg };
}

function isShape(shape: Value | undefined): shape is readonly number[] {
  return (
    Array.isArray(shape) &&
    (shape.length === 2 || shape.length === 3) &&
    shape.every((size) => Number.isSafeInteger(size) && Number(size) > 0)
  );
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws {GearwayError} `header-invalid` when the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new GearwayError('header-invalid', 'a text part is not UTF-8', { cause: error });
  }
}

function invalid(message: string): GearwayError {
  return new GearwayError('header-invalid', message);
}

/** Properties of a header that depend on the receiver. */
export interface HeaderVariant {
  readonly pattern: Pattern;
  /** The sending server's port, for a receiver in multi-servers mode; otherwise null. */
  readonly serverPort: string | null;
  /** Set for a repeated frame, whose message was already delivered and must not be acted on again. */
  readonly dropMessage: boolean;
}

/**
 * Encodes the header of a frame that did not come from a NetGear server.
 *
 * @param messageJson Python JSON.
 * @param colorspace channel order to which a receiver decodes a JPEG.
 */
export function encodeFrameHeader(
  encoding: Encoding,
  messageJson: string,
  { pattern, serverPort, dropMessage }: HeaderVariant,
  colorspace = 'BGR',
): string {
  const port = serverPort === null ? '' : `"port": ${JSON.stringify(serverPort)}, `;
  const compression =
    encoding.kind === 'jpeg' ? `{"dct": true, "ups": false, "colorspace": ${JSON.stringify(colorspace)}}` : 'false';
  const dtype = encoding.kind === 'jpeg' ? '""' : JSON.stringify(encoding.dtype);
  const shape = encoding.kind === 'jpeg' ? '""' : `[${encoding.shape.join(', ')}]`;
  return `{${port}"terminate_flag": false, "compression": ${compression}, "message": ${dropMessage ? 'null' : messageJson}, "pattern": "${formatPattern(pattern)}", "dtype": ${dtype}, "shape": ${shape}}`;
}

/**
 * Adapts a header to a client of another pattern or in multi-servers mode, or to a repeated frame without message: a
 * receiver refuses a pattern other than its own, and acts again on a repeated message. All other bytes stay unmodified.
 */
export function rewriteFrameHeader(headerText: string, change: HeaderVariant): string {
  const { fields, spans } = parsePythonObject(headerText);
  const wanted = formatPattern(change.pattern);
  const edits: { start: number; end: number; text: string }[] = [];
  const pattern = spans.get('pattern');
  if (pattern !== undefined && patternNumber(fields) !== wanted) edits.push({ ...pattern, text: `"${wanted}"` });
  const message = spans.get('message');
  if (change.dropMessage && message !== undefined) edits.push({ ...message, text: 'null' });
  if (change.serverPort !== null) {
    const port = spans.get('port');
    const text = JSON.stringify(change.serverPort);
    const first = headerText.indexOf('{') + 1;
    edits.push(port === undefined ? { start: first, end: first, text: `"port": ${text}, ` } : { ...port, text });
  }
  let text = headerText;
  // Edits are applied from the end, so that earlier offsets stay valid.
  for (const edit of edits.sort((a, b) => b.start - a.start))
    text = text.slice(0, edit.start) + edit.text + text.slice(edit.end);
  return text;
}

/** Encodes a server's notice that it is terminating; with its port for a receiver in multi-servers mode. */
export function encodeTermination(serverPort: string | null): string {
  return serverPort === null
    ? '{"terminate_flag": true}'
    : `{"terminate_flag": true, "port": ${JSON.stringify(serverPort)}}`;
}

/** A receiver's reply to a termination. */
export const TERMINATION_REPLY = "Termination signal successfully received at Client's end!";

/** Reply to a termination from a receiver in multi-servers mode. */
export const MULTISERVER_TERMINATION_REPLY = 'Termination signal successfully received at client!';
