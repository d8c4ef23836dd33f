/** The first byte of a WebSocket frame that is a whole binary message (RFC 6455, 5.2: FIN, opcode 2). */
const WHOLE_BINARY = 0x82;

/** Lengths that stand behind the second byte, in 2 and in 8 bytes. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/**
 * The begin of a WebSocket message up to its payload, which follows by reference: the frame's header, without a mask as a server's are, and
 * `head`. Made once for all viewers, so that a frame costs each of them two writes and nothing else.
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
