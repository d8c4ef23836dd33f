import { DECLARED_OPTIONS } from './flags.ts';
import { CONFIG_SCHEMA, describe, type SchemaNode } from './schema.ts';

/** Formats the reference tables of docs/configuration.md from the schema. */
export function formatReference(): string {
  const { streams, ...rest } = CONFIG_SCHEMA.properties;
  const top: SchemaNode = { properties: rest };
  return [
    '## Options',
    formatTable(top, []),
    '## Options of a stream',
    'Below `streams`, by name: 1 to 64 letters, digits, `-` and `_`; at most 64 streams. Options that a stream does not set have the values set for all streams.',
    formatTable(streams.additionalProperties, ['streams', 'NAME']),
    '## Options of a token',
    'Below `tokens`, by name: 1 to 64 letters, digits and `.` `_` `@` `-`; at most 256. [How to make one](security.md#tokens-and-users).',
    formatTable(rest.tokens.additionalProperties, ['tokens', 'NAME']),
    '## Options of a webhook',
    'Below `webhooks`, by name: 1 to 64 letters, digits, `-` and `_`; at most 16. [What it receives](operations.md#webhooks).',
    formatTable(rest.webhooks.additionalProperties, ['webhooks', 'NAME']),
  ].join('\n\n');
}

function formatTable(schema: SchemaNode, path: readonly string[]): string {
  return [
    '| Key | Flag | Variable | Default | Meaning |',
    '|---|---|---|---|---|',
    ...rowsOf(schema, path, path.length),
  ].join('\n');
}

function rowsOf({ properties = {} }: SchemaNode, path: readonly string[], hidden: number): string[] {
  return Object.entries(properties).flatMap(([key, schema]) => {
    const place = [...path, key];
    const name = place.slice(hidden).join('.');
    if (schema.properties !== undefined)
      return [row([`\`${name}\``, '', '', '', schema.description ?? '']), ...rowsOf(schema, place, hidden)];
    const declared = DECLARED_OPTIONS.find(({ flag }) => flag.name === schema.flag?.name);
    const flag =
      schema.flag === undefined
        ? ''
        : `\`--${schema.flag.name}${schema.flag.value === undefined ? '' : ` ${schema.flag.value}`}\`${schema.secret === true ? `, \`--${schema.flag.name}-file FILE\`` : ''}`;
    const byDefault =
      schema.default === undefined || (Array.isArray(schema.default) && schema.default.length === 0)
        ? ''
        : `\`${JSON.stringify(schema.default).replaceAll('"', '')}\``;
    const example = schema.examples?.[0] === undefined ? '' : `Example: \`${JSON.stringify(schema.examples[0])}\`.`;
    return [
      row([
        `\`${name}\``,
        flag,
        declared === undefined ? '' : `\`${declared.variable}\``,
        byDefault,
        [schema.description ?? '', valuesOf(schema), example].filter((text) => text !== '').join(' '),
      ]),
    ];
  });
}

/** The kind of value, unless the description or the default makes it obvious. */
function valuesOf(schema: SchemaNode): string {
  if (schema.enum !== undefined) return `Values: ${schema.enum.map((word) => `\`${word}\``).join(', ')}.`;
  if (schema.type === 'integer') return `Value: ${describe(schema)}.`;
  return schema.type === 'array' ? 'A list.' : '';
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`).replaceAll(/\bdocs\/([\w-]+\.md)(#[\w-]+)?/g, '[$1]($1$2)')).join(' | ')} |`;
}

/** Keywords of the schema that JSON Schema does not have. The values of `format` are unknown to editors. */
const OWN_KEYWORDS: ReadonlySet<string> = new Set(['flag', 'secret', 'format']);

/** The schema as a JSON Schema for editors. Numbers, words and booleans may also be references (`${NAME}`). */
export function formatJsonSchema(): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'gateway.yaml',
    ...(editorSchema(CONFIG_SCHEMA) as object),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function editorSchema(schema: SchemaNode): unknown {
  const entries = Object.entries(schema).flatMap(([key, value]): [string, unknown][] => {
    if (OWN_KEYWORDS.has(key)) return [];
    if (key === 'properties')
      return [
        [
          key,
          Object.fromEntries(
            Object.entries(value as Record<string, SchemaNode>).map(([name, child]) => [name, editorSchema(child)]),
          ),
        ],
      ];
    if ((key === 'additionalProperties' || key === 'items') && typeof value === 'object')
      return [[key, editorSchema(value as SchemaNode)]];
    return [[key, value]];
  });
  const own = Object.fromEntries(entries);
  if (schema.enum === undefined && schema.type !== 'integer' && schema.type !== 'boolean') return own;
  const { description, default: byDefault, examples, ...values } = own;
  const about = Object.entries({ description, default: byDefault, examples }).filter(
    ([, value]) => value !== undefined,
  );
  return { ...Object.fromEntries(about), anyOf: [values, { type: 'string', pattern: String.raw`^\$\{.*\}$` }] };
}
