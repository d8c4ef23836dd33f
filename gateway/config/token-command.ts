import { parseArgs } from 'node:util';
import { GearwayError } from '../../shared/errors.ts';
import { type Right, RIGHTS } from '../rights/principal.ts';
import { BUILT_IN_NAMES } from '../rights/rows.ts';
import { createToken, hashPassword } from '../rights/scrypt-hash.ts';
import { checkStreamName, parseExpiry } from './rights-options.ts';

const HELP = `gearway token [NAME] [--rights view,return] [--streams NAME,NAME] [--port NUMBER] [--expires 2027-01-31]

Creates a token, and prints it with the lines for the configuration file (gateway.yaml), which contain only its hash.
With --password, NAME becomes a user instead, whose password is asked for or read from standard input.
Rights: ${RIGHTS.join(', ')}. Default: view, for all streams.
`;

const MIN_PASSWORD = 8;

interface TokenCommandOptions {
  /** Asks for a password. */
  readonly readPassword: () => Promise<string>;
  readonly print: (text: string) => void;
}

/**
 * Runs `gearway token`.
 *
 * @throws {GearwayError} for invalid arguments; an error of `parseArgs`.
 */
export async function runToken(args: string[], { readPassword, print }: TokenCommandOptions): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rights: { type: 'string', default: 'view' },
      streams: { type: 'string' },
      port: { type: 'string' },
      expires: { type: 'string' },
      password: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    print(HELP);
    return;
  }
  const [name = 'viewer'] = positionals;
  if (positionals.length > 1 || !/^[A-Za-z0-9_.@-]{1,64}$/.test(name))
    throw refused(`NAME is ${JSON.stringify(positionals.join(' '))}, expected 1 to 64 letters, digits and . _ @ -`);
  if (BUILT_IN_NAMES.includes(name)) throw refused(`NAME is ${name}, which has another meaning; choose another one`);
  const rights = values.rights.split(',').map(parseRight);
  if (rights.includes('return') && !rights.includes('view'))
    throw refused('the right return requires view, because a viewer returns data: --rights view,return');
  const streams = values.streams?.split(',');
  streams?.forEach(checkStreamName);
  const { port, expires } = values;
  if (port !== undefined && (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535))
    throw refused(`--port is ${JSON.stringify(port)}, expected 1 to 65535`);
  if (port !== undefined && !rights.includes('return'))
    throw refused('a port is for return data: --rights view,return');
  if (expires !== undefined) parseExpiry(expires);
  const { token, hash } = values.password ? await hashOfPassword(readPassword) : await createToken();
  const lines = [
    'tokens:',
    `  ${/^[A-Za-z]/.test(name) ? name : JSON.stringify(name)}:`,
    `    hash: ${hash}`,
    `    rights: [${rights.join(', ')}]`,
    ...(streams === undefined ? [] : [`    streams: [${streams.map((stream) => JSON.stringify(stream)).join(', ')}]`]),
    ...(port === undefined ? [] : [`    port: ${port}`]),
    ...(expires === undefined ? [] : [`    expires: ${expires}`]),
  ];
  const shown = token === null ? '' : `The token, which is shown only now:\n\n${token}\n\n`;
  print(`${shown}Add these lines to gateway.yaml:\n\n${lines.join('\n')}\n`);
}

async function hashOfPassword(
  readPassword: () => Promise<string>,
): Promise<{ readonly token: null; readonly hash: string }> {
  const password = await readPassword();
  if (password.length < MIN_PASSWORD)
    throw refused(`the password has ${password.length} characters, expected at least ${MIN_PASSWORD}`);
  return { token: null, hash: await hashPassword(password) };
}

function parseRight(text: string): Right {
  const right = RIGHTS.find((name) => name === text);
  if (right === undefined) throw refused(`--rights has ${JSON.stringify(text)}, expected some of ${RIGHTS.join(', ')}`);
  return right;
}

function refused(message: string): GearwayError {
  return new GearwayError('option-invalid', message);
}
