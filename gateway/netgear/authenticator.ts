import { type Context, Reply } from 'zeromq';
import { runInBackground } from '../../shared/background.ts';
import { errorText } from '../../shared/errors.ts';
import { formatZ85, isListedKey, type Security } from './curve-keys.ts';

/** Where libzmq asks, within the context of the socket that is connected to (ZeroMQ RFC 27). */
const ZAP_ENDPOINT = 'inproc://zeromq.zap.01';

/**
 * Decides who may connect to the CURVE sockets of one context (ZAP, ZeroMQ RFC 27), as pyzmq's authenticator does for NetGear: by IP address, and
 * in IronHouse mode by key. It must be open before those sockets bind.
 */
export class Authenticator {
  readonly #socket: Reply;
  readonly #security: Security;
  readonly #refused: (reason: string) => void;

  /** @param refused told why a peer was not let in, as a sentence. */
  constructor(context: Context, security: Security, refused: (reason: string) => void) {
    this.#socket = new Reply({ context, linger: 0 });
    this.#security = security;
    this.#refused = refused;
  }

  async open(): Promise<void> {
    await this.#socket.bind(ZAP_ENDPOINT);
    runInBackground(this.#answer(), () => this.close());
  }

  /** Idempotent. */
  close(): void {
    this.#socket.close();
  }

  async #answer(): Promise<void> {
    for await (const [version, requestId, , address, , mechanism, publicKey] of this.#socket) {
      const reason = this.#judge(String(address), String(mechanism), publicKey);
      try {
        await this.#socket.send([version ?? '1.0', requestId ?? '1', ...(reason === null ? ['200', 'OK'] : ['400', 'not allowed']), '', '']);
      } catch {
        return; // closed meanwhile: nobody is let in any more
      }
      if (reason !== null) this.#refused(reason);
    }
  }

  /** Why this peer is not let in; null when it is. */
  #judge(address: string, mechanism: string, publicKey: Uint8Array | undefined): string | null {
    const { mode, folder, allowedAddresses } = this.#security;
    if (mechanism !== 'CURVE' || publicKey?.byteLength !== 32) return `${address} was refused: it does not show a CURVE key`;
    if (allowedAddresses !== null && !allowedAddresses.includes(address)) return `${address} was refused: allow lists ${allowedAddresses.join(', ')}`;
    if (mode === 'stonehouse') return null;
    const key = formatZ85(publicKey);
    try {
      if (isListedKey(folder, key)) return null;
    } catch (error) {
      return `${address} was refused: the keys cannot be read, ${errorText(error)}`;
    }
    return `${address} was refused: its key ${key} is not in ${folder}/public_keys`;
  }
}
