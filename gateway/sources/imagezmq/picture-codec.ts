import { errorText, GearwayError } from '../../../shared/errors.ts';
import type { Value } from '../../../shared/protocol.ts';
import { decodeUtf8 } from '../../netgear/frame-codec.ts';
import type { Sendable } from '../../netgear/picture.ts';
import { type ParsedObject, parsePythonObject } from '../../codecs/python-json.ts';

/** A picture of an imagezmq sender. */
export interface SentPicture {
  /** The sender's `msg`: usually its name, but it may be any value of Python's JSON. */
  readonly message: Value;
  /** The message as the sender's Python JSON. */
  readonly messageJson: string;
  /** A view of the parts' memory. */
  readonly picture: Sendable;
}

/** Maximum size of the JSON part. */
const MAX_JSON_BYTES = 1 << 20;

/**
 * Decodes a message of `ImageSender.send_image` or `send_jpg` (imagezmq, `SerializingSocket`): JSON with `msg`, and for
 * an array `dtype` and `shape`; then the samples, or the JPEG. Does not validate the picture.
 *
 * @throws {GearwayError} `parts-invalid`, `header-invalid`.
 */
export function decodeSent(parts: readonly Uint8Array[]): SentPicture {
  const [json, data] = parts;
  if (json === undefined || data === undefined || parts.length !== 2)
    throw new GearwayError('parts-invalid', `message has ${parts.length} parts, expected JSON and a picture`);
  if (json.byteLength > MAX_JSON_BYTES)
    throw new GearwayError(
      'header-invalid',
      `the JSON has ${json.byteLength} bytes, expected at most ${MAX_JSON_BYTES}`,
    );
  const { fields, messageJson } = parseHeader(json);
  const { msg: message = null, dtype, shape } = fields;
  if (dtype === undefined && shape === undefined) return { message, messageJson, picture: data };
  if (typeof dtype !== 'string' || !Array.isArray(shape)) {
    const expected = '{"msg": …, "dtype": "uint8", "shape": [480, 640, 3]}';
    throw new GearwayError('header-invalid', `the JSON has no valid dtype and shape, expected ${expected}`);
  }
  return { message, messageJson, picture: { dtype, shape: shape as number[], data } };
}

function parseHeader(json: Uint8Array): { readonly fields: ParsedObject['fields']; readonly messageJson: string } {
  try {
    const text = decodeUtf8(json);
    const { fields, spans } = parsePythonObject(text);
    const span = spans.get('msg');
    return { fields, messageJson: span === undefined ? 'null' : text.slice(span.start, span.end) };
  } catch (error) {
    throw new GearwayError('header-invalid', `the first part is not a JSON object: ${errorText(error)}`, {
      cause: error,
    });
  }
}
