import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { platform } from 'node:os';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { GatewayOptions } from './options.ts';

/** Maximum size of a file with secrets. */
const MAX_FILE_BYTES = 64 << 10;

/** Command-line flags with secrets, or with files that contain them. */
export interface TokenFlags {
  readonly token?: string | undefined;
  readonly 'token-file'?: string | undefined;
  readonly 'view-token'?: string | undefined;
  readonly 'view-token-file'?: string | undefined;
  readonly 'publish-token'?: string | undefined;
  readonly 'publish-token-file'?: string | undefined;
  /** Entries `PORT=SECRET`. */
  readonly reserve: readonly string[];
  /** A file with one `PORT=SECRET` per line. */
  readonly 'reserve-file'?: string | undefined;
}

/**
 * Environment variables with the same secrets. `GEARWAY_RESERVE` contains `PORT=SECRET` entries, separated by white
 * space.
 */
export const TOKEN_VARIABLES = ['GEARWAY_TOKEN', 'GEARWAY_VIEW_TOKEN', 'GEARWAY_PUBLISH_TOKEN', 'GEARWAY_RESERVE'] as const;

/** Secrets from all sources, and warnings for the log. */
interface TokenOptions {
  readonly options: Pick<GatewayOptions, 'token' | 'viewToken' | 'publishToken' | 'reservedPorts'>;
  readonly warnings: readonly string[];
}

/**
 * Collects the tokens from flags, files and environment variables. Only arguments are visible to other users (`ps`). A
 * single line break at the end of a file is removed. Messages never contain secrets.
 *
 * @throws {GearwayError} `option-invalid` if a secret is given twice, a file cannot be read, or a reserved port is
 * malformed.
 */
export function readTokens(flags: TokenFlags, environment: Readonly<Record<string, string | undefined>>): TokenOptions {
  const warnings: string[] = [];
  const read = (flag: string, path: string): string => {
    const { text, isPublic } = readSecretFile(flag, path);
    if (isPublic) warnings.push(`--${flag}: ${path} can be read by every user of this machine; run chmod 600 on it`);
    return text;
  };
  const single = (name: 'token' | 'view-token' | 'publish-token', variable: (typeof TOKEN_VARIABLES)[number]): string | undefined => {
    const path = flags[`${name}-file`];
    const fromEnvironment = environment[variable];
    const given = [...(flags[name] === undefined ? [] : [`--${name}`]), ...(path === undefined ? [] : [`--${name}-file`]), ...(fromEnvironment === undefined ? [] : [variable])];
    if (given.length > 1) throw new GearwayError('option-invalid', `${given.join(' and ')} are both given, expected only one`);
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

/** Splits at white space, which tokens cannot contain. */
function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function parseReserved(lists: readonly [string, readonly string[]][]): Record<number, string> {
  const reserved: Record<number, string> = {};
  for (const [option, texts] of lists) {
    for (const text of texts) {
      const match = /^(\d{1,5})=(.+)$/s.exec(text);
      // The message omits the entry, which may contain a secret.
      if (match === null) throw new GearwayError('option-invalid', `${option} has an invalid entry, expected PORT=SECRET, such as 6007=abc`);
      const port = Number(match[1]);
      if (Object.hasOwn(reserved, port)) {
        const text = `port ${port} is reserved twice, expected only one secret (--reserve, --reserve-file, GEARWAY_RESERVE)`;
        throw new GearwayError('option-invalid', text);
      }
      reserved[port] = match[2] ?? '';
    }
  }
  return reserved;
}

function readSecretFile(flag: string, path: string): { text: string; isPublic: boolean } {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    // One byte more than allowed, to detect larger files. The path may be a pipe, which is read in several pieces.
    const bytes = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < bytes.byteLength; length += count) count = readSync(descriptor, bytes, length, bytes.byteLength - length, null);
    if (length > MAX_FILE_BYTES) throw new RangeError(`it has more than ${MAX_FILE_BYTES} bytes`);
    const stat = fstatSync(descriptor);
    // Windows has no such file mode.
    return { text: bytes.toString('utf8', 0, length).replace(/\r?\n$/, ''), isPublic: platform() !== 'win32' && stat.isFile() && (stat.mode & 0o004) !== 0 };
  } catch (error) {
    throw new GearwayError('option-invalid', `--${flag} cannot be read: ${errorText(error)}`, { cause: error });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
