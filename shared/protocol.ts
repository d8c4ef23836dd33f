/**
 * The viewer protocol `gearway.v1`: every message as a tagged union, encoded and decoded side by side.
 * The specification is docs/protocol.md; this file follows it.
 */
import { Packr } from 'msgpackr';
import { errorText, GearwayError } from './errors.ts';
import type { Encoding, FrameHeader } from './frame.ts';
import { type Decoded, decodeMessagePack, type MessagePackLimits } from './message-pack.ts';
import type { NDArray } from './ndarray.ts';
import { MAX_FRAMES_PER_SECOND, QUALITIES, type Quality } from './quality.ts';
import type { StreamState } from './status.ts';

export { closeCode } from './close-code.ts';

/** The WebSocket sub-protocol's name. */
export const PROTOCOL = 'gearway.v1';

/** Number of bytes before the MessagePack header: type, flags, two reserved, header length (u32, big-endian). */
export const PRELUDE_BYTES = 8;

/** Names in the field `features` of a `hello`. */
export const feature = {
  /** The viewer shows renditions, reports `waitMs`, and reads `delivery`. */
  renditions: 'renditions',
  /** The viewer shows packed arrays. */
  packedArrays: 'packed-arrays',
  /** The viewer reads `controller`. */
  control: 'control',
} as const;

/** Maximum number of names in `features`, and maximum length of a name. */
const MAX_FEATURES = 16;
const MAX_FEATURE_LENGTH = 32;

/** Maximum number of bytes of any MessagePack header; {@link maxHeaderBytes} is lower for most types. */
export const MAX_HEADER_BYTES = 1 << 20;

/**
 * Maximum number of bytes of the header of a frame from the gateway. A number such as 0.5 takes 9 bytes, more than in
 * JSON, so a header may have 9/5 of {@link MAX_MESSAGE_JSON}.
 */
export const MAX_FRAME_HEADER_BYTES = 12 << 20;

/** Maximum length of a codec string, and number of bytes of a decoder's configuration. */
export const MAX_CODEC = 64;
export const MAX_DESCRIPTION_BYTES = 4096;

/** Maximum number of requests in a `controller`; a gateway has fewer. */
export const MAX_CONTROL_REQUESTS = 256;

/** Maximum length of a token. A JSON Web Token with an RSA signature has about 600 characters. */
const MAX_TOKEN = 2048;

/** Maximum size in bytes of a message before the peer is known: a `hello`. */
export const MAX_HELLO_BYTES = PRELUDE_BYTES + (4 << 10);

/** Types with this bit set may be ignored by a receiver that does not know them. */
const IGNORABLE = 0x80;

export const messageType = {
  hello: 0x01,
  ack: 0x02,
  return: 0x03,
  want: 0x04,
  ping: 0x05,
  control: 0x06,
  welcome: 0x11,
  frame: 0x12,
  state: 0x13,
  returned: 0x14,
  pong: 0x15,
  taken: 0x16,
  data: 0x17,
  delivery: 0x91,
  controller: 0x92,
} as const;

/**
 * Maximum size in bytes of a header by its type, if it is not {@link MAX_HEADER_BYTES}. Checked before any part of
 * the header is decoded.
 */
const HEADER_BYTES: ReadonlyMap<number, number> = new Map([
  [messageType.hello, MAX_HELLO_BYTES - PRELUDE_BYTES],
  [messageType.ack, 256],
  [messageType.want, 256],
  [messageType.ping, 256],
  [messageType.control, 256],
]);

/** Maximum number of bytes of the header of a message of this type. */
export function maxHeaderBytes(type: number): number {
  return HEADER_BYTES.get(type) ?? MAX_HEADER_BYTES;
}

/**
 * Maximum nesting of a header. Deeper values can be neither decoded nor refused with their id, so they end the
 * connection. The limit of values (`limits.depth`) is far lower.
 */
const MAX_HEADER_DEPTH = 512;

/**
 * Limits of a header that a viewer or a publisher sends. A list of as many 64-bit floats as fit in a header is within
 * them.
 */
export const PEER_LIMITS: MessagePackLimits = { depth: MAX_HEADER_DEPTH, elements: 1 << 17 };

/** Limits of a header that the gateway sends: the message of a NetGear server may have any number of elements. */
const GATEWAY_LIMITS: MessagePackLimits = { depth: MAX_HEADER_DEPTH, elements: Infinity };

/** Remaining budget of a peer for decoding headers that may be large. */
export interface ElementBudget {
  /** Number of elements that may be decoded now. */
  available(): number;
  /** Spends decoded elements, at most as many as were available. */
  spend(elements: number): void;
  /** The error of a message that has more elements than were available. */
  exceeded(): Error;
}

/** Codes of a refused `return`. */
export type ReturnRefusal =
  | 'value-invalid'
  | 'array-misfit'
  | 'jpeg-invalid'
  | 'jpeg-too-complex'
  | 'jpeg-unverifiable'
  | 'decoder-failed'
  | 'too-large'
  | 'too-many'
  | 'no-port'
  | 'not-allowed'
  | 'no-control'
  | 'superseded'
  | 'closed';

/**
 * A Python value in JavaScript: `int` is number or bigint, `float` is number, `dict` is an object, `list` an
 * array.
 */
export type Value = null | boolean | number | bigint | string | readonly Value[] | { readonly [key: string]: Value };

/**
 * Return data of a viewer. `sticky` data is valid until it is replaced or the socket ends; `once` data is delivered
 * once, in order.
 */
export type ReturnBody =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'jpeg'; readonly data: Uint8Array }
  | { readonly kind: 'array'; readonly array: NDArray };

export type Hello = {
  readonly type: 'hello';
  /** The requested port; any free port if absent. */
  readonly port?: number;
  /** Key of a lease: 32 hexadecimal digits, from the last `welcome`. */
  readonly leaseKey?: string;
  /** Whether to watch without a port. */
  readonly spectate?: boolean;
  readonly token?: string;
  /** A name for display in the list of clients. */
  readonly name?: string;
  /** For a publisher: whether to replace the active one. */
  readonly takeOver?: boolean;
  /** Extensions that the viewer knows; see {@link feature}. Unknown names are ignored. */
  readonly features?: readonly string[];
  /** The first `want` of a viewer, which already applies to the first frame. A gateway may ignore it. */
  readonly want?: WantFields;
};
/**
 * `sequence` is the newest frame whose decoding has started; it acknowledges all frames before it. The other fields are
 * totals since `hello`.
 */
export type Ack = {
  readonly type: 'ack';
  readonly sequence: number;
  readonly painted: number;
  readonly skipped: number;
  readonly failed: number;
  readonly decodeMs: number;
  /** Time from the frame's arrival at the gateway to its drawing, by the gateway's clock; absent while unknown. */
  readonly delayMs?: number;
  /** Whether none of the frames can be shown. */
  readonly failing?: boolean;
  /** How long the frame waited in the viewer before its decoding started, which is not a property of the link. */
  readonly waitMs?: number;
};
/** `urgent`: a sticky value that overtakes and discards all pending values of its viewer, such as an emergency stop. */
export type Return = {
  readonly type: 'return';
  readonly id: number;
  readonly mode: 'sticky' | 'once';
  readonly ttlMs?: number;
  readonly urgent?: boolean;
  readonly body: ReturnBody;
};
/** Fields of `want`. One that is absent keeps its last value. */
export type WantFields = {
  readonly paused?: boolean;
  /** Maximum frame rate, 0.1 to 1000; 1000 means no limit in practice. */
  readonly maxFramesPerSecond?: number;
  readonly raw?: boolean;
  /** Whether the viewer cannot decode the JPEGs, and requests baseline JPEGs. */
  readonly baseline?: boolean;
  /** Whether the viewer decodes H.264; false again if its decoder fails. */
  readonly video?: boolean;
  readonly quality?: Quality;
  /** Maximum bit rate; 0 for no limit. */
  readonly maxBitsPerSecond?: number;
  /** Size at which the picture is shown, in device pixels; 0 if the viewer needs every pixel. */
  readonly width?: number;
  readonly height?: number;
};
export type Want = WantFields & { readonly type: 'want' };
type Ping = { readonly type: 'ping'; readonly id: number };
export type ControlAction = (typeof CONTROL_ACTIONS)[number];
/** All values of {@link ControlAction}. */
export const CONTROL_ACTIONS = ['take', 'request', 'release', 'hand-over', 'refuse'] as const;
/** Changes who has control of a stream with exclusive control. Answered by `returned`. */
export type ControlMessage = {
  readonly type: 'control';
  /** Id, from the same sequence as those of `return`. */
  readonly id: number;
  readonly action: ControlAction;
  /** For `hand-over`, the port that gets control; for `refuse`, the port whose request is refused. */
  readonly port?: number;
};
export type ViewerMessage = Hello | Ack | Return | Want | Ping | ControlMessage;

export type Welcome = {
  readonly type: 'welcome';
  readonly stream: string;
  /** Port; null for a spectator. */
  readonly port: number | null;
  /** Why a viewer without `spectate` has no port; absent otherwise. */
  readonly spectatorReason?: string;
  readonly leaseKey: string | null;
  readonly rights: readonly string[];
  readonly limits: { readonly messageBytes: number; readonly messagesPerSecond: number; readonly depth: number };
  readonly state: StreamState;
  readonly reason: string;
  /** The gateway's clock, microseconds of Unix time. */
  readonly clockUs: number;
  /** Holder of control of a stream with exclusive control; absent if control is shared. */
  readonly control?: { readonly port: number | null; readonly name: string };
};
/** An encoding of a frame that differs from the source's: its name, and the size of its picture. */
export interface RenditionHeader {
  readonly rendition: string;
  /** Pixels. */
  readonly pictureWidth: number;
  /** Pixels. */
  readonly pictureHeight: number;
}
/** H.264 of a rendition: one access unit, whose NAL units are prefixed with their lengths (ISO 14496-15). */
export interface VideoEncodingHeader {
  readonly kind: 'h264';
  /** Whether decoding can begin with this access unit. */
  readonly isKey: boolean;
  /** For a key frame: codec string of WebCodecs, such as `avc1.42c028`. */
  readonly codec?: string;
  /** For a key frame: the decoder's configuration, `avcC`. */
  readonly description?: Uint8Array;
}
/** Samples as in {@link Encoding}, filtered (`arrays/packed-samples.ts`) and compressed with zlib (RFC 1950). */
export interface PackedArrayHeader {
  readonly kind: 'packed';
  readonly dtype: string;
  readonly shape: readonly number[];
}
/** Encoding of a frame's payload as it is sent to viewers. */
export type MessageEncoding = Encoding | PackedArrayHeader | VideoEncodingHeader;
/** Width and height are those of the source's frame; `rendition` describes a payload that differs from it. */
export type FrameMessage = Omit<FrameHeader, 'encoding'> & { readonly encoding: MessageEncoding } & {
  readonly type: 'frame';
  readonly message: Value;
  readonly payload: Uint8Array;
  readonly rendition?: RenditionHeader;
};
export type State = {
  readonly type: 'state';
  readonly state: StreamState;
  readonly reason: string;
  /** Sent after a pause: frames with a smaller sequence number are old and must not be drawn. */
  readonly resumeSequence?: number;
};
export type Returned = {
  readonly type: 'returned';
  readonly id: number;
  readonly accepted: boolean;
  readonly code?: string;
  readonly reason?: string;
};
/** `window`: maximum number of frames in flight to this viewer. */
export type Pong = { readonly type: 'pong'; readonly id: number; readonly clockUs: number; readonly window?: number };
/**
 * Describes the pictures that the viewer receives, and the reason for them. Sent to viewers with the feature
 * `renditions` when it changes, at most once per second.
 */
export type Delivery = {
  readonly type: 'delivery';
  /**
   * A description such as `JPEG 640×360 q50, 1.1 Mbit/s: link 1.4 Mbit/s`; empty while the viewer receives the source's
   * frames.
   */
  readonly text: string;
  /** Whether the link is too slow for the stream. */
  readonly isLimited: boolean;
  /** Throughput of the link as last measured; absent while unknown. */
  readonly linkBitsPerSecond?: number;
};
/**
 * Reports who has control of a stream in which only the holder's return data is accepted. Sent to viewers with the
 * feature `control` when it changes.
 */
export type Controller = {
  readonly type: 'controller';
  /** Port of the holder; null while nobody has control. */
  readonly port: number | null;
  /** Name that the holder chose; may be empty. */
  readonly name: string;
  /** Pending requests: the holder receives all of them, each other viewer only its own. */
  readonly requests: readonly {
    readonly port: number;
    readonly name: string;
    readonly remainingMs: number;
  }[];
  /** Why this viewer did not get control, or has lost it. */
  readonly code?: string;
  readonly reason?: string;
};
export type GatewayMessage = Welcome | FrameMessage | State | Returned | Pong | Delivery | Controller;

/**
 * A frame that a publisher sends; `sequence` is the publisher's own increasing number. The gateway reads the size from the
 * picture.
 */
export type PublishedFrame = Pick<FrameHeader, 'sequence' | 'capturedAtUs' | 'encoding'> & {
  readonly type: 'frame';
  readonly message: Value;
  readonly payload: Uint8Array;
};
export type PublisherMessage = Hello | PublishedFrame | Ping;

/**
 * Acknowledges that the gateway has read all frames up to `sequence`. With `code`, the frame with this number was
 * refused. `clients`: current number of clients of the stream.
 */
export type Taken = {
  readonly type: 'taken';
  readonly sequence: number;
  readonly clients: number;
  readonly code?: string;
  readonly reason?: string;
};
/** Return data of a client of the stream: a sticky value when it changes, and each once-only value. */
export type Data = {
  readonly type: 'data';
  readonly port: number;
  readonly mode: 'sticky' | 'once';
  readonly body: ReturnBody;
};
export type PublisherAnswer = Welcome | Taken | Data | Pong;

// `useRecords: false`: plain maps that any MessagePack library reads. Integers beyond 64 bits are extension 0x42.
// `structuredClone: false`: no references between values, with which 300 bytes could expand to gigabytes of JSON.
// `variableMapSize`: each map in its shortest form, as in the examples of the specification.
const codec = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  useBigIntExtension: true,
  structuredClone: false,
  variableMapSize: true,
});

/**
 * Encodes prelude and header. A payload follows by reference.
 *
 * @returns new memory, whose length is a multiple of 8.
 */
function encodeHead(type: number, header: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  const packed = codec.pack(header);
  const head = new Uint8Array(PRELUDE_BYTES + Math.ceil(packed.byteLength / 8) * 8);
  head[0] = type;
  new DataView(head.buffer).setUint32(4, packed.byteLength);
  head.set(packed, PRELUDE_BYTES);
  return head;
}

type Fields = { readonly [key: string]: unknown };

interface RawMessage {
  readonly type: number;
  readonly fields: Fields;
  /** Payload, a view of the message's memory. */
  readonly payload: Uint8Array;
}

function bad(message: string, cause?: unknown): GearwayError {
  return new GearwayError('message-invalid', message, { cause });
}

/** The message types that are decoded, and their limits. */
interface Dialect {
  readonly types: ReadonlySet<number>;
  readonly limits: MessagePackLimits;
  /** Maximum number of bytes of the header of a frame; default as {@link maxHeaderBytes}. */
  readonly frameHeaderBytes?: number;
}

/** Splits a message. @returns undefined for an unknown type that may be ignored. */
function decodeRaw(
  bytes: Uint8Array,
  { types, limits, frameHeaderBytes }: Dialect,
  budget?: ElementBudget,
): RawMessage | undefined {
  if (bytes.byteLength < PRELUDE_BYTES)
    throw bad(`message is ${bytes.byteLength} bytes, expected at least ${PRELUDE_BYTES}`);
  const type = bytes[0] ?? 0;
  const headerBytes = readUint32(bytes, 4);
  const payloadStart = PRELUDE_BYTES + Math.ceil(headerBytes / 8) * 8;
  const maxBytes = (type === messageType.frame ? frameHeaderBytes : undefined) ?? maxHeaderBytes(type);
  if (headerBytes > maxBytes)
    throw bad(`header of type 0x${hexByte(type)} is ${headerBytes} bytes, expected at most ${maxBytes}`);
  if (payloadStart > bytes.byteLength)
    throw bad(`message is ${bytes.byteLength} bytes, its header announces ${payloadStart}`);
  if (!types.has(type)) {
    if (type & IGNORABLE) return undefined;
    throw bad(`unknown message type 0x${hexByte(type)}`);
  }
  const { value: fields } =
    budget === undefined || maxBytes < MAX_HEADER_BYTES
      ? decodeHeader(bytes, headerBytes, limits)
      : decodeWithin(budget, bytes, headerBytes, limits);
  if (!isMap(fields)) throw bad('header is not a MessagePack map');
  return { type, fields, payload: bytes.subarray(payloadStart) };
}

function readUint32(bytes: Uint8Array, at: number): number {
  const low = ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  return (bytes[at] ?? 0) * 2 ** 24 + low;
}

/** Decodes no more than the budget allows, so that a peer that has used up its budget causes no work. */
function decodeWithin(
  budget: ElementBudget,
  bytes: Uint8Array,
  headerBytes: number,
  limits: MessagePackLimits,
): Decoded {
  const available = Math.floor(budget.available());
  if (available >= limits.elements) {
    const decoded = decodeHeader(bytes, headerBytes, limits);
    budget.spend(decoded.elements);
    return decoded;
  }
  try {
    const decoded = decodeMessagePack(bytes, PRELUDE_BYTES, PRELUDE_BYTES + headerBytes, {
      ...limits,
      elements: available,
    });
    budget.spend(decoded.elements);
    return decoded;
  } catch (error) {
    if (!(error instanceof GearwayError) || error.code !== 'message-pack-too-large')
      throw bad(`header is not one MessagePack value: ${errorText(error)}`, error);
    budget.spend(available);
    throw budget.exceeded();
  }
}

function decodeHeader(bytes: Uint8Array, headerBytes: number, limits: MessagePackLimits): Decoded {
  try {
    return decodeMessagePack(bytes, PRELUDE_BYTES, PRELUDE_BYTES + headerBytes, limits);
  } catch (error) {
    throw bad(`header is not one MessagePack value: ${errorText(error)}`, error);
  }
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/** Checks for a map, because binary, timestamps and lists are objects, too. */
function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

// Field readers. Each one names the field in its error. `undefined` and null both count as absent.

function number(fields: Fields, key: string, min: number, max: number): number {
  const raw = fields[key];
  const value = typeof raw === 'bigint' ? Number(raw) : raw;
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw bad(`field ${key} is ${describe(raw)}, expected a number from ${min} to ${max}`);
  return value;
}

function integer(fields: Fields, key: string, max = Number.MAX_SAFE_INTEGER): number {
  const value = number(fields, key, 0, max);
  if (!Number.isInteger(value)) throw bad(`field ${key} is ${value}, expected an integer`);
  return value;
}

function text(fields: Fields, key: string, maxLength: number): string {
  const value = fields[key];
  if (typeof value !== 'string' || value.length > maxLength)
    throw bad(`field ${key} is ${describe(value)}, expected a string of at most ${maxLength} characters`);
  return value;
}

function boolean(fields: Fields, key: string): boolean {
  const value = fields[key];
  if (typeof value !== 'boolean') throw bad(`field ${key} is ${describe(value)}, expected true or false`);
  return value;
}

function optional<T>(fields: Fields, key: string, read: (fields: Fields, key: string) => T): { [name in string]?: T } {
  return isAbsent(fields[key]) ? {} : { [key]: read(fields, key) };
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `a string of ${value.length} characters`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'a map';
  return String(value);
}

const oneOf =
  <T extends string>(...allowed: readonly T[]) =>
  (fields: Fields, key: string): T => {
    const value = fields[key];
    const found = allowed.find((name) => name === value);
    if (found === undefined) throw bad(`field ${key} is ${describe(value)}, expected one of ${allowed.join(', ')}`);
    return found;
  };

const streamState = oneOf<StreamState>('waiting', 'live', 'stale', 'ended');

function shape(fields: Fields): readonly number[] {
  const value = fields['shape'];
  if (!Array.isArray(value) || value.length > 8 || !value.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw bad('field shape is not a list of at most 8 sizes');
  }
  return value as number[];
}

function noPayload(message: RawMessage): void {
  if (message.payload.byteLength !== 0)
    throw bad(`message has ${message.payload.byteLength} bytes after its header, expected none`);
}

const VIEWER: Dialect = {
  types: new Set<number>([
    messageType.hello,
    messageType.ack,
    messageType.return,
    messageType.want,
    messageType.ping,
    messageType.control,
  ]),
  limits: PEER_LIMITS,
};
const PUBLISHER: Dialect = {
  types: new Set<number>([messageType.hello, messageType.frame, messageType.ping]),
  limits: PEER_LIMITS,
};
const ANSWER: Dialect = {
  types: new Set<number>([messageType.welcome, messageType.taken, messageType.data, messageType.pong]),
  limits: GATEWAY_LIMITS,
};
const GATEWAY: Dialect = {
  types: new Set<number>([
    messageType.welcome,
    messageType.frame,
    messageType.state,
    messageType.returned,
    messageType.pong,
    messageType.delivery,
    messageType.controller,
  ]),
  limits: GATEWAY_LIMITS,
  frameHeaderBytes: MAX_FRAME_HEADER_BYTES,
};

/** Encodes a message without payload: one binary WebSocket message. */
export function encodeMessage(
  message: Exclude<ViewerMessage, Return> | Exclude<GatewayMessage, FrameMessage> | Taken,
): Uint8Array<ArrayBuffer> {
  const { type, ...header } = message;
  return encodeHead(messageType[type], header);
}

/** A message in two parts, to be sent as one; the payload is the sender's own memory. */
interface EncodedMessage {
  readonly head: Uint8Array<ArrayBuffer>;
  /** Empty for a value. */
  readonly payload: Uint8Array;
}

/** Encodes a `return`: head and payload (empty for a value), to be joined into one binary message. */
export function encodeReturn({ id, mode, ttlMs, urgent, body }: Return): EncodedMessage {
  return encodeBody(
    messageType.return,
    { id, mode, ...(ttlMs === undefined ? {} : { ttlMs }), ...(urgent === undefined ? {} : { urgent }) },
    body,
  );
}

/** Encodes a `data`, as {@link encodeReturn} does. */
export function encodeData({ port, mode, body }: Data): EncodedMessage {
  return encodeBody(messageType.data, { port, mode }, body);
}

function encodeBody(type: number, fields: Record<string, unknown>, body: ReturnBody): EncodedMessage {
  const common = { ...fields, kind: body.kind };
  switch (body.kind) {
    case 'value':
      return { head: encodeHead(type, { ...common, value: body.value }), payload: new Uint8Array(0) };
    case 'jpeg':
      return { head: encodeHead(type, common), payload: body.data };
    case 'array':
      return {
        head: encodeHead(type, { ...common, dtype: body.array.dtype, shape: body.array.shape }),
        payload: body.array.data,
      };
    default:
      return body satisfies never;
  }
}

/** Encodes the head of a frame that a publisher sends. The payload follows in the same WebSocket message. */
export function encodePublishedHead({
  sequence,
  capturedAtUs = null,
  encoding,
  message,
}: Omit<PublishedFrame, 'payload' | 'type'>): Uint8Array<ArrayBuffer> {
  return encodeHead(messageType.frame, {
    sequence,
    ...(capturedAtUs === null ? {} : { capturedAtUs }),
    encoding: encoding.kind,
    ...(encoding.kind === 'raw' ? { dtype: encoding.dtype, shape: encoding.shape } : {}),
    message,
  });
}

/**
 * Encodes a frame's head, once per frame and rendition for all viewers. The payload follows by reference.
 *
 * @param rendition describes a payload that differs from the source's.
 */
export function encodeFrameHead(
  frame: Omit<FrameHeader, 'encoding'> & { readonly encoding: MessageEncoding },
  message: Value,
  rendition?: RenditionHeader,
): Uint8Array<ArrayBuffer> {
  const { sequence, receivedAtUs, capturedAtUs = null, width, height, encoding } = frame;
  // Copied field by field, because a spread would take more time per frame than the rest of the encoding.
  const header: Record<string, unknown> = { sequence, receivedAtUs };
  if (capturedAtUs !== null) header['capturedAtUs'] = capturedAtUs;
  header['width'] = width;
  header['height'] = height;
  header['encoding'] = encoding.kind;
  if (encoding.kind === 'raw' || encoding.kind === 'packed') {
    header['dtype'] = encoding.dtype;
    header['shape'] = encoding.shape;
  } else if (encoding.kind === 'h264') {
    header['isKey'] = encoding.isKey;
    if (encoding.codec !== undefined) header['codec'] = encoding.codec;
    if (encoding.description !== undefined) header['description'] = encoding.description;
  }
  if (rendition !== undefined) {
    header['rendition'] = rendition.rendition;
    header['pictureWidth'] = rendition.pictureWidth;
    header['pictureHeight'] = rendition.pictureHeight;
  }
  header['message'] = message;
  return encodeHead(messageType.frame, header);
}

function decodeReturn(message: RawMessage): Return {
  const { fields } = message;
  return {
    type: 'return',
    id: integer(fields, 'id'),
    mode: oneOf('sticky', 'once')(fields, 'mode'),
    ...optional(fields, 'ttlMs', (f, key) => number(f, key, 1, 86_400_000)),
    ...optional(fields, 'urgent', boolean),
    body: decodeBody(message),
  };
}

function decodeBody(message: RawMessage): ReturnBody {
  const { fields, payload } = message;
  const kind = oneOf('value', 'jpeg', 'array')(fields, 'kind');
  switch (kind) {
    case 'value':
      noPayload(message);
      // The content of a value is checked where the value is accepted, so that an invalid value is refused with its id
      // instead of closing the connection.
      return { kind, value: (fields['value'] ?? null) as Value };
    case 'jpeg':
      return { kind, data: payload };
    case 'array':
      return { kind, array: { dtype: text(fields, 'dtype', 16), shape: shape(fields), data: payload } };
    default:
      return kind satisfies never;
  }
}

/**
 * Decodes a message of a viewer. Binary fields are views of `bytes`.
 *
 * @param budget the remaining budget of the peer; only headers that may be large count.
 * @returns undefined for a message that may be ignored.
 * @throws {GearwayError} `message-invalid`; the error from `budget.exceeded()`.
 */
export function decodeViewerMessage(bytes: Uint8Array, budget?: ElementBudget): ViewerMessage | undefined {
  const message = decodeRaw(bytes, VIEWER, budget);
  if (message === undefined) return undefined;
  if (message.type === messageType.return) return decodeReturn(message);
  noPayload(message);
  const { fields } = message;
  switch (message.type) {
    case messageType.hello:
      return decodeHello(fields);
    case messageType.ack: {
      // Decoded without object spreads, because this message arrives for every frame of every viewer.
      const ack: { -readonly [K in keyof Ack]: Ack[K] } = {
        type: 'ack',
        sequence: integer(fields, 'sequence'),
        painted: integer(fields, 'painted'),
        skipped: integer(fields, 'skipped'),
        failed: integer(fields, 'failed'),
        decodeMs: number(fields, 'decodeMs', 0, 60_000),
      };
      if (!isAbsent(fields['delayMs'])) ack.delayMs = number(fields, 'delayMs', 0, 86_400_000);
      if (!isAbsent(fields['waitMs'])) ack.waitMs = number(fields, 'waitMs', 0, 86_400_000);
      if (!isAbsent(fields['failing'])) ack.failing = boolean(fields, 'failing');
      return ack;
    }
    case messageType.want:
      return { type: 'want', ...decodeWantFields(fields) };
    case messageType.control:
      return decodeControl(fields);
    default:
      return { type: 'ping', id: integer(fields, 'id') };
  }
}

/**
 * Decodes a message from the gateway to a viewer. A frame's payload is a view of `bytes`, aligned to 8 bytes if `bytes`
 * is.
 *
 * @returns undefined for a message that may be ignored.
 * @throws {GearwayError} `message-invalid`.
 */
export function decodeGatewayMessage(bytes: Uint8Array): GatewayMessage | undefined {
  const message = decodeRaw(bytes, GATEWAY);
  if (message === undefined) return undefined;
  const { fields, payload } = message;
  if (message.type === messageType.frame) {
    return {
      type: 'frame',
      sequence: integer(fields, 'sequence'),
      receivedAtUs: integer(fields, 'receivedAtUs'),
      ...optional(fields, 'capturedAtUs', integer),
      width: integer(fields, 'width', 65_535),
      height: integer(fields, 'height', 65_535),
      encoding: decodeMessageEncoding(fields),
      message: (fields['message'] ?? null) as Value,
      payload,
      ...decodeRendition(fields),
    };
  }
  noPayload(message);
  switch (message.type) {
    case messageType.welcome:
      return decodeWelcome(fields);
    case messageType.delivery:
      return {
        type: 'delivery',
        text: text(fields, 'text', 1024),
        isLimited: boolean(fields, 'isLimited'),
        ...optional(fields, 'linkBitsPerSecond', (f, key) => number(f, key, 0, 1e15)),
      };
    case messageType.controller:
      return decodeController(fields);
    case messageType.state:
      return {
        type: 'state',
        state: streamState(fields, 'state'),
        reason: text(fields, 'reason', 4096),
        ...optional(fields, 'resumeSequence', integer),
      };
    case messageType.returned:
      return {
        type: 'returned',
        id: integer(fields, 'id'),
        accepted: boolean(fields, 'accepted'),
        ...optional(fields, 'code', (f, key) => text(f, key, 64)),
        ...optional(fields, 'reason', (f, key) => text(f, key, 4096)),
      };
    default:
      return decodePong(fields);
  }
}

/**
 * Decodes a message of a publisher. Binary fields are views of `bytes`.
 *
 * @param budget the remaining budget of the peer; only headers that may be large count.
 * @returns undefined for a message that may be ignored.
 * @throws {GearwayError} `message-invalid`; the error from `budget.exceeded()`.
 */
export function decodePublisherMessage(bytes: Uint8Array, budget?: ElementBudget): PublisherMessage | undefined {
  const message = decodeRaw(bytes, PUBLISHER, budget);
  if (message === undefined) return undefined;
  const { fields, payload } = message;
  if (message.type === messageType.frame) {
    return {
      type: 'frame',
      sequence: integer(fields, 'sequence'),
      ...optional(fields, 'capturedAtUs', integer),
      encoding: decodeEncoding(fields),
      message: (fields['message'] ?? null) as Value,
      payload,
    };
  }
  noPayload(message);
  return message.type === messageType.hello ? decodeHello(fields) : { type: 'ping', id: integer(fields, 'id') };
}

/**
 * Decodes a message from the gateway to a publisher. Binary fields are views of `bytes`.
 *
 * @returns undefined for a message that may be ignored.
 * @throws {GearwayError} `message-invalid`.
 */
export function decodePublisherAnswer(bytes: Uint8Array): PublisherAnswer | undefined {
  const message = decodeRaw(bytes, ANSWER);
  if (message === undefined) return undefined;
  const { fields } = message;
  if (message.type === messageType.data) {
    return {
      type: 'data',
      port: integer(fields, 'port', 65_535),
      mode: oneOf('sticky', 'once')(fields, 'mode'),
      body: decodeBody(message),
    };
  }
  noPayload(message);
  switch (message.type) {
    case messageType.welcome:
      return decodeWelcome(fields);
    case messageType.taken:
      return {
        type: 'taken',
        sequence: integer(fields, 'sequence'),
        clients: integer(fields, 'clients'),
        ...optional(fields, 'code', (f, key) => text(f, key, 64)),
        ...optional(fields, 'reason', (f, key) => text(f, key, 4096)),
      };
    default:
      return decodePong(fields);
  }
}

// Readers shared by several messages, or by both halves of the protocol.

function decodeHello(fields: Fields): Hello {
  return {
    type: 'hello',
    ...optional(fields, 'port', (f, key) => integer(f, key, 65_535)),
    ...optional(fields, 'leaseKey', (f, key) => text(f, key, 32)),
    ...optional(fields, 'spectate', boolean),
    ...optional(fields, 'token', (f, key) => text(f, key, MAX_TOKEN)),
    ...optional(fields, 'name', (f, key) => text(f, key, 64)),
    ...optional(fields, 'takeOver', boolean),
    ...optional(fields, 'features', names),
    ...optional(fields, 'want', (f, key) => decodeWantFields(map(f, key))),
  };
}

function map(fields: Fields, key: string): Fields {
  const value = fields[key];
  if (!isMap(value)) throw bad(`field ${key} is ${describe(value)}, expected a map`);
  return value;
}

function decodeWantFields(fields: Fields): WantFields {
  return {
    ...optional(fields, 'paused', boolean),
    ...optional(fields, 'maxFramesPerSecond', (f, key) => number(f, key, 0.1, MAX_FRAMES_PER_SECOND)),
    ...optional(fields, 'raw', boolean),
    ...optional(fields, 'baseline', boolean),
    ...optional(fields, 'video', boolean),
    ...optional(fields, 'quality', oneOf<Quality>(...QUALITIES)),
    ...optional(fields, 'maxBitsPerSecond', (f, key) => number(f, key, 0, 1e12)),
    ...optional(fields, 'width', (f, key) => integer(f, key, 65_535)),
    ...optional(fields, 'height', (f, key) => integer(f, key, 65_535)),
  };
}

function decodeControl(fields: Fields): ControlMessage {
  const action = oneOf(...CONTROL_ACTIONS)(fields, 'action');
  const namesPort = action === 'hand-over' || action === 'refuse';
  return {
    type: 'control',
    id: integer(fields, 'id'),
    action,
    ...(namesPort ? { port: integer(fields, 'port', 65_535) } : {}),
  };
}

function decodeController(fields: Fields): Controller {
  const requests = fields['requests'];
  if (!Array.isArray(requests) || requests.length > MAX_CONTROL_REQUESTS || !requests.every(isMap))
    throw bad(`field requests is ${describe(requests)}, expected a list of maps`);
  return {
    type: 'controller',
    ...decodeHolder(fields),
    requests: requests.map((request) => ({
      port: integer(request, 'port', 65_535),
      name: text(request, 'name', 256),
      remainingMs: number(request, 'remainingMs', 0, 86_400_000),
    })),
    ...optional(fields, 'code', (f, key) => text(f, key, 64)),
    ...optional(fields, 'reason', (f, key) => text(f, key, 4096)),
  };
}

function decodeHolder(fields: Fields): Pick<Controller, 'port' | 'name'> {
  return { port: isAbsent(fields['port']) ? null : integer(fields, 'port', 65_535), name: text(fields, 'name', 256) };
}

/** Reads a list of names. Names longer than any known one are ignored, like all unknown ones. */
function names(fields: Fields, key: string): readonly string[] {
  const value = fields[key];
  if (!Array.isArray(value) || value.length > MAX_FEATURES)
    throw bad(`field ${key} is ${describe(value)}, expected a list of at most ${MAX_FEATURES} names`);
  return value.filter((name): name is string => typeof name === 'string' && name.length <= MAX_FEATURE_LENGTH);
}

function binary(fields: Fields, key: string): Uint8Array {
  const value = fields[key];
  if (!(value instanceof Uint8Array) || value.byteLength > MAX_DESCRIPTION_BYTES)
    throw bad(`field ${key} is ${describe(value)}, expected at most ${MAX_DESCRIPTION_BYTES} bytes`);
  return value;
}

function decodeMessageEncoding(fields: Fields): MessageEncoding {
  if (fields['encoding'] === 'h264') return decodeVideo(fields);
  if (fields['encoding'] === 'packed')
    return { kind: 'packed', dtype: text(fields, 'dtype', 16), shape: shape(fields) };
  return decodeEncoding(fields);
}

function decodeVideo(fields: Fields): VideoEncodingHeader {
  return {
    kind: 'h264',
    isKey: boolean(fields, 'isKey'),
    ...optional(fields, 'codec', (f, key) => text(f, key, MAX_CODEC)),
    ...optional(fields, 'description', binary),
  };
}

function decodeRendition(fields: Fields): { readonly rendition?: RenditionHeader } {
  if (isAbsent(fields['rendition'])) return {};
  return {
    rendition: {
      rendition: text(fields, 'rendition', 64),
      pictureWidth: integer(fields, 'pictureWidth', 65_535),
      pictureHeight: integer(fields, 'pictureHeight', 65_535),
    },
  };
}

function decodeEncoding(fields: Fields): Encoding {
  const kind = oneOf('jpeg', 'raw')(fields, 'encoding');
  return kind === 'jpeg' ? { kind } : { kind, dtype: text(fields, 'dtype', 16), shape: shape(fields) };
}

function decodeWelcome(fields: Fields): Welcome {
  const limits = map(fields, 'limits');
  const rights = fields['rights'];
  if (!Array.isArray(rights) || !rights.every((right) => typeof right === 'string'))
    throw bad('field rights is not a list of names');
  return {
    type: 'welcome',
    stream: text(fields, 'stream', 256),
    port: fields['port'] === null ? null : integer(fields, 'port', 65_535),
    ...optional(fields, 'spectatorReason', (f, key) => text(f, key, 4096)),
    leaseKey: fields['leaseKey'] === null ? null : text(fields, 'leaseKey', 32),
    rights,
    limits: {
      messageBytes: integer(limits, 'messageBytes'),
      messagesPerSecond: integer(limits, 'messagesPerSecond'),
      depth: integer(limits, 'depth'),
    },
    state: streamState(fields, 'state'),
    reason: text(fields, 'reason', 4096),
    clockUs: integer(fields, 'clockUs'),
    ...optional(fields, 'control', (f, key) => decodeHolder(map(f, key))),
  };
}

function decodePong(fields: Fields): Pong {
  return {
    type: 'pong',
    id: integer(fields, 'id'),
    clockUs: integer(fields, 'clockUs'),
    ...optional(fields, 'window', (f, key) => integer(f, key, 255)),
  };
}
