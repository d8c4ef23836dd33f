import { errorText, GearwayError } from '../../shared/errors.ts';
import { type Encoding, FRAME_LIMITS } from '../../shared/frame.ts';
import { arrayBytes } from '../../shared/ndarray.ts';
import { formatPythonJson, parsePythonJson } from '../codecs/python-json.ts';
import type { Frame, FrameInput } from '../hub/frame.ts';

/** A frame as its owner sends it to the other gateways. */
export interface RemoteFrame {
  /** Of its owner's stream; increases. */
  readonly sequence: number;
  readonly input: FrameInput;
}

/** The JSON before a frame's payload. */
interface Head {
  readonly sequence: number;
  readonly capturedAtUs: number | null;
  readonly width: number;
  readonly height: number;
  readonly encoding: Encoding;
  /** Size of the payload. */
  readonly bytes: number;
  /** Python JSON; null if `wireHeader` contains it. */
  readonly message: string;
  readonly wireHeader: string | null;
  readonly isTrusted: boolean;
}

/** Last tokens of the two subjects of a stream. */
export const HEAD = 'h';
export const PART = 'p';

/** Maximum size of a part, although NATS servers may allow more: other messages wait behind it. */
const MAX_PART_BYTES = 1 << 20;

/** @returns the head of a frame, and its payload in parts, which are views of it. */
export function encodeFrame(
  { sequence, capturedAtUs = null, width, height, encoding, payload, message, wireHeader, isTrusted = false }: Frame,
  maxPayload: number,
): { readonly head: Uint8Array; readonly parts: readonly Uint8Array[] } {
  const head: Head = {
    sequence,
    capturedAtUs,
    width,
    height,
    encoding,
    bytes: payload.byteLength,
    message: formatPythonJson(message),
    wireHeader,
    isTrusted,
  };
  const bytes = Buffer.from(JSON.stringify(head));
  if (bytes.byteLength > maxPayload)
    throw new GearwayError(
      'too-large',
      `the message of the frame is ${bytes.byteLength} bytes, expected at most ${maxPayload} in this cluster (max_payload of the NATS server)`,
    );
  const partBytes = Math.min(maxPayload, MAX_PART_BYTES);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < payload.byteLength; at += partBytes) parts.push(payload.subarray(at, at + partBytes));
  return { head: bytes, parts };
}

/**
 * Reassembles frames. Messages of a stream arrive in order, but some may be missing: an incomplete frame is discarded
 * when the next head arrives.
 */
export class FrameAssembler {
  readonly #onFrame: (frame: RemoteFrame) => void;
  readonly #onError: (error: unknown) => void;
  #head: Head | null = null;
  #parts: Uint8Array[] = [];
  #missing = 0;

  constructor(onFrame: (frame: RemoteFrame) => void, onError: (error: unknown) => void) {
    this.#onFrame = onFrame;
    this.#onError = onError;
  }

  head(bytes: Uint8Array): void {
    this.#head = null;
    this.#parts = [];
    try {
      this.#head = parseHead(bytes);
      this.#missing = this.#head.bytes;
    } catch (error) {
      this.#onError(error);
    }
  }

  /** @param bytes owned by the assembler from now on. */
  part(bytes: Uint8Array): void {
    const head = this.#head;
    // The beginning was missed.
    if (head === null) return;
    this.#parts.push(bytes);
    this.#missing -= bytes.byteLength;
    if (this.#missing > 0) return;
    const parts = this.#parts;
    this.#head = null;
    this.#parts = [];
    if (this.#missing < 0) return;
    const payload = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, head.bytes);
    try {
      const { width, height, encoding, capturedAtUs, wireHeader, isTrusted } = head;
      this.#onFrame({
        sequence: head.sequence,
        input: {
          width,
          height,
          encoding,
          payload,
          capturedAtUs,
          message: parsePythonJson(head.message),
          wireHeader,
          isTrusted,
        },
      });
    } catch (error) {
      this.#onError(error);
    }
  }
}

function parseHead(bytes: Uint8Array): Head {
  let head: Head;
  try {
    head = JSON.parse(Buffer.from(bytes).toString('utf8')) as Head;
  } catch (error) {
    throw new GearwayError(
      'frame-invalid',
      `the head of a frame from another gateway is not JSON: ${errorText(error)}`,
      { cause: error },
    );
  }
  const isSize = Number.isInteger(head.bytes) && head.bytes > 0 && head.bytes <= FRAME_LIMITS.payloadBytes;
  if (!isSize || !Number.isInteger(head.sequence))
    throw new GearwayError(
      'frame-invalid',
      `the head of a frame from another gateway announces ${head.bytes} bytes, expected 1 to ${FRAME_LIMITS.payloadBytes}`,
    );
  if (!isPicture(head))
    throw new GearwayError(
      'frame-invalid',
      'the head of a frame from another gateway does not describe a picture of its size',
    );
  return head;
}

/** Whether all clients can use the frame. Its owner has checked this, but other programs can publish too. */
function isPicture({ width, height, encoding, bytes, capturedAtUs, message, wireHeader, isTrusted }: Head): boolean {
  const isText = typeof message === 'string' && (wireHeader === null || typeof wireHeader === 'string');
  if (!isText || typeof isTrusted !== 'boolean' || (capturedAtUs !== null && typeof capturedAtUs !== 'number'))
    return false;
  const { side, pixels } = FRAME_LIMITS;
  if (
    ![width, height].every((length) => Number.isInteger(length) && length >= 1 && length <= side) ||
    width * height > pixels
  )
    return false;
  if (encoding?.kind === 'jpeg') return true;
  if (
    encoding?.kind !== 'raw' ||
    !Array.isArray(encoding.shape) ||
    encoding.shape[0] !== height ||
    encoding.shape[1] !== width ||
    encoding.shape.length > 3
  )
    return false;
  return arrayBytes(encoding.dtype, encoding.shape) === bytes;
}
