/** First byte of a WebSocket frame that contains a whole binary message (RFC 6455, 5.2: FIN, opcode 2). */
const WHOLE_BINARY = 0x82;

/** Values of the second byte that announce a length of 2 or 8 bytes after it. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/**
 * Encodes the beginning of a WebSocket message: the frame's header (unmasked, as required for servers) and `head`. The
 * payload is written after it without being copied. Encoded once for all viewers, so that a frame costs each of them
 * two writes.
 */
export function encodeMessageBegin(head: Uint8Array, payloadBytes: number): Uint8Array {
  const length = head.byteLength + payloadBytes;
  const headerBytes = length < LENGTH_16 ? 2 : length <= 0xffff ? 4 : 10;
  const begin = Buffer.allocUnsafeSlow(headerBytes + head.byteLength);
  begin[0] = WHOLE_BINARY;
  if (headerBytes === 2) begin[1] = length;
  else if (headerBytes === 4) {
    begin[1] = LENGTH_16;
    begin.writeUInt16BE(length, 2);
  } else {
    begin[1] = LENGTH_64;
    begin.writeBigUInt64BE(BigInt(length), 2);
  }
  begin.set(head, headerBytes);
  return begin;
}
