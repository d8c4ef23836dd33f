import { errorText, GearwayError } from '../../../shared/errors.ts';
import type { Value } from '../../../shared/protocol.ts';
import { decodeUtf8 } from '../../netgear/frame-codec.ts';
import type { Sendable } from '../../netgear/picture.ts';
import { type ParsedObject, parsePythonObject } from '../../codecs/python-json.ts';

/** What an imagezmq sender has sent. */
export interface SentPicture {
  /** The sender's `msg`: its name, as a rule, but any value of Python's JSON. */
  readonly message: Value;
  /** The same as the sender wrote it, Python JSON. */
  readonly messageJson: string;
  /** A view of the parts' memory. */
  readonly picture: Sendable;
}

/** Most bytes of the JSON in front of a picture. */
const MAX_JSON_BYTES = 1 << 20;

/**
 * Reads what `ImageSender.send_image` and `send_jpg` send (imagezmq, `SerializingSocket`): JSON with `msg`, and for an array `dtype` and
 * `shape`; then the samples, or the JPEG. Whether the picture is one is for who takes it.
 *
 * @throws {GearwayError} `parts-invalid`, `header-invalid`.
 */
export function decodeSent(parts: readonly Uint8Array[]): SentPicture {
  const [json, data] = parts;
  if (json === undefined || data === undefined || parts.length !== 2) throw new GearwayError('parts-invalid', `message has ${parts.length} parts, expected JSON and a picture`);
  if (json.byteLength > MAX_JSON_BYTES) throw new GearwayError('header-invalid', `the JSON has ${json.byteLength} bytes, expected at most ${MAX_JSON_BYTES}`);
  const { fields, messageJson } = parseHeader(json);
  const { msg: message = null, dtype, shape } = fields;
  if (dtype === undefined && shape === undefined) return { message, messageJson, picture: data };
  if (typeof dtype !== 'string' || !Array.isArray(shape)) throw new GearwayError('header-invalid', 'the JSON has no dtype and shape, expected {"msg": …, "dtype": "uint8", "shape": [480, 640, 3]}');
  return { message, messageJson, picture: { dtype, shape: shape as number[], data } };
}

function parseHeader(json: Uint8Array): { readonly fields: ParsedObject['fields']; readonly messageJson: string } {
  try {
    const text = decodeUtf8(json);
    const { fields, spans } = parsePythonObject(text);
    const span = spans.get('msg');
    return { fields, messageJson: span === undefined ? 'null' : text.slice(span.start, span.end) };
  } catch (error) {
    throw new GearwayError('header-invalid', `the first part is no JSON object: ${errorText(error)}`, { cause: error });
  }
}
