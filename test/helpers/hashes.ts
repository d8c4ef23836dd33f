import { randomBytes, scryptSync } from 'node:crypto';

/** The hash of a secret with few operations, for tests of the effects of a check: the default takes about 50 ms. */
function hashOf(secret: string, salt: Buffer): string {
  const hash = scryptSync(secret.normalize('NFC'), salt, 32, { N: 16, r: 8, p: 1 });
  const [saltText, hashText] = [salt, hash].map((bytes) => bytes.toString('base64').replaceAll('=', ''));
  return `$scrypt$ln=4,r=8,p=1$${saltText}$${hashText}`;
}

/** The hash of a password that is checked fast. */
export function fastPassword(password: string): string {
  return hashOf(password, randomBytes(16));
}

/** A token as `gearway token` generates it, and a hash that is checked fast. */
export function fastToken(): { readonly token: string; readonly hash: string } {
  const salt = randomBytes(9);
  const token = `gw_${salt.toString('base64url')}${randomBytes(24).toString('base64url')}`;
  return { token, hash: hashOf(token, salt) };
}
