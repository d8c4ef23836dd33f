import { cleanText } from '../../shared/clean-text.ts';
import { GearwayError } from '../../shared/errors.ts';

/** One fault of a configuration file. */
export interface Problem {
  /** Counted from 1. null if the fault has no position, such as a file that cannot be read. */
  readonly line: number | null;
  readonly column: number | null;
  /** A sentence without secrets. */
  readonly message: string;
}

/** An invalid option, with its path in the configuration: `['streams', 'door', 'source']`. */
export class OptionError extends GearwayError {
  readonly path: readonly string[];

  constructor(
    path: readonly string[],
    message: string,
    { code = 'option-invalid', ...options }: ErrorOptions & { readonly code?: string } = {},
  ) {
    super(code, message, options);
    this.path = path;
  }
}

/** An invalid configuration file, code `config-invalid`. The message is the first problem with its position. */
export class ConfigError extends GearwayError {
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    const [first = { line: null, column: null, message: 'it is invalid' }] = problems;
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more: gearway check-config ${file})` : '';
    super('config-invalid', `${formatProblem(file, first)}${more}`);
    this.problems = problems;
  }
}

/** `FILE:LINE:COLUMN: message`, which editors and terminals recognize as a link. */
export function formatProblem(file: string, { line, column, message }: Problem): string {
  return cleanText(line === null ? `${file}: ${message}` : `${file}:${line}:${column ?? 1}: ${message}`);
}

/** @param path path of the option in a configuration file. */
export function invalid(message: string, ...path: string[]): OptionError {
  return new OptionError(path, message);
}

/** Checks a value at run time, because callers from the command line or JavaScript are not type-checked. */
export function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw invalid(`${name} is ${JSON.stringify(value)}, expected ${allowed.join(' or ')}`);
  return value;
}
