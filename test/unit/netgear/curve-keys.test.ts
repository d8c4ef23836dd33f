import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  formatZ85,
  isListedKey,
  openReceiverKeys,
  openSenderKeys,
  parseSecureMode,
  resolveKeysFolder,
} from '../../../gateway/netgear/curve-keys.ts';
import { createKeys } from '../../../gateway/netgear/key-files.ts';
import { peers } from '../../helpers/peers.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

/** The pairs of the ZeroMQ manual (zmq_curve): public and secret. */
const CLIENT = ['Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID', 'D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs'] as const;
const SERVER = ['rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7', 'JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6'] as const;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-keys-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const path = (...names: string[]): string => join(folder, ...names);

/** A certificate as pyzmq writes it. */
function certificate(publicKey: string, secretKey?: string): string {
  const secret = secretKey === undefined ? '' : `    secret-key = "${secretKey}"\n`;
  return `#   ****  Generated on 2026-01-02 03:04:05.678901 by pyzmq  ****\n#   ZeroMQ CURVE **Secret** Certificate\n#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n\nmetadata\ncurve\n    public-key = "${publicKey}"\n${secret}`;
}

/** All four files, as NetGear creates them. */
function writeAll(): void {
  for (const name of ['public_keys', 'private_keys']) mkdirSync(path(name));
  for (const [name, [publicKey, secretKey]] of [
    ['client', CLIENT],
    ['server', SERVER],
  ] as const) {
    writeFileSync(path('public_keys', `${name}.key`), certificate(publicKey));
    writeFileSync(path('private_keys', `${name}.key_secret`), certificate(publicKey, secretKey));
  }
}

/** Permission bits. */
const mode = (...names: string[]): string => (statSync(path(...names)).mode & 0o777).toString(8);

describe('openSenderKeys', () => {
  it("reads pyzmq's files", () => {
    writeAll();
    expect(openSenderKeys(folder)).toEqual({ publicKey: CLIENT[0], secretKey: CLIENT[1], peerPublicKey: SERVER[0] });
  });

  it('needs no secret key of the peer', () => {
    writeAll();
    rmSync(path('private_keys', 'server.key_secret'));
    rmSync(path('public_keys', 'client.key'));
    expect(openSenderKeys(folder)).toMatchObject({ publicKey: CLIENT[0] });
  });

  it('creates both pairs if there are none, readable by their owner only', () => {
    const made = openSenderKeys(folder);
    expect(readdirSync(path('public_keys')).sort()).toEqual(['client.key', 'server.key']);
    expect(readdirSync(path('private_keys')).sort()).toEqual(['client.key_secret', 'server.key_secret']);
    expect([mode('public_keys'), mode('private_keys')]).toEqual(['700', '700']);
    for (const name of ['client', 'server'])
      expect([mode('public_keys', `${name}.key`), mode('private_keys', `${name}.key_secret`)]).toEqual(['600', '600']);
    expect(readFileSync(path('public_keys', 'server.key'), 'utf8')).not.toContain('secret-key');
    expect(openReceiverKeys(folder).publicKey).toBe(made.peerPublicKey);
    expect(new Set([made.publicKey, made.secretKey, made.peerPublicKey]).size).toBe(3);
  });

  it('creates keys that pyzmq can read', () => {
    const { publicKey, secretKey, peerPublicKey } = openSenderKeys(folder);
    const program =
      'import sys, zmq.auth\nfor name in sys.argv[1:]: print(*[(key or b"").decode() for key in zmq.auth.load_certificate(name)])';
    const text = execFileSync(
      peers().python,
      ['-c', program, path('private_keys', 'client.key_secret'), path('public_keys', 'server.key')],
      { encoding: 'utf8' },
    );
    expect(text).toBe(`${publicKey} ${secretKey}\n${peerPublicKey} \n`);
  });

  it.each([
    ['public_keys', 'server.key'],
    ['private_keys', 'client.key_secret'],
  ])('refuses a folder without %s/%s, and creates nothing', (...names) => {
    writeAll();
    rmSync(path(...names));
    expect(() => openSenderKeys(folder)).toThrow(coded('keys-missing'));
    expect(() => statSync(path(...names))).toThrow();
  });

  it('refuses a folder that has only the public half', () => {
    writeAll();
    rmSync(path('private_keys'), { recursive: true });
    expect(() => openSenderKeys(folder)).toThrow(coded('keys-missing'));
    expect(() => openReceiverKeys(folder)).toThrow(coded('keys-missing'));
    expect(readdirSync(folder)).toEqual(['public_keys']);
  });

  it.each([
    ['nothing', ''],
    ['no key', 'metadata\ncurve\n'],
    ['a key of 39 characters', certificate(CLIENT[0].slice(1), CLIENT[1])],
    ['a key of 41 characters', certificate(`${CLIENT[0]}0`, CLIENT[1])],
    ['a character that Z85 does not have', certificate(CLIENT[0].replace('Y', '~'), CLIENT[1])],
    ['a key in a comment', certificate(CLIENT[0], CLIENT[1]).replace('    public-key', '#   public-key')],
    ['no secret key', certificate(CLIENT[0])],
    ['more than 64 KiB', `${certificate(CLIENT[0], CLIENT[1])}${' '.repeat(1 << 16)}`],
  ])('refuses a certificate with %s', (_name, text) => {
    writeAll();
    writeFileSync(path('private_keys', 'client.key_secret'), text);
    expect(() => openSenderKeys(folder)).toThrow(coded('keys-invalid'));
  });
});

describe('openReceiverKeys', () => {
  it("reads pyzmq's files", () => {
    writeAll();
    expect(openReceiverKeys(folder)).toEqual({ publicKey: SERVER[0], secretKey: SERVER[1] });
  });

  it('needs no file of the peer', () => {
    writeAll();
    rmSync(path('public_keys'), { recursive: true });
    rmSync(path('private_keys', 'client.key_secret'));
    expect(openReceiverKeys(folder)).toMatchObject({ publicKey: SERVER[0] });
  });
});

describe('createKeys', () => {
  it('replaces both pairs, and keeps other keys', () => {
    writeAll();
    writeFileSync(path('public_keys', 'camera.key'), certificate(CLIENT[0]), { mode: 0o644 });
    createKeys(folder);
    const { publicKey, peerPublicKey } = openSenderKeys(folder);
    expect([CLIENT[0], SERVER[0]]).not.toContain(publicKey);
    expect([CLIENT[0], SERVER[0]]).not.toContain(peerPublicKey);
    expect(readdirSync(path('public_keys')).sort()).toEqual(['camera.key', 'client.key', 'server.key']);
    for (const name of ['client', 'server'])
      expect([mode('public_keys', `${name}.key`), mode('private_keys', `${name}.key_secret`)]).toEqual(['600', '600']);
  });
});

describe('isListedKey', () => {
  it('finds a key by the content of a file of any name', () => {
    writeAll();
    writeFileSync(path('public_keys', 'another.key'), certificate('0'.repeat(40)));
    expect(isListedKey(folder, CLIENT[0])).toBe(true);
    expect(isListedKey(folder, '0'.repeat(40))).toBe(true);
    expect(isListedKey(folder, '1'.repeat(40))).toBe(false);
  });

  it('detects added and removed keys', () => {
    writeAll();
    rmSync(path('public_keys', 'client.key'));
    expect(isListedKey(folder, CLIENT[0])).toBe(false);
    writeFileSync(path('public_keys', 'back.key'), certificate(CLIENT[0]));
    expect(isListedKey(folder, CLIENT[0])).toBe(true);
  });

  it('skips files that are not certificates', () => {
    writeAll();
    writeFileSync(path('public_keys', 'a.key'), 'nothing');
    mkdirSync(path('public_keys', 'b.key'));
    // Opening a pipe must not wait for its writer.
    execFileSync('mkfifo', [path('public_keys', '0.key')]);
    truncateSync(path('public_keys', 'a.key'), 2 ** 40);
    writeFileSync(path('public_keys', 'other.txt'), certificate('0'.repeat(40)));
    expect(isListedKey(folder, CLIENT[0])).toBe(true);
    expect(isListedKey(folder, '0'.repeat(40))).toBe(false);
  });
});

describe('resolveKeysFolder', () => {
  it("is NetGear's default folder", () => {
    expect(resolveKeysFolder()).toBe(join(homedir(), '.vidgear', 'keys'));
    expect(resolveKeysFolder('/nowhere')).toBe('/nowhere/.vidgear/keys');
    expect(resolveKeysFolder('/nowhere/.vidgear')).toBe('/nowhere/.vidgear/keys');
  });

  it('is the folder itself if it contains the keys', () => {
    expect(resolveKeysFolder(folder)).toBe(path('.vidgear', 'keys'));
    mkdirSync(path('public_keys'));
    expect(resolveKeysFolder(folder)).toBe(folder);
  });
});

describe('parseSecureMode', () => {
  it('reads the numbers', () => {
    expect(['0', '1', '2'].map(parseSecureMode)).toEqual([null, 'stonehouse', 'ironhouse']);
  });

  it.each(['', '3', '-1', '01', 'ironhouse'])('rejects %j', (text) => {
    expect(() => parseSecureMode(text)).toThrow(coded('option-invalid'));
  });
});

describe('formatZ85', () => {
  it('writes the examples of ZeroMQ RFC 32', () => {
    expect(formatZ85(Uint8Array.from([0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b]))).toBe('HelloWorld');
    expect(formatZ85(Buffer.from('8e0bdd697628b91d8f245587ee95c5b04d48963f79259877b49cd9063aead3b7', 'hex'))).toBe(
      'JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6',
    );
  });

  it('writes the minimum and maximum values', () => {
    expect(formatZ85(new Uint8Array(4))).toBe('00000');
    expect(formatZ85(Uint8Array.from([255, 255, 255, 255]))).toBe('%nSc0');
  });
});
