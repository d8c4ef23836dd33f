/**
 * The bytes that both servers and the viewers of fan-out exchange: a viewer's prepared and masked handshake,
 * `hello` and acknowledgement, and a prepared frame. WebSocket framing: RFC 6455, 5.2.
 */
import { createHash } from 'node:crypto';
import { repairJpeg } from '../../gateway/codecs/repair-jpeg.ts';
import { encodeFrameHead, encodeMessage, PROTOCOL, type Want } from '../../shared/protocol.ts';

/** Size of a frame's payload. Above 65535, so that its WebSocket header is the long one. */
export const PAYLOAD_BYTES = 100_000;

/** Size of a payload for a thin link. */
export const SMALL_PAYLOAD_BYTES = 20_000;

const WIDTH = 1280;
const HEIGHT = 720;
const MASK = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
const BINARY = 0x02;
const FIN = 0x80;

/**
 * Data with the markers of a JPEG, of exactly this size. It is never decoded. It contains Huffman tables, because the
 * gateway would otherwise copy each frame to add them.
 */
export function createPayload(bytes = PAYLOAD_BYTES): Buffer {
  const tables = repairJpeg(createMarkers(bytes)).jpeg.byteLength - bytes;
  const { buffer, byteOffset } = repairJpeg(createMarkers(bytes - tables)).jpeg;
  return Buffer.from(buffer, byteOffset, bytes);
}

function createMarkers(bytes: number): Buffer {
  const payload = Buffer.alloc(bytes);
  for (let i = 0; i < payload.length; i += 1) payload[i] = (i * 167 + (i >> 8)) % 0xff; // All bytes except 0xff, which begins a marker.
  const startOfFrame = [
    0xff,
    0xc0,
    0,
    17,
    8,
    HEIGHT >> 8,
    HEIGHT & 0xff,
    WIDTH >> 8,
    WIDTH & 0xff,
    3,
    1,
    0x22,
    0,
    2,
    0x11,
    1,
    3,
    0x11,
    1,
  ];
  const startOfScan = [0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0];
  payload.set([0xff, 0xd8, ...startOfFrame, ...startOfScan]);
  payload.set([0xff, 0xd9], payload.length - 2);
  return payload;
}

/** A frame's message as the gateway sends it, in one buffer. */
export function createMessage(): Buffer {
  const encoding = { kind: 'jpeg' } as const;
  const head = encodeFrameHead(
    { sequence: 1_000_000, receivedAtUs: 1766400000000000, width: WIDTH, height: HEIGHT, encoding },
    null,
  );
  return Buffer.concat([head, createPayload()]);
}

/** A frame's message as a WebSocket frame, with its header. */
export function createFrameBytes(): Buffer {
  const message = createMessage();
  const header = Buffer.alloc(10);
  header[0] = FIN | BINARY;
  header[1] = 127;
  header.writeBigUInt64BE(BigInt(message.length), 2);
  return Buffer.concat([header, message]);
}

/** The request that opens a viewer's WebSocket. */
export function handshakeRequest(port: number): string {
  return [
    'GET /streams/main/ws HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `Sec-WebSocket-Protocol: ${PROTOCOL}`,
    '\r\n',
  ].join('\r\n');
}

/** The response to {@link handshakeRequest}. */
export function handshakeResponse(request: string): string {
  const key = /^sec-websocket-key: *(\S+)/im.exec(request)?.[1] ?? '';
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Accept: ${accept}`,
    `Sec-WebSocket-Protocol: ${PROTOCOL}`,
    '\r\n',
  ].join('\r\n');
}

/** `hello` as a masked WebSocket frame. */
export const HELLO = mask(encodeMessage({ type: 'hello', name: 'bench' }));

/** `hello` of a viewer without a port, as a masked WebSocket frame. */
export const SPECTATOR_HELLO = mask(encodeMessage({ type: 'hello', name: 'bench', spectate: true }));

/** `want` as a masked WebSocket frame. */
export function encodeWant(want: Omit<Want, 'type'>): Buffer {
  return mask(encodeMessage({ type: 'want', ...want }));
}

/** The pong that answers an empty ping. */
export const PONG = Buffer.of(FIN | 0x0a, 0x80, ...MASK);

// A sequence number above 65535 takes five bytes; four of them are overwritten for each acknowledgement.
const SEQUENCE_PLACEHOLDER = 0x01020304;
const ackMessage = Buffer.from(
  encodeMessage({
    type: 'ack',
    sequence: SEQUENCE_PLACEHOLDER,
    painted: 100_000,
    skipped: 2,
    failed: 0,
    decodeMs: 6.1,
  }),
);
const sequenceAt = ackMessage.indexOf(Buffer.of(0xce, 1, 2, 3, 4)) + 1;
const maskedAck = mask(ackMessage);
const sequenceAtMasked = maskedAck.length - ackMessage.length + sequenceAt;
const sequenceMask = (maskedAck.readUInt32BE(sequenceAtMasked) ^ SEQUENCE_PLACEHOLDER) >>> 0;

/** Bytes of every acknowledgement on the wire, so that a server can count them by length. */
export const ACK_BYTES = maskedAck.length;

/** Writes an acknowledgement as a masked WebSocket frame. */
export function writeAck(target: Buffer, at: number, sequence: number): void {
  target.set(maskedAck, at);
  target.writeUInt32BE((sequence ^ sequenceMask) >>> 0, at + sequenceAtMasked);
}

// The mask is not zero, because ws would then skip unmasking, and browsers use random masks.
function mask(message: Uint8Array): Buffer {
  const masked = message.map((byte, i) => byte ^ (MASK[i & 3] ?? 0));
  return Buffer.concat([Buffer.of(FIN | BINARY, 0x80 | shortLength(message)), MASK, masked]);
}

function shortLength({ byteLength }: Uint8Array): number {
  if (byteLength > 125)
    throw new RangeError(
      `message is ${byteLength} bytes, expected at most 125, the maximum of a short WebSocket header`,
    );
  return byteLength;
}
