import { connect } from 'node:net';
import { encodeGreeting, GREETING_BYTES } from './zmtp-codec.ts';

/** What a ZeroMQ socket says of itself before anything is agreed (ZMTP 3, ZeroMQ RFC 23). */
export interface ZmtpPeer {
  readonly mechanism: string;
  /** Its socket type, such as `REP`; null where that is encrypted. */
  readonly socketType: string | null;
}

/** What is behind an address: nobody, somebody who says nothing, something that is not ZeroMQ, or a ZeroMQ socket. */
export type ZmtpLook = { readonly kind: 'nobody'; readonly code: string } | { readonly kind: 'silent' } | { readonly kind: 'foreign' } | ({ readonly kind: 'zmtp' } & ZmtpPeer);

const MAX_READY_BYTES = 1 << 12;
const LOOK_TIMEOUT_MS = 1500;

const NULL_GREETING = encodeGreeting();

/**
 * Reads what a peer has said so far: its greeting, and behind it the READY command when it uses no encryption.
 *
 * @param ended whether nothing more will come: what is there must do.
 * @returns null while more is needed.
 */
export function readZmtpPeer(bytes: Uint8Array, ended: boolean): ZmtpLook | null {
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

/** The Socket-Type of a READY command; null while it is incomplete, or is none. */
function readSocketType(command: Buffer): string | null {
  // Flags 4: a command of at most 255 bytes.
  if (command[0] !== 0x04) return null;
  const length = command[1] ?? 0;
  if (command.length < 2 + length) return null;
  const body = command.subarray(2, 2 + length);
  if (body.toString('latin1', 0, 6) !== '\u0005READY') return null;
  for (let at = 6; at < body.length; ) {
    const nameEnd = at + 1 + (body[at] ?? 0);
    if (nameEnd + 4 > body.length) return null;
    const valueEnd = nameEnd + 4 + body.readUInt32BE(nameEnd);
    if (body.toString('latin1', at + 1, nameEnd).toLowerCase() === 'socket-type') return body.toString('latin1', nameEnd + 4, valueEnd);
    at = valueEnd;
  }
  return null;
}

/** Signature and version: what a peer needs to hear before it says its mechanism. */
const VERSION_BYTES = 12;

/**
 * Has a peer say who it is, over any connection. Our own mechanism is said last, and only to a peer that uses none: another one would hang up at
 * once, and what it has said would be lost.
 */
export class ZmtpConversation {
  readonly #write: (bytes: Uint8Array) => unknown;
  #bytes = Buffer.alloc(0);
  #hasAnswered = false;

  constructor(write: (bytes: Uint8Array) => unknown) {
    this.#write = write;
    write(NULL_GREETING.subarray(0, VERSION_BYTES));
  }

  /** What has come. @returns who it is; null while more is needed. */
  add(chunk: Uint8Array): ZmtpLook | null {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const look = readZmtpPeer(this.#bytes, this.#bytes.length > GREETING_BYTES + MAX_READY_BYTES);
    if (look === null && !this.#hasAnswered && this.#bytes.length >= GREETING_BYTES) {
      this.#hasAnswered = true;
      this.#write(NULL_GREETING.subarray(VERSION_BYTES));
    }
    return look;
  }

  /** Nothing more will come. */
  end(): ZmtpLook {
    return readZmtpPeer(this.#bytes, true) ?? { kind: 'silent' };
  }
}

/**
 * Looks at the ZeroMQ socket behind an address without becoming its peer: the connection ends before the handshake is complete, so that not even
 * a PAIR socket notices. Never rejects; takes at most 1.5 s.
 *
 * @param endpoint `tcp://HOST:PORT` or `ipc://PATH`.
 * @param signal ends the connection at once; the peer then counts as silent, or as nobody when it has not accepted yet.
 */
export function lookAtZmtpPeer(endpoint: string, signal?: AbortSignal): Promise<ZmtpLook> {
  return new Promise((resolve) => {
    // Aborted, it fails with ABORT_ERR.
    const socket = connect({ ...socketAddress(endpoint), ...(signal === undefined ? {} : { signal }) });
    let conversation: ZmtpConversation | null = null;
    const finish = (look: ZmtpLook): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(look);
    };
    const end = (): void => finish(conversation?.end() ?? { kind: 'silent' });
    // By the clock, and not by silence: who sends a byte now and then would be looked at for ever.
    const timer = setTimeout(() => (conversation === null ? finish({ kind: 'nobody', code: 'ETIMEDOUT' }) : end()), LOOK_TIMEOUT_MS);
    socket.on('connect', () => (conversation = new ZmtpConversation((bytes) => socket.write(bytes))));
    socket.on('data', (chunk) => {
      const look = conversation?.add(chunk) ?? null;
      if (look !== null) finish(look);
    });
    socket.on('end', end);
    socket.on('error', (error: NodeJS.ErrnoException) => (conversation === null ? finish({ kind: 'nobody', code: error.code ?? 'unknown' }) : end()));
  });
}

/** Where Node finds what ZeroMQ calls `tcp://HOST:PORT` or `ipc://PATH`. */
export function socketAddress(endpoint: string): { path: string } | { host: string; port: number } {
  if (endpoint.startsWith('ipc://')) return { path: endpoint.slice('ipc://'.length) };
  const colon = endpoint.lastIndexOf(':');
  return { host: endpoint.slice('tcp://'.length, colon).replace(/^\[|\]$/g, ''), port: Number(endpoint.slice(colon + 1)) };
}
