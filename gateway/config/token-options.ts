import { errorText, GearwayError } from '../../shared/errors.ts';
import { DECLARED_OPTIONS } from './flags.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { readSecretFile } from './secret-file.ts';

/** Parsed arguments: for each secret its flag, and the flag with its file. */
export type TokenFlags = Readonly<Record<string, unknown>>;

/** Secrets from all sources, and warnings for the log. */
interface TokenOptions {
  readonly options: Pick<GatewayOptions, 'token' | 'viewToken' | 'publishToken' | 'reservedPorts'>;
  readonly warnings: readonly string[];
}

/**
 * Collects the secrets from flags, files and environment variables. Only arguments are visible to other users (`ps`). A
 * single line break at the end of a file is removed. Messages never contain secrets.
 *
 * @throws {GearwayError} `option-invalid` if a secret is given twice, a file cannot be read, or a reserved port is
 * malformed.
 */
export async function readTokens(
  flags: TokenFlags,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<TokenOptions> {
  const warnings: string[] = [];
  const options: Record<string, unknown> = {};
  for (const {
    path,
    schema,
    flag: { name, multiple = false },
    variable,
  } of DECLARED_OPTIONS) {
    if (schema.secret !== true) continue;
    const file = flags[`${name}-file`];
    const fromFile = typeof file === 'string' ? await read(`${name}-file`, file, warnings) : undefined;
    const [fromFlag, fromVariable] = [flags[name], environment[variable]];
    if (multiple) {
      options[path.join('.')] = parseReserved([
        [`--${name}`, Array.isArray(fromFlag) ? (fromFlag as string[]) : []],
        [`--${name}-file`, words(fromFile ?? '')],
        [variable, words(fromVariable ?? '')],
      ]);
      continue;
    }
    const given = [
      ...(fromFlag === undefined ? [] : [`--${name}`]),
      ...(fromFile === undefined ? [] : [`--${name}-file`]),
      ...(fromVariable === undefined ? [] : [variable]),
    ];
    if (given.length > 1)
      throw new GearwayError('option-invalid', `${given.join(' and ')} are both given, expected only one`);
    const secret = fromFlag ?? fromFile ?? fromVariable;
    if (secret !== undefined) options[path.join('.')] = secret;
  }
  return { options, warnings };
}

async function read(flag: string, path: string, warnings: string[]): Promise<string> {
  try {
    const { text, isPublic } = await readSecretFile(path);
    if (isPublic) warnings.push(`--${flag}: ${path} can be read by every user of this machine; run chmod 600 on it`);
    return text;
  } catch (error) {
    throw new GearwayError('option-invalid', `--${flag} cannot be read: ${errorText(error)}`, { cause: error });
  }
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
      if (match === null)
        throw new GearwayError(
          'option-invalid',
          `${option} has an invalid entry, expected PORT=SECRET, such as 6007=abc`,
        );
      const port = Number(match[1]);
      if (Object.hasOwn(reserved, port)) {
        const names = lists.map(([name]) => name).join(', ');
        throw new GearwayError('option-invalid', `port ${port} is reserved twice, expected only one secret (${names})`);
      }
      reserved[port] = match[2] ?? '';
    }
  }
  return reserved;
}
