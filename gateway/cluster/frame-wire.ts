import { errorText, GearwayError } from '../../shared/errors.ts';
import { type Encoding, FRAME_LIMITS, type FrameHeader, MAX_MESSAGE_JSON } from '../../shared/frame.ts';
import { arrayBytes } from '../../shared/ndarray.ts';
import { MAX_CODEC, MAX_DESCRIPTION_BYTES, type Value } from '../../shared/protocol.ts';
import { formatPythonJson, parsePythonJson } from '../codecs/python-json.ts';
import { nowUs } from '../hub/clock.ts';
import type { Frame, FrameInput, FrameOutline } from '../hub/frame.ts';
import type { RenditionFrame } from '../renditions/rendition.ts';

/** Identifies a frame among those of its owner, and its age. */
interface Numbered {
  /** Random name of the owner's stream, different each time that it is created. */
  readonly origin: string;
  /** Sequence of the frame in its owner's stream; increases. */
  readonly sequence: number;
  /** Time from its arrival at the owner until it was sent, in microseconds. */
  readonly ageUs: number;
}

/** A frame as its owner sends it to the other gateways. */
export interface RemoteFrame extends Numbered {
  readonly input: FrameInput;
}

/** The head of a frame, without its picture. */
export interface RemoteOutline extends Numbered {
  readonly outline: Omit<FrameOutline, 'sequence' | 'receivedAtUs'>;
}

/** A frame of a rendition as its maker, the stream's owner, sends it to the other gateways. */
export interface RemoteRendition extends Numbered {
  /** Number of the frame among those of its encoding: a gap shows that frames are missing. */
  readonly index: number;
  readonly frame: Omit<RenditionFrame, 'sequence' | 'receivedAtUs'>;
}

/** The JSON before the payload of a frame or a rendition. */
export interface CommonHead extends Numbered {
  readonly capturedAtUs: number | null;
  readonly width: number;
  readonly height: number;
  /** Size of the payload. */
  readonly bytes: number;
  /** Python JSON. */
  readonly message: string;
}

interface Head extends CommonHead {
  readonly encoding: Encoding;
  readonly wireHeader: string | null;
  readonly isTrusted: boolean;
}

interface RenditionHead extends CommonHead {
  readonly index: number;
  readonly pictureWidth: number;
  readonly pictureHeight: number;
  /** null for a JPEG. */
  readonly video: {
    readonly isKey: boolean;
    readonly codec?: string;
    /** Base64. */
    readonly description?: string;
  } | null;
}

/** A frame in messages: its head, and its payload in parts, which are views of it. */
export interface WireFrame {
  readonly head: Uint8Array;
  readonly parts: readonly Uint8Array[];
  /** Reply subject of a part, which names the frame and the part's position without a copy of the payload. */
  readonly partName: (index: number) => string;
}

/** Last tokens of the two subjects of a stream. */
export const HEAD = 'h';
export const PART = 'p';

/** Maximum number of parts of a frame. */
const MAX_PARTS = 65_536;

/** Maximum sequence number, so that a forged one cannot exhaust the numbers. */
const MAX_SEQUENCE = 2 ** 48;

/** Maximum age of a frame: one hour, in microseconds. */
const MAX_AGE_US = 3_600_000_000;

/**
 * Maximum size of a part, although NATS servers may allow more: other messages wait behind it, and on a slow link, nothing
 * else shows that the connection is alive.
 */
const MAX_PART_BYTES = 128 << 10;

export function encodeFrame(origin: string, frame: Frame, maxPayload: number): WireFrame {
  const { encoding, wireHeader, isTrusted = false, payload } = frame;
  const head: Head = { ...commonHead(origin, frame), encoding, wireHeader, isTrusted };
  return encodeHead(head, payload, maxPayload);
}

/** Encodes the head of a frame whose picture no gateway needs: without the message and NetGear's header. */
export function encodeOutline(origin: string, frame: Frame): WireFrame {
  const { encoding, payload } = frame;
  const head: Head = { ...commonHead(origin, frame, null), encoding, wireHeader: null, isTrusted: false };
  return { ...encodeHead(head, payload, MAX_PART_BYTES), parts: [] };
}

/** @param index see {@link RemoteRendition.index}. */
export function encodeRendition(origin: string, index: number, frame: RenditionFrame, maxPayload: number): WireFrame {
  const { encoding, rendition, payload } = frame;
  const { pictureWidth, pictureHeight } = rendition;
  let video: RenditionHead['video'] = null;
  if (encoding.kind === 'h264') {
    const { isKey, codec, description } = encoding;
    video = {
      isKey,
      ...(codec === undefined ? {} : { codec }),
      ...(description === undefined ? {} : { description: Buffer.from(description).toString('base64') }),
    };
  }
  const head: RenditionHead = { ...commonHead(origin, frame), index, pictureWidth, pictureHeight, video };
  return encodeHead(head, payload, maxPayload);
}

function commonHead(
  origin: string,
  frame: Omit<FrameHeader, 'encoding'> & { readonly message: Value; readonly payload: Uint8Array },
  message: Value = frame.message,
): CommonHead {
  const { sequence, receivedAtUs, capturedAtUs = null, width, height, payload } = frame;
  return {
    origin,
    sequence,
    ageUs: Math.min(MAX_AGE_US, Math.max(0, nowUs() - receivedAtUs)),
    capturedAtUs,
    width,
    height,
    bytes: payload.byteLength,
    message: formatPythonJson(message),
  };
}

function encodeHead(head: CommonHead, payload: Uint8Array, maxPayload: number): WireFrame {
  const bytes = Buffer.from(JSON.stringify(head));
  if (bytes.byteLength > maxPayload)
    throw new GearwayError(
      'too-large',
      `the message of the frame is ${bytes.byteLength} bytes, expected at most ${maxPayload} in this cluster (max_payload of the NATS server)`,
    );
  const partBytes = Math.min(maxPayload, MAX_PART_BYTES);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < payload.byteLength; at += partBytes) parts.push(payload.subarray(at, at + partBytes));
  return { head: bytes, parts, partName: (index) => partName(head, index) };
}

function partName({ origin, sequence }: Numbered, index: number): string {
  return `${origin}.${sequence}.${index}`;
}

/**
 * Reassembles frames. Some messages may be missing, and an incomplete frame is discarded when the next head arrives. Parts
 * of other frames are ignored: after the owner has changed its NATS server, they can arrive late.
 */
export class FrameAssembler<T> {
  readonly #kind: FrameKind<T>;
  readonly #onFrame: (frame: T) => void;
  readonly #onError: (error: unknown) => void;
  #head: CommonHead | null = null;
  /** Index of the next part. */
  #next = 0;
  /** Payload received so far, for a frame of several parts. */
  #payload = EMPTY;
  #received = 0;
  #size = { messages: 0, bytes: 0 };

  constructor(kind: FrameKind<T>, onFrame: (frame: T) => void, onError: (error: unknown) => void) {
    this.#kind = kind;
    this.#onFrame = onFrame;
    this.#onError = onError;
  }

  /** Size of the current frame, or of the last one. `messages` is known once the first part has arrived. */
  get size(): { readonly messages: number; readonly bytes: number } {
    return this.#size;
  }

  /** @returns null if the head is malformed. */
  head(bytes: Uint8Array): CommonHead | null {
    this.#reset();
    try {
      this.#head = parseHead(bytes, this.#kind);
    } catch (error) {
      this.#onError(error);
    }
    return this.#head;
  }

  /**
   * @param bytes owned by the assembler from now on.
   * @param name see {@link WireFrame.partName}.
   */
  part(bytes: Uint8Array, name: string): void {
    const head = this.#head;
    // The beginning of the frame is missing.
    if (head === null || name !== partName(head, this.#next)) return;
    this.#next += 1;
    const size = bytes.byteLength;
    if (this.#next === 1 && size < head.bytes) {
      // Memory is allocated only if the first part is large enough for a frame of this size.
      if (size * MAX_PARTS < head.bytes) {
        this.#reset();
        return;
      }
      this.#payload = Buffer.allocUnsafeSlow(head.bytes);
    }
    if (this.#next === 1) this.#size = { messages: 1 + Math.ceil(head.bytes / Math.max(1, size)), bytes: head.bytes };
    if (size === 0 || this.#received + size > head.bytes) {
      this.#reset();
      return;
    }
    const isWhole = size === head.bytes;
    if (!isWhole) this.#payload.set(bytes, this.#received);
    this.#received += size;
    if (this.#received < head.bytes) return;
    const payload = isWhole ? bytes : this.#payload;
    this.#reset();
    try {
      this.#onFrame(this.#kind.create(head, payload));
    } catch (error) {
      this.#onError(error);
    }
  }

  #reset(): void {
    this.#head = null;
    this.#next = 0;
    this.#payload = EMPTY;
    this.#received = 0;
  }
}

const EMPTY = new Uint8Array(0);

/** Checks and creates frames of one kind: those of the source, or of a rendition. */
export interface FrameKind<T> {
  /** Whether the head describes a picture. The stream's owner has checked it, but other programs can publish, too. */
  isValid(head: CommonHead): boolean;
  /** @param head valid. */
  create(head: CommonHead, payload: Uint8Array): T;
}

/** Unmodified frames of the source. */
export const SOURCE_FRAMES: FrameKind<RemoteFrame> = {
  isValid: (head) => isPicture(head as Head),
  create(head, payload) {
    const { origin, sequence, ageUs, width, height, encoding, capturedAtUs, message, wireHeader, isTrusted } =
      head as Head;
    return {
      origin,
      sequence,
      ageUs,
      input: {
        width,
        height,
        encoding,
        payload,
        capturedAtUs,
        message: parsePythonJson(message),
        wireHeader,
        isTrusted,
      },
    };
  },
};

/** @param head valid, of {@link SOURCE_FRAMES}. */
export function outlineOf(head: CommonHead): RemoteOutline {
  const { origin, sequence, ageUs, width, height, encoding, bytes } = head as Head;
  return { origin, sequence, ageUs, outline: { width, height, encoding, payload: { byteLength: bytes } } };
}

/** @param step name of the rendition. */
export function renditionFrames(step: string): FrameKind<RemoteRendition> {
  return {
    isValid: (head) => isRendition(head as RenditionHead),
    create(head, payload) {
      const {
        origin,
        sequence,
        ageUs,
        index,
        width,
        height,
        capturedAtUs,
        message,
        pictureWidth,
        pictureHeight,
        video,
      } = head as RenditionHead;
      const { isKey = false, codec, description } = video ?? {};
      return {
        origin,
        sequence,
        ageUs,
        index,
        frame: {
          width,
          height,
          capturedAtUs,
          message: parsePythonJson(message),
          rendition: { rendition: step, pictureWidth, pictureHeight },
          encoding:
            video === null
              ? { kind: 'jpeg' }
              : {
                  kind: 'h264',
                  isKey,
                  ...(codec === undefined ? {} : { codec }),
                  ...(description === undefined
                    ? {}
                    : { description: Uint8Array.from(Buffer.from(description, 'base64')) }),
                },
          payload,
        },
      };
    },
  };
}

function parseHead(bytes: Uint8Array, kind: FrameKind<unknown>): CommonHead {
  let head: CommonHead;
  try {
    head = JSON.parse(Buffer.from(bytes).toString('utf8')) as CommonHead;
    if (typeof head !== 'object' || head === null) throw new TypeError('it is not an object');
  } catch (error) {
    throw new GearwayError(
      'frame-invalid',
      `the head of a frame from another gateway is malformed: ${errorText(error)}`,
      { cause: error },
    );
  }
  const isSize = Number.isInteger(head.bytes) && head.bytes > 0 && head.bytes <= FRAME_LIMITS.payloadBytes;
  if (!isSize)
    throw new GearwayError(
      'frame-invalid',
      `the head of a frame from another gateway announces ${head.bytes} bytes, expected 1 to ${FRAME_LIMITS.payloadBytes}`,
    );
  if (!isNumbered(head) || !kind.isValid(head))
    throw new GearwayError(
      'frame-invalid',
      'the head of a frame from another gateway does not describe a picture of its size',
    );
  return head;
}

/** Whether the values that all frames have are within the limits of the viewer protocol, too. */
function isNumbered({ origin, sequence, ageUs, width, height, capturedAtUs, message }: CommonHead): boolean {
  const { side, pixels } = FRAME_LIMITS;
  return (
    typeof origin === 'string' &&
    isBetween(sequence, 1, MAX_SEQUENCE) &&
    isBetween(ageUs, 0, MAX_AGE_US) &&
    typeof message === 'string' &&
    message.length <= MAX_MESSAGE_JSON &&
    (capturedAtUs === null || isBetween(capturedAtUs, 0, Number.MAX_SAFE_INTEGER)) &&
    [width, height].every((length) => Number.isInteger(length) && length >= 1 && length <= side) &&
    width * height <= pixels
  );
}

function isBetween(value: number, from: number, to: number): boolean {
  return Number.isSafeInteger(value) && value >= from && value <= to;
}

function isRendition({ index, pictureWidth, pictureHeight, video }: RenditionHead): boolean {
  const { side } = FRAME_LIMITS;
  if (!Number.isSafeInteger(index)) return false;
  if (![pictureWidth, pictureHeight].every((length) => Number.isInteger(length) && length >= 1 && length <= side))
    return false;
  if (video === null) return true;
  if (typeof video !== 'object' || typeof video.isKey !== 'boolean') return false;
  const { codec, description } = video;
  if (!video.isKey) return codec === undefined && description === undefined;
  return isText(codec, MAX_CODEC) && isText(description, MAX_DESCRIPTION);
}

/** Maximum length of a description in base64. */
const MAX_DESCRIPTION = Math.floor(MAX_DESCRIPTION_BYTES / 3) * 4;

function isText(value: unknown, maxLength: number): boolean {
  return typeof value === 'string' && value.length <= maxLength;
}

/** Whether all clients can use the frame. */
function isPicture({ width, height, encoding, bytes, wireHeader, isTrusted }: Head): boolean {
  if ((wireHeader !== null && typeof wireHeader !== 'string') || typeof isTrusted !== 'boolean') return false;
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
