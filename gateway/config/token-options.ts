import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { platform } from 'node:os';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { GatewayOptions } from './options.ts';

/** Maximum size of a file with secrets. */
const MAX_FILE_BYTES = 64 << 10;

/** The command-line flags that carry secrets, each with a file instead. */
export interface TokenFlags {
  readonly token?: string | undefined;
  readonly 'token-file'?: string | undefined;
  readonly 'view-token'?: string | undefined;
  readonly 'view-token-file'?: string | undefined;
  readonly 'publish-token'?: string | undefined;
  readonly 'publish-token-file'?: string | undefined;
  /** `PORT=SECRET` each. */
  readonly reserve: readonly string[];
  /** A file with one `PORT=SECRET` per line. */
  readonly 'reserve-file'?: string | undefined;
}

/** Environment variables that carry the same secrets. `GEARWAY_RESERVE` holds `PORT=SECRET`, separated by spaces or line breaks. */
export const TOKEN_VARIABLES = ['GEARWAY_TOKEN', 'GEARWAY_VIEW_TOKEN', 'GEARWAY_PUBLISH_TOKEN', 'GEARWAY_RESERVE'] as const;

/** Secrets from all places, and warnings for the log. */
export interface TokenOptions {
  readonly options: Pick<GatewayOptions, 'token' | 'viewToken' | 'publishToken' | 'reservedPorts'>;
  readonly warnings: readonly string[];
}

/**
 * Collects the tokens from flags, files and environment variables. Arguments are visible to every user of the machine (`ps`), the other two are not. A
 * single line break at the end of a file is not part of the secret. No message contains a secret.
 *
 * @throws {GearwayError} `option-invalid` when a secret is given twice, a file cannot be read, or a reserved port is malformed.
 */
export function readTokens(flags: TokenFlags, environment: Readonly<Record<string, string | undefined>>): TokenOptions {
  const warnings: string[] = [];
  const read = (flag: string, path: string): string => {
    const { text, isPublic } = readSecretFile(flag, path);
    if (isPublic) warnings.push(`--${flag}: ${path} can be read by every user of this machine; chmod 600 it`);
    return text;
  };
  const single = (name: 'token' | 'view-token' | 'publish-token', variable: (typeof TOKEN_VARIABLES)[number]): string | undefined => {
    const path = flags[`${name}-file`];
    const fromEnvironment = environment[variable];
    const given = [...(flags[name] === undefined ? [] : [`--${name}`]), ...(path === undefined ? [] : [`--${name}-file`]), ...(fromEnvironment === undefined ? [] : [variable])];
    if (given.length > 1) throw new GearwayError('option-invalid', `${given.join(' and ')} are both given, expected one of them`);
    return flags[name] ?? (path === undefined ? fromEnvironment : read(`${name}-file`, path));
  };
  const [token, viewToken, publishToken] = [single('token', 'GEARWAY_TOKEN'), single('view-token', 'GEARWAY_VIEW_TOKEN'), single('publish-token', 'GEARWAY_PUBLISH_TOKEN')];
  const reserveFile = flags['reserve-file'];
  const lists: [string, readonly string[]][] = [
    ['--reserve', flags.reserve],
    ['--reserve-file', reserveFile === undefined ? [] : words(read('reserve-file', reserveFile))],
    ['GEARWAY_RESERVE', words(environment['GEARWAY_RESERVE'] ?? '')],
  ];
  return {
    options: {
      ...(token === undefined ? {} : { token }),
      ...(viewToken === undefined ? {} : { viewToken }),
      ...(publishToken === undefined ? {} : { publishToken }),
      reservedPorts: parseReserved(lists),
    },
    warnings,
  };
}

/** Tokens have no white space. */
function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function parseReserved(lists: readonly [string, readonly string[]][]): Record<number, string> {
  const reserved: Record<number, string> = {};
  for (const [place, texts] of lists) {
    for (const text of texts) {
      const match = /^(\d{1,5})=(.+)$/s.exec(text);
      // Without the text: it may hold a secret.
      if (match === null) throw new GearwayError('option-invalid', `${place} has an entry that is not PORT=SECRET, such as 6007=abc`);
      const port = Number(match[1]);
      if (Object.hasOwn(reserved, port)) throw new GearwayError('option-invalid', `port ${port} is reserved twice, expected one secret (--reserve, --reserve-file, GEARWAY_RESERVE)`);
      reserved[port] = match[2] ?? '';
    }
  }
  return reserved;
}

function readSecretFile(flag: string, path: string): { text: string; isPublic: boolean } {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    // One more than allowed shows that there is more. A pipe delivers in pieces.
    const bytes = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < bytes.byteLength; length += count) count = readSync(descriptor, bytes, length, bytes.byteLength - length, null);
    if (length > MAX_FILE_BYTES) throw new RangeError(`it has more than ${MAX_FILE_BYTES} bytes`);
    const stat = fstatSync(descriptor);
    // Windows has no such mode.
    return { text: bytes.toString('utf8', 0, length).replace(/\r?\n$/, ''), isPublic: platform() !== 'win32' && stat.isFile() && (stat.mode & 0o004) !== 0 };
  } catch (error) {
    throw new GearwayError('option-invalid', `--${flag} cannot be read: ${errorText(error)}`, { cause: error });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
