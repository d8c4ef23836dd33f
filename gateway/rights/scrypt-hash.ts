import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { GearwayError } from '../../shared/errors.ts';

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

/** The hash of a token or password (RFC 7914). */
export interface ScryptHash {
  /**
   * Text, as in the configuration: `$scrypt$ln=14,r=8,p=1$SALT$HASH`, base64 without padding (the PHC string format).
   */
  readonly text: string;
  readonly logN: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Costs of new hashes: 16 MiB of memory and about 50 ms. */
const LOG_N = 14;
const R = 8;
const P = 1;
const HASH_BYTES = 32;

const PASSWORD_SALT_BYTES = 16;

/** A multiple of 3, so that base64 needs no padding and the strings have fixed lengths. */
const TOKEN_SALT_BYTES = 9;
const TOKEN_SECRET_BYTES = 24;

/** Maximum of N × r × p, so that a check takes at most a second and 128 MiB. */
const MAX_COST = 2 ** 20;

/**
 * A generated token: its salt, then its secret. The salt identifies its hash, without trying all of them.
 */
const TOKEN = /^gw_([\w-]{12})[\w-]{32}$/;

/**
 * Parses a hash of the configuration.
 *
 * @throws {GearwayError} `option-invalid`; the message does not contain the text.
 */
export function parseScryptHash(text: string): ScryptHash {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w+/-]{8,64})\$([\w+/-]{22,86})$/.exec(text);
  if (match === null)
    throw new GearwayError('option-invalid', 'this is not a hash as gearway token prints it, $scrypt$ln=14,r=8,p=1$…');
  const [, logN, r, p] = match.map(Number);
  const [salt, hash] = [Buffer.from(match[4] ?? '', 'base64'), Buffer.from(match[5] ?? '', 'base64')];
  if (logN === undefined || r === undefined || p === undefined || logN < 1 || r < 1 || p < 1)
    throw new GearwayError('option-invalid', 'the hash has the cost 0, expected positive numbers');
  if (2 ** logN * r * p > MAX_COST)
    throw new GearwayError('option-invalid', 'the hash costs more than ln=17,r=8,p=1, the maximum');
  return { text, logN, r, p, salt, hash };
}

/** Creates a token of 192 random bits, and its hash. */
export async function createToken(): Promise<{ readonly token: string; readonly hash: string }> {
  const salt = randomBytes(TOKEN_SALT_BYTES);
  const token = `gw_${salt.toString('base64url')}${randomBytes(TOKEN_SECRET_BYTES).toString('base64url')}`;
  return { token, hash: await hashWith(salt, token) };
}

/** Hashes a password. */
export async function hashPassword(password: string): Promise<string> {
  return hashWith(randomBytes(PASSWORD_SALT_BYTES), password);
}

/** Key of the hash to which a generated token belongs; null for any other string. */
export function saltOfToken(token: string): string | null {
  return TOKEN.exec(token)?.[1] ?? null;
}

/** Key of a hash, as {@link saltOfToken} returns it for its token. */
export function saltOfHash({ salt }: ScryptHash): string {
  return salt.toString('base64url');
}

/** Whether a hash is that of a generated token, and not of a password. */
export function isTokenHash({ salt }: ScryptHash): boolean {
  return salt.byteLength === TOKEN_SALT_BYTES;
}

/** Whether a secret has this hash. Takes time and memory on a thread of the pool. */
export async function matchesHash(secret: string, { logN, r, p, salt, hash }: ScryptHash): Promise<boolean> {
  return timingSafeEqual(await deriveKey(secret, salt, logN, r, p, hash.byteLength), hash);
}

async function hashWith(salt: Buffer, secret: string): Promise<string> {
  const hash = await deriveKey(secret, salt, LOG_N, R, P, HASH_BYTES);
  return `$scrypt$ln=${LOG_N},r=${R},p=${P}$${encode(salt)}$${encode(hash)}`;
}

async function deriveKey(
  secret: string,
  salt: Buffer,
  logN: number,
  r: number,
  p: number,
  bytes: number,
): Promise<Buffer> {
  const N = 2 ** logN;
  // At least twice the size of scrypt's tables.
  return derive(secret.normalize('NFC'), salt, bytes, { N, r, p, maxmem: 256 * r * (N + p) + (64 << 10) });
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}
