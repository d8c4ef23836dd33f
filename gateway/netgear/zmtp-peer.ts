import { connect } from 'node:net';
import { encodeGreeting, GREETING_BYTES } from './zmtp-codec.ts';

/** Properties that a ZeroMQ socket reveals before the handshake is complete (ZMTP 3, ZeroMQ RFC 23). */
export interface ZmtpPeer {
  readonly mechanism: string;
  /** Socket type, such as `REP`; null if it is encrypted. */
  readonly socketType: string | null;
}

/** The result of probing an address: no listener, a silent peer, a peer that does not speak ZeroMQ, or a ZeroMQ socket. */
export type ZmtpProbeResult =
  | { readonly kind: 'nobody'; readonly code: string }
  | { readonly kind: 'silent' }
  | { readonly kind: 'foreign' }
  | ({ readonly kind: 'zmtp' } & ZmtpPeer);

const MAX_READY_BYTES = 1 << 12;
const PROBE_TIMEOUT_MS = 1500;

const NULL_GREETING = encodeGreeting();

/**
 * Decodes the bytes of a peer so far: its greeting, followed by the READY command if it uses no encryption.
 *
 * @param ended whether no more bytes will arrive.
 * @returns null if more bytes are needed.
 */
export function readZmtpPeer(bytes: Uint8Array, ended: boolean): ZmtpProbeResult | null {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length > 0 && view[0] !== 0xff) return { kind: 'foreign' };
  if (view.length > 9 && view[9] !== 0x7f) return { kind: 'foreign' };
  if (view.length < GREETING_BYTES) return ended ? { kind: view.length === 0 ? 'silent' : 'foreign' } : null;
  const mechanism = view.toString('latin1', 12, 32).replace(/\0+$/, '');
  if (mechanism !== 'NULL') return { kind: 'zmtp', mechanism, socketType: null };
  const socketType = readSocketType(view.subarray(GREETING_BYTES));
  if (socketType === null && !ended) return null;
  return { kind: 'zmtp', mechanism, socketType };
}

/** The Socket-Type of a READY command; null if it is incomplete, or another command. */
function readSocketType(command: Buffer): string | null {
  // Flags 4: a command of at most 255 bytes.
  if (command[0] !== 0x04) return null;
  const length = command[1] ?? 0;
  if (command.length < 2 + length) return null;
  const body = command.subarray(2, 2 + length);
  if (body.toString('latin1', 0, 6) !== '\u0005READY') return null;
  for (let at = 6; at < body.length;) {
    const nameEnd = at + 1 + (body[at] ?? 0);
    if (nameEnd + 4 > body.length) return null;
    const valueEnd = nameEnd + 4 + body.readUInt32BE(nameEnd);
    if (body.toString('latin1', at + 1, nameEnd).toLowerCase() === 'socket-type')
      return body.toString('latin1', nameEnd + 4, valueEnd);
    at = valueEnd;
  }
  return null;
}

/** Signature and version, which a peer needs before it sends its mechanism. */
const VERSION_BYTES = 12;

/**
 * Identifies a peer over any connection. The mechanism of this side is sent last, and only to a peer without
 * encryption: any other peer would disconnect immediately, and its bytes would be lost.
 */
export class ZmtpConversation {
  readonly #write: (bytes: Uint8Array) => unknown;
  #bytes = Buffer.alloc(0);
  #hasAnswered = false;

  constructor(write: (bytes: Uint8Array) => unknown) {
    this.#write = write;
    write(NULL_GREETING.subarray(0, VERSION_BYTES));
  }

  /** Adds received bytes. @returns the peer; null if more bytes are needed. */
  add(chunk: Uint8Array): ZmtpProbeResult | null {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const result = readZmtpPeer(this.#bytes, this.#bytes.length > GREETING_BYTES + MAX_READY_BYTES);
    if (result === null && !this.#hasAnswered && this.#bytes.length >= GREETING_BYTES) {
      this.#hasAnswered = true;
      this.#write(NULL_GREETING.subarray(VERSION_BYTES));
    }
    return result;
  }

  /** The result if no more bytes will arrive. */
  end(): ZmtpProbeResult {
    return readZmtpPeer(this.#bytes, true) ?? { kind: 'silent' };
  }
}

/**
 * Identifies the ZeroMQ socket at an address without becoming its peer: disconnects before the handshake is complete,
 * so that not even a PAIR socket is disturbed. Never rejects; takes at most 1.5 s.
 *
 * @param endpoint `tcp://HOST:PORT` or `ipc://PATH`.
 * @param signal disconnects immediately; the result is then `silent`, or `nobody` if the peer has not accepted yet.
 */
export function probeZmtpPeer(endpoint: string, signal?: AbortSignal): Promise<ZmtpProbeResult> {
  return new Promise((resolve) => {
    const socket = connect(socketAddress(endpoint));
    let conversation: ZmtpConversation | null = null;
    const finish = (result: ZmtpProbeResult): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      socket.destroy();
      resolve(result);
    };
    const end = (): void => finish(conversation?.end() ?? { kind: 'silent' });
    const fail = (code: string): void => (conversation === null ? finish({ kind: 'nobody', code }) : end());
    const abort = (): void => fail('ABORT_ERR');
    // A total timeout, not one for inactivity: a peer that sends a byte occasionally would keep the probe running
    // forever.
    const timer = setTimeout(() => fail('ETIMEDOUT'), PROBE_TIMEOUT_MS);
    // Node's own option `signal` keeps every socket until the signal aborts, which may be after a year of probes.
    signal?.addEventListener('abort', abort);
    if (signal?.aborted === true) abort();
    socket.on('connect', () => (conversation = new ZmtpConversation((bytes) => socket.write(bytes))));
    socket.on('data', (chunk) => {
      const result = conversation?.add(chunk) ?? null;
      if (result !== null) finish(result);
    });
    socket.on('end', end);
    socket.on('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => fail(code));
  });
}

/** Converts a ZeroMQ endpoint, `tcp://HOST:PORT` or `ipc://PATH`, to Node's connect options. */
export function socketAddress(endpoint: string): { path: string } | { host: string; port: number } {
  if (endpoint.startsWith('ipc://')) return { path: endpoint.slice('ipc://'.length) };
  const colon = endpoint.lastIndexOf(':');
  return {
    host: endpoint.slice('tcp://'.length, colon).replace(/^\[|\]$/g, ''),
    port: Number(endpoint.slice(colon + 1)),
  };
}
