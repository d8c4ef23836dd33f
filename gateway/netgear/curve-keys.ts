import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { readRegularFile } from '../process/regular-file.ts';
import { createKeysWhenMissing } from './key-files.ts';

/**
 * NetGear's `secure_mode`: `stonehouse` (1) accepts any client key pair, `ironhouse` (2) only the keys in
 * `public_keys/`.
 */
type SecureMode = 'stonehouse' | 'ironhouse';

/** NetGear's secure mode and the folder with its keys (`public_keys/`, `private_keys/`). */
export interface Security {
  readonly mode: SecureMode;
  readonly folder: string;
  /** IP addresses that are accepted if the gateway binds; null for any. */
  readonly allowedAddresses: readonly string[] | null;
}

/** Keys of the side that connects: NetGear's server, the CURVE client. 40 Z85 characters each. */
interface SenderKeys {
  readonly publicKey: string;
  readonly secretKey: string;
  readonly peerPublicKey: string;
}

/** Keys of the side that binds: NetGear's client, the CURVE server. 40 Z85 characters each. */
interface ReceiverKeys {
  readonly publicKey: string;
  readonly secretKey: string;
}

/** A key in a certificate: 32 bytes in Z85 (ZeroMQ RFC 32). */
const KEY = String.raw`\s*=\s*"([0-9A-Za-z.\-:+=^!/*?&<>()[\]{}@%$#]{40})"`;

/** Maximum size of a certificate. */
const MAX_CERTIFICATE_BYTES = 1 << 16;

/** Maximum number of certificates that are searched for a peer's key. */
const MAX_CERTIFICATES = 4096;

/**
 * Parses NetGear's `secure_mode` number.
 *
 * @returns null for 0, no security.
 * @throws {GearwayError} `option-invalid`.
 */
export function parseSecureMode(text: string): SecureMode | null {
  switch (text) {
    case '0':
      return null;
    case '1':
      return 'stonehouse';
    case '2':
      return 'ironhouse';
    default:
      throw new GearwayError(
        'option-invalid',
        `secure is ${JSON.stringify(text)}, expected 0 (none), 1 (StoneHouse) or 2 (IronHouse)`,
      );
  }
}

/**
 * The folder that NetGear would use: `~/.vidgear/keys`, or `.vidgear/keys` under its `custom_cert_location`.
 * A folder that contains `public_keys/` or `private_keys/` is used directly.
 */
export function resolveKeysFolder(location?: string): string {
  if (location === undefined) return join(homedir(), '.vidgear', 'keys');
  const folder = resolve(location);
  if (existsSync(join(folder, 'public_keys')) || existsSync(join(folder, 'private_keys'))) return folder;
  return join(folder, basename(folder) === '.vidgear' ? 'keys' : '.vidgear/keys');
}

/**
 * Loads the keys of the connecting side, `private_keys/client.key_secret` and `public_keys/server.key`; creates both
 * pairs if the folder has none.
 *
 * @throws {GearwayError} `keys-missing`, `keys-invalid`.
 */
export function openSenderKeys(folder: string): SenderKeys {
  createKeysWhenMissing(folder);
  const { publicKey, secretKey } = readPair(folder, 'client');
  return { publicKey, secretKey, peerPublicKey: readPublicKey(join(folder, 'public_keys', 'server.key')) };
}

/**
 * Loads the keys of the binding side, `private_keys/server.key_secret`; creates both pairs if the folder has none.
 *
 * @throws {GearwayError} `keys-missing`, `keys-invalid`.
 */
export function openReceiverKeys(folder: string): ReceiverKeys {
  createKeysWhenMissing(folder);
  return readPair(folder, 'server');
}

/**
 * Whether `public_keys/` has a certificate with this key, 40 Z85 characters. Reads the folder on each call, so that
 * keys can be added and removed at run time.
 */
export function isListedKey(folder: string, publicKey: string): boolean {
  const publicFolder = join(folder, 'public_keys');
  return readdirSync(publicFolder)
    .filter((name) => name.endsWith('.key'))
    .slice(0, MAX_CERTIFICATES)
    .some((name) => {
      try {
        return readPublicKey(join(publicFolder, name)) === publicKey;
      } catch {
        return false; // The file is not a certificate; the other keys stay valid.
      }
    });
}

function readPair(folder: string, name: 'server' | 'client'): ReceiverKeys {
  const path = join(folder, 'private_keys', `${name}.key_secret`);
  const text = readCertificate(path);
  return { publicKey: find(text, 'public-key', path), secretKey: find(text, 'secret-key', path) };
}

function readPublicKey(path: string): string {
  return find(readCertificate(path), 'public-key', path);
}

function readCertificate(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readRegularFile(path, MAX_CERTIFICATE_BYTES);
  } catch (error) {
    if (error instanceof GearwayError)
      throw new GearwayError('keys-invalid', `${path} is not a certificate: ${error.message}`, { cause: error });
    const remedy = 'copy it from the other side, or empty the folder to have new keys created';
    throw new GearwayError('keys-missing', `${path} cannot be read (${errorText(error)}): ${remedy}`, { cause: error });
  }
  if (bytes.byteLength === 0) {
    const remedy =
      'copy the keys from the other side, or delete those in public_keys and private_keys to have new ones created';
    throw new GearwayError('keys-invalid', `${path} is empty, as after a full disk: ${remedy}`);
  }
  return bytes.toString('utf8');
}

function find(text: string, name: 'public-key' | 'secret-key', path: string): string {
  const key = new RegExp(`^\\s*${name}${KEY}`, 'm').exec(text)?.[1];
  if (key === undefined)
    throw new GearwayError(
      'keys-invalid',
      `${path} has no ${name} of 40 characters, expected a certificate as pyzmq writes it`,
    );
  return key;
}

const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';

/** A 32-byte key as 40 characters (ZeroMQ RFC 32). */
export function formatZ85(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = '';
  for (let at = 0; at + 4 <= bytes.byteLength; at += 4) {
    let rest = view.getUint32(at);
    let group = '';
    for (let digit = 0; digit < 5; digit += 1) {
      group = `${Z85[rest % 85]}${group}`;
      rest = Math.floor(rest / 85);
    }
    text += group;
  }
  return text;
}
