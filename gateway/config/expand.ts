import { resolve } from 'node:path';
import { errorText } from '../../shared/errors.ts';
import { readSecretFile } from './secret-file.ts';

/** The sources to which values in a configuration file may refer. */
export interface References {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Folder of the configuration file, to which paths are relative. */
  readonly folder: string;
}

/** Used in messages that quote a reference. */
const DOLLAR = '$';

/** A string whose references have been replaced. */
interface Expanded {
  readonly text: string;
  /** Whether the string contains a replaced reference, which may be secret and must not be quoted. */
  readonly isReferring: boolean;
}

/**
 * Replaces the references in a string: `${NAME}` with an environment variable, `${NAME:-text}` likewise but with a
 * default, `${file:PATH}` with the content of a file, `${credential:NAME}` with a systemd credential; `$${` is a
 * literal `${`. They are replaced in values after the file has been parsed, so that a value cannot change its
 * structure.
 *
 * @throws an error whose message is a sentence.
 */
export async function expandReferences(text: string, references: References): Promise<Expanded> {
  let isReferring = false;
  let expanded = '';
  let at = 0;
  for (const match of text.matchAll(/\$\$\{|\$\{([^}]*)\}?/g)) {
    const [found, name] = match;
    expanded += text.slice(at, match.index);
    at = match.index + found.length;
    if (name === undefined) {
      expanded += '${';
      continue;
    }
    if (!found.endsWith('}'))
      throw new Error(
        `a reference has no end, expected ${DOLLAR}{NAME}; write ${DOLLAR}${DOLLAR}{ for the characters themselves`,
      );
    isReferring = true;
    expanded += await lookUp(name, references);
  }
  return { text: expanded + text.slice(at), isReferring };
}

/**
 * Reads a secret option, which may also be `file:PATH` or `credential:NAME` as a whole.
 *
 * @throws as {@link expandReferences}.
 */
export async function expandSecret(text: string, references: References): Promise<Expanded> {
  return /^(?:file|credential):/.test(text)
    ? { text: await lookUp(text, references), isReferring: true }
    : expandReferences(text, references);
}

async function lookUp(name: string, { variables, folder }: References): Promise<string> {
  const [, kind, target = ''] = /^(file|credential):(.*)$/s.exec(name) ?? [];
  if (kind === 'file') return read(resolve(folder, target), target);
  if (kind === 'credential') {
    const credentials = variables['CREDENTIALS_DIRECTORY'];
    if (credentials === undefined)
      throw new Error(
        `the credential ${target} cannot be read because CREDENTIALS_DIRECTORY is not set; systemd sets it for services with LoadCredential=${target}:FILE; elsewhere, set it to the folder of these files`,
      );
    if (!/^[\w.@-]{1,255}$/.test(target) || target === '..')
      throw new Error('a credential has an invalid name, expected letters, digits and . _ - @');
    return read(resolve(credentials, target), `the credential ${target}`);
  }
  const [, variable = '', byDefault] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(name) ?? [];
  if (variable === '')
    throw new Error(
      `a reference names no environment variable, expected ${DOLLAR}{NAME}, ${DOLLAR}{NAME:-default}, ${DOLLAR}{file:PATH} or ${DOLLAR}{credential:NAME}`,
    );
  const value = variables[variable];
  if (value !== undefined && (value !== '' || byDefault === undefined)) return value;
  if (byDefault !== undefined) return byDefault;
  throw new Error(`the environment variable ${variable} is not set; set it, or write ${DOLLAR}{${variable}:-DEFAULT}`);
}

async function read(path: string, name: string): Promise<string> {
  try {
    return (await readSecretFile(path)).text;
  } catch (error) {
    throw new Error(`${name} cannot be read: ${errorText(error)}`, { cause: error });
  }
}
