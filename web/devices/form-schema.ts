import type { DeviceValue } from './control-value.ts';

/** Maximum number of fields of a form, including those of its groups. */
export const MAX_FIELDS = 100;
/** Maximum depth of groups in groups. */
export const MAX_DEPTH = 4;
/** Maximum number of values of an `enum`. */
export const MAX_CHOICES = 200;
/** Maximum number of values of all enumerations together. */
export const MAX_ALL_CHOICES = 2000;
/** Maximum length of titles and descriptions; the rest is cut off. */
const MAX_LABEL = 500;
/** Maximum number of `examples`; further ones are ignored. */
const MAX_SUGGESTIONS = 50;
/** Maximum length of a default string; a longer one is ignored. */
const MAX_TEXT = 10_000;
/** Maximum number of references that lead to one schema. */
const MAX_REFERENCES = 8;
/** Maximum number of names in `required`, of schemas in `anyOf`, and of types in `type`, that are read. */
const MAX_LIST = 1000;

/** Keywords that are read; all others are ignored. */
const KEYWORDS = [
  'type',
  'enum',
  'properties',
  'required',
  'title',
  'description',
  'default',
  'examples',
  'minimum',
  'maximum',
] as const;

type Choice = string | number | boolean | null;

/** Kind and initial value of the input of a field. */
export type FieldKind =
  | { readonly kind: 'text'; readonly initial: string; readonly suggestions: readonly string[] }
  | {
      readonly kind: 'number';
      readonly isInteger: boolean;
      readonly minimum: number | null;
      readonly maximum: number | null;
      readonly initial: number | null;
    }
  | { readonly kind: 'boolean'; readonly initial: boolean }
  /** `initial` is the index of a choice, -1 for none. */
  | { readonly kind: 'choice'; readonly choices: readonly Choice[]; readonly initial: number }
  | { readonly kind: 'group'; readonly fields: readonly FormField[] }
  /** A field that cannot be shown. */
  | { readonly kind: 'unsupported'; readonly reason: string };

export type FormField = {
  readonly key: string;
  /** Identity within the form: the keys that lead to the field, as JSON. */
  readonly path: string;
  readonly title: string;
  readonly description: string;
  readonly isRequired: boolean;
} & FieldKind;

/** A form, made from a JSON Schema. */
export interface Form {
  readonly title: string;
  readonly description: string;
  readonly fields: readonly FormField[];
}

/** The input of the fields, by path. Numbers as typed, indices of choices as text. */
export type FormInputs = ReadonlyMap<string, string | boolean>;

type Schema = { readonly [keyword: string]: unknown };

/** Error for a schema that cannot be shown as a form. Its message is a sentence without a full stop. */
export class FormSchemaError extends TypeError {}

/**
 * Reads a JSON Schema: an object of strings, numbers, integers, booleans, enums and objects. Unknown keywords, and
 * those with values of a wrong type, are ignored. References to `$defs`, and `anyOf` with a type and `null`, are
 * followed.
 *
 * @throws {FormSchemaError} if it is not an object with properties, or exceeds a limit.
 */
export function parseForm(value: unknown): Form {
  const schema = asSchema(value);
  const root = schema === null ? null : resolve(schema, schema);
  if (root === null || typeOf(root) !== 'object')
    throw new FormSchemaError(
      'the schema is not an object with properties, expected { "type": "object", "properties": … }',
    );
  return {
    title: label(root['title']),
    description: label(root['description']),
    fields: new SchemaReader(schema ?? root).fields(root, []),
  };
}

class SchemaReader {
  readonly #root: Schema;
  #count = 0;
  #choices = 0;

  constructor(root: Schema) {
    this.#root = root;
  }

  /** Also ends for a schema that contains itself, because the number of fields then exceeds a limit. */
  fields(schema: Schema, keys: readonly string[]): readonly FormField[] {
    if (keys.length > MAX_DEPTH)
      throw new FormSchemaError(
        `the schema has objects at more than ${MAX_DEPTH} levels, expected at most ${MAX_DEPTH}`,
      );
    const properties = asSchema(own(schema, 'properties')) ?? {};
    const names = Object.keys(properties);
    this.#count += names.length;
    if (this.#count > MAX_FIELDS)
      throw new FormSchemaError(`the schema has more than ${MAX_FIELDS} fields, expected at most ${MAX_FIELDS}`);
    const list = own(schema, 'required');
    const required = new Set<unknown>(Array.isArray(list) ? list.slice(0, MAX_LIST) : []);
    return names.map((key) => {
      const property = asSchema(properties[key]);
      const field = property === null ? null : resolve(property, this.#root);
      return {
        key,
        path: JSON.stringify([...keys, key]),
        title: label(field?.['title']) || label(key) || '(no name)',
        description: label(field?.['description']),
        isRequired: required.has(key),
        ...this.#kind(key, field, keys),
      };
    });
  }

  #kind(key: string, schema: Schema | null, keys: readonly string[]): FieldKind {
    // Other code might mistake it for the prototype of the value.
    if (key === '__proto__') return { kind: 'unsupported', reason: 'its name is reserved' };
    if (schema === null) return { kind: 'unsupported', reason: 'its schema is not an object' };
    const initial = own(schema, 'default');
    const type = typeOf(schema);
    switch (type) {
      case 'enum':
        return this.#choice(own(schema, 'enum') as readonly unknown[], initial);
      case 'string':
        return {
          kind: 'text',
          initial: typeof initial === 'string' && initial.length <= MAX_TEXT ? initial : '',
          suggestions: suggestionsOf(own(schema, 'examples')),
        };
      case 'number':
      case 'integer': {
        const [minimum, maximum] = [finite(own(schema, 'minimum')), finite(own(schema, 'maximum'))];
        if (minimum !== null && maximum !== null && minimum > maximum)
          return { kind: 'unsupported', reason: `its minimum ${minimum} is above its maximum ${maximum}` };
        return { kind: 'number', isInteger: type === 'integer', minimum, maximum, initial: finite(initial) };
      }
      case 'boolean':
        return { kind: 'boolean', initial: initial === true };
      case 'object':
        return { kind: 'group', fields: this.fields(schema, [...keys, key]) };
      default:
        return {
          kind: 'unsupported',
          reason: typeof type === 'string' ? `its type is ${label(type)}` : 'it does not have exactly one type',
        };
    }
  }

  #choice(values: readonly unknown[], initial: unknown): FieldKind {
    if (values.length > MAX_CHOICES)
      throw new FormSchemaError(`an enum has ${values.length} values, expected at most ${MAX_CHOICES}`);
    this.#choices += values.length;
    if (this.#choices > MAX_ALL_CHOICES)
      throw new FormSchemaError(
        `the enums have more than ${MAX_ALL_CHOICES} values, expected at most ${MAX_ALL_CHOICES}`,
      );
    const choices = [...new Set(values)].filter(
      (value): value is Choice =>
        value === null ||
        typeof value === 'boolean' ||
        finite(value) !== null ||
        (typeof value === 'string' && value.length <= MAX_LABEL),
    );
    if (choices.length === 0) return { kind: 'unsupported', reason: 'its enum has no value that can be chosen' };
    return { kind: 'choice', choices, initial: (choices as readonly unknown[]).indexOf(initial) };
  }
}

/** All fields, including those of groups. */
export function allFields(fields: readonly FormField[]): readonly FormField[] {
  return fields.flatMap((field) => (field.kind === 'group' ? [field, ...allFields(field.fields)] : [field]));
}

/**
 * Reads the input.
 *
 * @returns the value of the form, in which optional fields without input are missing; and the problems, by path, in
 * words. The value is valid if there are no problems.
 */
export function readForm(
  fields: readonly FormField[],
  inputs: FormInputs,
): { readonly value: { readonly [key: string]: DeviceValue }; readonly problems: ReadonlyMap<string, string> } {
  const problems = new Map<string, string>();
  const read = (list: readonly FormField[]): { readonly [key: string]: DeviceValue } =>
    Object.fromEntries(
      list.flatMap((field): [string, DeviceValue][] => {
        if (field.kind === 'unsupported') return [];
        if (field.kind === 'group') return [[field.key, read(field.fields)]];
        const value = readInput(field, inputs.get(field.path) ?? '');
        if (value instanceof Problem) problems.set(field.path, value.text);
        return value === undefined || value instanceof Problem ? [] : [[field.key, value]];
      }),
    );
  return { value: read(fields), problems };
}

class Problem {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** @returns undefined for no value. */
function readInput(field: FormField, input: string | boolean): DeviceValue | undefined | Problem {
  if (field.kind === 'boolean') return input === true;
  const text = String(input);
  switch (field.kind) {
    case 'choice': {
      const choice = text === '' ? undefined : field.choices[Number(text)];
      return choice === undefined && (field.isRequired || text !== '') ? new Problem('Choose a value') : choice;
    }
    case 'number':
      if (text.trim() === '' && !field.isRequired) return undefined;
      return readNumber(field, text);
    default:
      if (text !== '') return text;
      return field.isRequired ? new Problem('Enter text') : undefined;
  }
}

function readNumber(
  { isInteger, minimum, maximum }: Extract<FieldKind, { kind: 'number' }>,
  text: string,
): number | Problem {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const isInRange = value >= (minimum ?? -Infinity) && value <= (maximum ?? Infinity);
  if (Number.isFinite(value) && isInRange && (!isInteger || Number.isInteger(value))) return value;
  return new Problem(`Enter a ${isInteger ? 'whole number' : 'number'}${rangeText(minimum, maximum)}`);
}

/** ` from 0 to 5`, ` of at least 0`; empty without limits. */
function rangeText(minimum: number | null, maximum: number | null): string {
  if (minimum !== null && maximum !== null) return ` from ${minimum} to ${maximum}`;
  if (minimum !== null) return ` of at least ${minimum}`;
  return maximum === null ? '' : ` of at most ${maximum}`;
}

/**
 * Follows references within the schema, and the only type of `anyOf` besides `null`.
 *
 * @returns the keywords that are read. A title, description or default next to a reference applies to the field.
 */
function resolve(schema: Schema, root: Schema): Schema {
  const found: Record<string, unknown> = {};
  let current: Schema | null = schema;
  for (let hops = 0; current !== null && hops <= MAX_REFERENCES; hops += 1) {
    // Only known keywords are read: each of a hundred fields may refer to a map with a hundred thousand entries.
    for (const keyword of KEYWORDS)
      if (!Object.hasOwn(found, keyword) && Object.hasOwn(current, keyword)) found[keyword] = current[keyword];
    current = targetOf(current, root);
  }
  return found;
}

function targetOf(schema: Schema, root: Schema): Schema | null {
  const reference = own(schema, '$ref');
  const [, list, name] =
    (typeof reference === 'string' ? /^#\/(\$defs|definitions)\/(.+)$/.exec(reference) : null) ?? [];
  if (list !== undefined && name !== undefined) return asSchema(own(asSchema(own(root, list)) ?? {}, name));
  const alternatives = own(schema, 'anyOf');
  if (!Array.isArray(alternatives) || alternatives.length > MAX_LIST) return null;
  const types = alternatives.map(asSchema).filter((found) => found !== null && own(found, 'type') !== 'null');
  return types.length === 1 ? (types[0] ?? null) : null;
}

/** @returns `enum` for an enumeration; undefined if the schema has no type. */
function typeOf(schema: Schema): unknown {
  if (Array.isArray(own(schema, 'enum'))) return 'enum';
  const type = own(schema, 'type');
  if (type === undefined) return asSchema(own(schema, 'properties')) === null ? undefined : 'object';
  if (!Array.isArray(type) || type.length > MAX_LIST) return type;
  const types: readonly unknown[] = type.filter((name) => name !== 'null');
  return types.length === 1 ? types[0] : type;
}

function asSchema(value: unknown): Schema | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : null;
}

/** Reads only own properties, because a name such as `constructor` would return a property of the prototype. */
function own(schema: Schema, keyword: string): unknown {
  return Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
}

function finite(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function suggestionsOf(examples: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(examples) ? examples.slice(0, MAX_SUGGESTIONS) : [];
  return list.filter((text): text is string => typeof text === 'string' && text !== '' && text.length <= MAX_LABEL);
}

function label(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, MAX_LABEL) : '';
}

/** A property that is an object itself; null if there is none. */
export function ownObject(value: unknown, key: string): { readonly [key: string]: unknown } | null {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return null;
  const found: unknown = (value as { readonly [key: string]: unknown })[key];
  return typeof found === 'object' && found !== null ? (found as { readonly [key: string]: unknown }) : null;
}
