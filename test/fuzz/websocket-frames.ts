import { PROTOCOL } from '../../shared/protocol.ts';

/** One WebSocket frame (RFC 6455, 5.2) in which any field can be invalid. */
interface FrameOptions {
  readonly opcode?: number;
  readonly fin?: boolean;
  /** The three reserved bits. */
  readonly rsv?: number;
  readonly masked?: boolean;
  /** The length in the header, if it differs from that of the payload. */
  readonly announced?: bigint;
  /** Number of bytes of the length; 0 for the shortest valid form. */
  readonly lengthBytes?: 0 | 2 | 8;
}

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const MASK = Buffer.of(0x37, 0xfa, 0x21, 0x3d);

/** Encodes a frame as a client sends it. */
export function encodeFrame(
  payload: Uint8Array,
  { opcode: code = opcode.binary, fin = true, rsv = 0, masked = true, announced, lengthBytes = 0 }: FrameOptions = {},
): Buffer {
  const length = announced ?? BigInt(payload.byteLength);
  const wide = lengthBytes === 8 || length > 0xffffn ? 8 : lengthBytes === 2 || length > 125n ? 2 : 0;
  const head = Buffer.alloc(2 + wide);
  head[0] = (fin ? 0x80 : 0) | ((rsv & 7) << 4) | (code & 15);
  head[1] = (masked ? 0x80 : 0) | (wide === 8 ? 127 : wide === 2 ? 126 : Number(length));
  if (wide === 2) head.writeUInt16BE(Number(length), 2);
  if (wide === 8) head.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([head, payload]);
  const body = Buffer.from(payload);
  for (let at = 0; at < body.length; at += 1) body[at] = (body[at] ?? 0) ^ (MASK[at & 3] ?? 0);
  return Buffer.concat([head, MASK, body]);
}

/** A message in frames that end at the given offsets. */
export function encodeFragments(message: Uint8Array, ends: readonly number[], code: number = opcode.binary): Buffer[] {
  const cuts = [...new Set([...ends.filter((end) => end >= 0 && end < message.byteLength), message.byteLength])].sort(
    (a, b) => a - b,
  );
  return cuts.map((end, index) =>
    encodeFrame(message.subarray(cuts[index - 1] ?? 0, end), {
      opcode: index === 0 ? code : opcode.continuation,
      fin: index === cuts.length - 1,
    }),
  );
}

/** The payload of a close frame. */
export function closePayload(code: number, reason: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of((code >> 8) & 0xff, code & 0xff), reason]);
}

/** The request that opens a WebSocket. @param headers additional or replaced lines. */
export function upgradeRequest(port: number, path: string, headers: Readonly<Record<string, string>> = {}): Buffer {
  const all = {
    Host: `127.0.0.1:${port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol': PROTOCOL,
    ...headers,
  };
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\n${Object.entries(all)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n`,
    'latin1',
  );
}

/** Data that a server sent on a WebSocket: the number of messages, and how it closed. */
export class ServerFrames {
  messages = 0;
  /** The code of the close frame; null if none has arrived. */
  closeCode: number | null = null;
  /** Number of messages of each type of the gateway's protocol. */
  readonly types = new Map<number, number>();

  /**
   * @param bytes all received bytes, including the handshake response; may be truncated.
   * @returns undefined if the handshake was refused.
   */
  static read(bytes: Buffer): ServerFrames | undefined {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0 || !bytes.toString('latin1', 0, 12).startsWith('HTTP/1.1 101')) return undefined;
    const frames = new ServerFrames();
    frames.#read(bytes, end + 4);
    return frames;
  }

  #read(bytes: Buffer, start: number): void {
    let at = start;
    while (at + 2 <= bytes.length) {
      const code = (bytes[at] ?? 0) & 15;
      let length = (bytes[at + 1] ?? 0) & 127;
      let head = 2;
      if (length === 126) {
        if (at + 4 > bytes.length) return;
        length = bytes.readUInt16BE(at + 2);
        head = 4;
      } else if (length === 127) {
        if (at + 10 > bytes.length) return;
        length = Number(bytes.readBigUInt64BE(at + 2));
        head = 10;
      }
      const payload = bytes.subarray(at + head, at + head + length);
      if (code === opcode.close && payload.length >= 2) this.closeCode = payload.readUInt16BE(0);
      if (code === opcode.binary || code === opcode.text) {
        this.messages += 1;
        const type = payload[0] ?? -1;
        this.types.set(type, (this.types.get(type) ?? 0) + 1);
      }
      at += head + length;
    }
  }
}
