import { errorText, GearwayError } from '../../shared/errors.ts';
import type { Value } from '../../shared/protocol.ts';
import type { Sendable } from '../netgear/picture.ts';
import { formatPythonJson, parsePythonObject } from '../netgear/python-json.ts';

/** What an imagezmq sender has sent. */
export interface SentPicture {
  /** The sender's `msg`: its name, as a rule, but any value of Python's JSON. */
  readonly message: Value;
  /** A view of the parts' memory. */
  readonly picture: Sendable;
}

/** Most bytes of the JSON in front of a picture. */
const MAX_JSON_BYTES = 1 << 20;

/**
 * Reads what `ImageSender.send_image` and `send_jpg` send (imagezmq, `SerializingSocket`): JSON with `msg`, and for an array `dtype` and
 * `shape`; then the samples, or the JPEG. Whether the picture is one is for who takes it.
 *
 * @throws {GearwayError} `parts-invalid`, `header-invalid`, `value-invalid`.
 */
export function decodeSent(parts: readonly Uint8Array[]): SentPicture {
  const [json, data] = parts;
  if (json === undefined || data === undefined || parts.length !== 2) throw new GearwayError('parts-invalid', `message has ${parts.length} parts, expected JSON and a picture`);
  if (json.byteLength > MAX_JSON_BYTES) throw new GearwayError('header-invalid', `the JSON has ${json.byteLength} bytes, expected at most ${MAX_JSON_BYTES}`);
  const { msg = null, dtype, shape } = parseHeader(json);
  // What no native client could be sent must fail here, and not there.
  formatPythonJson(msg);
  if (dtype === undefined && shape === undefined) return { message: msg, picture: data };
  if (typeof dtype !== 'string' || !Array.isArray(shape)) throw new GearwayError('header-invalid', 'the JSON has no dtype and shape, expected {"msg": …, "dtype": "uint8", "shape": [480, 640, 3]}');
  return { message: msg, picture: { dtype, shape: shape as number[], data } };
}

function parseHeader(json: Uint8Array): Readonly<Record<string, Value>> {
  try {
    return parsePythonObject(new TextDecoder('utf-8', { fatal: true }).decode(json)).fields;
  } catch (error) {
    throw new GearwayError('header-invalid', `the first part is no JSON object: ${errorText(error)}`, { cause: error });
  }
}
