/**
 * Bytes of the ZeroMQ Message Transport Protocol (https://rfc.zeromq.org/spec/23/), in which any field can be invalid.
 */

/** Signature, version, mechanism and whether it is the mechanism's server. */
export function greeting(
  mechanism = 'NULL',
  {
    major = 3,
    minor = 0,
    asServer = 0,
  }: { readonly major?: number; readonly minor?: number; readonly asServer?: number } = {},
): Buffer {
  const bytes = Buffer.alloc(64);
  bytes[0] = 0xff;
  bytes[9] = 0x7f;
  bytes[10] = major;
  bytes[11] = minor;
  bytes.write(mechanism.slice(0, 20), 12, 'latin1');
  bytes[32] = asServer;
  return bytes;
}

/** The READY command. @param properties metadata; `Socket-Type` is the peer's socket type. */
export function ready(properties: Readonly<Record<string, string>>): Buffer {
  const body = Object.entries(properties).map(([name, value]) => {
    const text = Buffer.from(value, 'latin1');
    const head = Buffer.alloc(4);
    head.writeUInt32BE(text.length);
    return Buffer.concat([Buffer.of(name.length), Buffer.from(name, 'latin1'), head, text]);
  });
  return command('READY', Buffer.concat(body));
}

/** A command frame. */
export function command(name: string, data: Uint8Array): Buffer {
  return frame(Buffer.concat([Buffer.of(name.length), Buffer.from(name, 'latin1'), data]), { command: true });
}

/** One frame; `more` if the message continues. */
export function frame(
  body: Uint8Array,
  {
    more = false,
    command: isCommand = false,
    announced,
  }: { readonly more?: boolean; readonly command?: boolean; readonly announced?: bigint } = {},
): Buffer {
  const length = announced ?? BigInt(body.byteLength);
  const isLong = length > 255n;
  const head = Buffer.alloc(isLong ? 9 : 2);
  head[0] = (more ? 1 : 0) | (isLong ? 2 : 0) | (isCommand ? 4 : 0);
  if (isLong) head.writeBigUInt64BE(length, 1);
  else head[1] = Number(length);
  return Buffer.concat([head, body]);
}

/** A message of several parts. */
export function message(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts.map((part, index) => frame(part, { more: index < parts.length - 1 })));
}

export const SOCKET_TYPES = [
  'PAIR',
  'PUB',
  'SUB',
  'REQ',
  'REP',
  'DEALER',
  'ROUTER',
  'PULL',
  'PUSH',
  'XPUB',
  'XSUB',
  'STREAM',
  'CLIENT',
  'SERVER',
  'rep',
  '',
  'X'.repeat(200),
] as const;
