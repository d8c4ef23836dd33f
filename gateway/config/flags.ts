import type { ParseArgsConfig } from 'node:util';
import { GearwayError } from '../../shared/errors.ts';
import { type Config, CONFIG_SCHEMA, describe, type Flag, type SchemaNode } from './schema.ts';
import { suggest } from './suggest.ts';

/** An option of the schema that has a flag. */
export interface DeclaredOption {
  /** Path in a configuration file; `*` for the name of a stream. */
  readonly path: readonly string[];
  readonly schema: SchemaNode;
  readonly flag: Flag;
  /** Environment variable. */
  readonly variable: string;
}

type ParseArgsOptions = NonNullable<ParseArgsConfig['options']>;

/** Options given by flags or environment variables; the streams' options are lists with `NAME=` before the values. */
export type GivenOptions = Omit<Config, 'streams' | 'virtualPorts' | 'renditions' | 'reservedPorts' | 'tls'> & {
  source?: string[];
  virtualPorts?: string[];
  renditions?: string[];
  reservedPorts?: Record<number, string>;
  tls?: { cert?: string; key?: string };
};

/** Prefix of the environment variables. */
const PREFIX = 'GEARWAY_';

/** Every option with a flag, in the order of the schema. */
export const DECLARED_OPTIONS: readonly DeclaredOption[] = collect(CONFIG_SCHEMA, []);

/** Variable with the path of the configuration file, as `--config`. */
export const CONFIG_VARIABLE = `${PREFIX}CONFIG`;

/**
 * Options for `parseArgs`: each flag, `--NAME-file` for each secret, and the options that only the command line has.
 */
export function parseArgsOptions(): ParseArgsOptions {
  const entries = DECLARED_OPTIONS.flatMap(
    ({ schema, flag: { name, value, multiple = false } }): [string, ParseArgsOptions[string]][] => [
      [name, { type: value === undefined ? 'boolean' : 'string', multiple }],
      ...(schema.secret === true
        ? [[`${name}-file`, { type: 'string' }] satisfies [string, ParseArgsOptions[string]]]
        : []),
    ],
  );
  return {
    ...Object.fromEntries(entries),
    config: { type: 'string' },
    help: { type: 'boolean' },
    version: { type: 'boolean' },
  };
}

/**
 * Reads the options that are not secrets from parsed arguments.
 *
 * @throws {GearwayError} `option-invalid`.
 */
export function readFlags(values: Readonly<Record<string, unknown>>): GivenOptions {
  const given: GivenOptions = {};
  for (const option of DECLARED_OPTIONS) {
    const { flag, schema } = option;
    const value = values[flag.name];
    if (value === undefined || schema.secret === true) continue;
    put(given, option, typeof value === 'string' ? readValue(`--${flag.name}`, value, schema) : value);
  }
  return given;
}

/**
 * Reads the options that are not secrets from environment variables. Entries of a list are separated by white space,
 * those of `GEARWAY_SOURCE` by line breaks.
 *
 * @throws {GearwayError} `option-invalid`.
 */
export function readVariables(variables: Readonly<Record<string, string | undefined>>): {
  readonly given: GivenOptions;
  readonly warnings: readonly string[];
} {
  const given: GivenOptions = {};
  const warnings: string[] = [];
  for (const option of DECLARED_OPTIONS) {
    const { variable, schema, flag } = option;
    const text = variables[variable];
    // An empty variable counts as not set, so that `${NAME:-}` in a compose file works.
    if (text === undefined || text === '' || schema.secret === true) continue;
    if (flag.name === 'port' && text.startsWith('tcp://')) {
      // Kubernetes sets this for every pod in the namespace of a service called gearway.
      warnings.push(
        `${variable} is ignored because it is a link to a Kubernetes service; set enableServiceLinks: false to suppress it`,
      );
      continue;
    }
    put(
      given,
      option,
      flag.multiple === true
        ? text.split(flag.name === 'source' ? /[\r\n]+/ : /\s+/).filter((entry) => entry.trim() !== '')
        : readValue(variable, text, schema),
    );
  }
  const known = [...DECLARED_OPTIONS.map(({ variable }) => variable), CONFIG_VARIABLE];
  for (const name of Object.keys(variables)) {
    if (!name.startsWith(PREFIX) || known.includes(name)) continue;
    const similar = suggest(name, known);
    if (similar !== null) warnings.push(`the environment variable ${name} is unknown; did you mean ${similar}?`);
  }
  return { given, warnings };
}

function collect(schema: SchemaNode, path: readonly string[]): readonly DeclaredOption[] {
  const own =
    schema.flag === undefined
      ? []
      : [
          {
            path,
            schema,
            flag: schema.flag,
            variable: `${PREFIX}${schema.flag.name.toUpperCase().replaceAll('-', '_')}`,
          },
        ];
  const children = Object.entries(schema.properties ?? {}).flatMap(([key, child]) => collect(child, [...path, key]));
  const values =
    typeof schema.additionalProperties === 'object' ? collect(schema.additionalProperties, [...path, '*']) : [];
  const all = [...own, ...children, ...values];
  // If an option of streams also has a value for all streams, the flag sets that value.
  return path.length > 0
    ? all
    : all.filter(({ flag }, index) => all.findLastIndex((other) => other.flag.name === flag.name) === index);
}

/** @param name of the flag or variable, for messages. */
function readValue(name: string, text: string, schema: SchemaNode): string | number | boolean {
  const refuse = (): GearwayError =>
    new GearwayError('option-invalid', `${name} is ${JSON.stringify(text)}, expected ${describe(schema)}`);
  if (schema.type === 'integer') {
    if (!/^\d{1,9}$/.test(text) || Number(text) > (schema.maximum ?? Infinity)) throw refuse();
    return Number(text);
  }
  if (schema.type === 'boolean') {
    if (text !== 'true' && text !== 'false') throw refuse();
    return text === 'true';
  }
  if (schema.enum !== undefined && !schema.enum.includes(text)) throw refuse();
  return text;
}

/** Sets an option at its path. Options of streams become lists at the top level. */
function put(given: GivenOptions, { path: [first = '', ...rest] }: DeclaredOption, value: unknown): void {
  const target = given as Record<string, unknown>;
  const last = rest.at(-1);
  if (last === undefined || first === 'streams') target[last ?? first] = value;
  else target[first] = { ...(target[first] as object | undefined), [last]: value };
}
