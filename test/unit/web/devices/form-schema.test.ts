import { describe, expect, it } from 'vitest';
import {
  allFields,
  FormSchemaError,
  MAX_ALL_CHOICES,
  MAX_CHOICES,
  MAX_DEPTH,
  MAX_FIELDS,
  parseForm,
  readForm,
} from '../../../../web/devices/form-schema.ts';

const SCHEMA = {
  title: 'Settings',
  type: 'object',
  required: ['name', 'speed', 'mode'],
  properties: {
    name: { type: 'string', title: 'Name', description: 'Of the run' },
    speed: { type: 'number', minimum: 0, maximum: 1, default: 0.5 },
    count: { type: 'integer', minimum: 1 },
    horn: { type: 'boolean', default: true },
    mode: { enum: ['slow', 2, null] },
    arm: { type: 'object', properties: { angle: { type: 'number', default: 90 } } },
  },
};

/** Reads with these inputs, by top-level key. */
const read = (schema: unknown, inputs: Record<string, string | boolean>) =>
  readForm(
    parseForm(schema).fields,
    new Map(Object.entries(inputs).map(([keys, input]) => [JSON.stringify(keys.split('.')), input])),
  );

const nested = (depth: number): object =>
  depth === 0 ? { type: 'string' } : { type: 'object', properties: { a: nested(depth - 1) } };
const many = (count: number): object => ({
  type: 'object',
  properties: Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, { type: 'string' }])),
});

describe('parseForm', () => {
  it('has a field for each property, with its title, description, limits and default', () => {
    const { title, fields } = parseForm(SCHEMA);
    expect(title).toBe('Settings');
    expect(fields).toMatchObject([
      { key: 'name', title: 'Name', description: 'Of the run', isRequired: true, kind: 'text', initial: '' },
      { title: 'speed', isRequired: true, kind: 'number', isInteger: false, minimum: 0, maximum: 1, initial: 0.5 },
      { isRequired: false, kind: 'number', isInteger: true, minimum: 1, maximum: null, initial: null },
      { kind: 'boolean', initial: true },
      { kind: 'choice', choices: ['slow', 2, null], initial: -1 },
      { kind: 'group', fields: [{ key: 'angle', path: '["arm","angle"]', initial: 90 }] },
    ]);
  });

  it('follows references and optional types, as Pydantic writes them', () => {
    const { fields } = parseForm({
      $defs: {
        Mode: { enum: ['slow', 'fast'], title: 'Mode', type: 'string' },
        Arm: { properties: { angle: { default: 0.0, type: 'number' } }, title: 'Arm', type: 'object' },
      },
      properties: {
        mode: { $ref: '#/$defs/Mode', default: 'fast' },
        arm: { $ref: '#/$defs/Arm' },
        note: { anyOf: [{ type: 'string' }, { type: 'null' }], default: null, title: 'Note' },
      },
      type: 'object',
    });
    expect(fields).toMatchObject([
      { title: 'Mode', kind: 'choice', initial: 1 },
      { title: 'Arm', kind: 'group', fields: [{ key: 'angle', kind: 'number' }] },
      { title: 'Note', kind: 'text', initial: '' },
    ]);
  });

  it('ignores unknown keywords, and known ones with values of a wrong type', () => {
    const { fields } = parseForm({
      type: 'object',
      required: 'a',
      additionalProperties: false,
      properties: {
        a: { type: 'string', title: 7, description: [], default: 7, format: 'email', minLength: 3 },
        b: { type: ['number', 'null'], minimum: '0', maximum: Number.NaN, default: '1', multipleOf: 3 },
        c: { type: 'boolean', default: 'yes' },
        d: { enum: [1, 1, {}, [], 'x'], default: 'y' },
      },
    });
    expect(fields).toMatchObject([
      { title: 'a', description: '', isRequired: false, kind: 'text', initial: '' },
      { kind: 'number', minimum: null, maximum: null, initial: null },
      { kind: 'boolean', initial: false },
      { kind: 'choice', choices: [1, 'x'], initial: -1 },
    ]);
  });

  it('suggests the texts among the examples, at most fifty', () => {
    const examples = ['home', '', 7, null, 'x'.repeat(501), ...Array.from({ length: 100 }, (_, n) => `p${n}`)];
    const { fields } = parseForm({
      type: 'object',
      properties: { a: { type: 'string', examples }, b: { type: 'string', examples: 'home' }, c: { type: 'string' } },
    });
    const [a, ...others] = fields.map((field) => (field.kind === 'text' ? field.suggestions : null));
    expect(a).toEqual(['home', ...Array.from({ length: 45 }, (_, n) => `p${n}`)]);
    expect(others).toEqual([[], []]);
  });

  it('does not show fields for which no input is valid', () => {
    const { fields } = parseForm({
      type: 'object',
      required: ['a', 'b'],
      properties: {
        a: { type: 'number', minimum: 2, maximum: 1 },
        b: { enum: [{}, []] },
        c: { type: 'number', minimum: 2, maximum: 2 },
      },
    });
    expect(fields).toMatchObject([
      { kind: 'unsupported', reason: 'its minimum 2 is above its maximum 1' },
      { kind: 'unsupported', reason: 'its enum has no value that can be chosen' },
      { kind: 'number', minimum: 2, maximum: 2 },
    ]);
    expect(readForm(fields, new Map([['["c"]', '2']]))).toEqual({ value: { c: 2 }, problems: new Map() });
  });

  it('does not show fields of other types, and reports why', () => {
    const properties = {
      a: { type: 'array' },
      b: {},
      c: 7,
      d: { type: ['string', 'number'] },
      e: { $ref: '#/$defs/none' },
    };
    const { fields } = parseForm({ type: 'object', properties });
    expect(fields.map((field) => field.kind === 'unsupported' && field.reason)).toEqual([
      'its type is array',
      'it does not have exactly one type',
      'its schema is not an object',
      'it does not have exactly one type',
      'it does not have exactly one type',
    ]);
  });

  it('treats names of object prototypes as ordinary names, except __proto__, which it does not show', () => {
    const schema: unknown = JSON.parse(
      '{"type": "object", "properties": {"__proto__": {"type": "object", "properties": {"polluted": {"type": "boolean", "default": true}}}, "constructor": {"type": "boolean"}, "toString": {"$ref": "#/$defs/constructor"}}, "$defs": {}, "__proto__": {"title": "polluted"}}',
    );
    const { title, fields } = parseForm(schema);
    expect(title).toBe('');
    expect(fields.map(({ kind }) => kind)).toEqual(['unsupported', 'boolean', 'unsupported']);
    const { value } = readForm(fields, new Map([['["constructor"]', true]]));
    expect(JSON.stringify(value)).toBe('{"constructor":true}');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect('polluted' in {}).toBe(false);
  });

  it.each([
    null,
    7,
    'object',
    [],
    {},
    { type: 'string' },
    { type: 'array', items: {} },
    { enum: [1] },
    { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/a' } } },
    { $ref: 7 },
  ])('refuses %j, which is not an object with properties', (schema) => {
    expect(() => parseForm(schema)).toThrow(FormSchemaError);
  });

  it('reads only the known keywords of a schema that many fields reference', () => {
    let [reads, lists] = [0, 0];
    const large = new Proxy<Record<string, unknown>>(
      {
        type: 'string',
        title: 'Large',
        pattern: '(a+)+$',
        ...Object.fromEntries(Array.from({ length: 9999 }, (_, n) => [`x${n}`, n])),
      },
      {
        get: (target, key) => ((reads += 1), Reflect.get(target, key)),
        ownKeys: (target) => ((lists += 1), Reflect.ownKeys(target)),
      },
    );
    const names = Array.from({ length: MAX_FIELDS }, (_, index) => `f${index}`);
    const properties = Object.fromEntries(names.map((name) => [name, { $ref: '#/$defs/large', description: name }]));
    const { fields } = parseForm({ type: 'object', properties, $defs: { large } });
    expect(fields.map(({ title, kind, description }) => `${title} ${kind} ${description}`)).toEqual(
      names.map((name) => `Large text ${name}`),
    );
    expect(lists).toBe(0);
    expect(reads).toBeLessThan(10 * MAX_FIELDS);
  });

  it('stops reading a long list of types', () => {
    const type = Array.from({ length: 100_000 }, (_, index) => `t${index}`);
    const { fields } = parseForm({ type: 'object', properties: { a: { type } } });
    expect(fields).toMatchObject([{ kind: 'unsupported', reason: 'it does not have exactly one type' }]);
  });

  it('refuses too many fields, levels and choices, even in a schema that contains itself', () => {
    expect(allFields(parseForm(many(MAX_FIELDS)).fields)).toHaveLength(MAX_FIELDS);
    expect(() => parseForm(many(MAX_FIELDS + 1))).toThrow(/more than 100 fields/);
    expect(allFields(parseForm(nested(MAX_DEPTH + 1)).fields)).toHaveLength(MAX_DEPTH + 1);
    expect(() => parseForm(nested(MAX_DEPTH + 2))).toThrow(/more than 4 levels/);
    const choices = (length: number): object => ({
      type: 'object',
      properties: { a: { enum: Array.from({ length }, (_, index) => index) } },
    });
    expect(parseForm(choices(MAX_CHOICES)).fields).toHaveLength(1);
    expect(() => parseForm(choices(MAX_CHOICES + 1))).toThrow(/201 values/);
    const several = (count: number): object => ({
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: count }, (_, field) => [
          `f${field}`,
          { enum: Array.from({ length: MAX_CHOICES }, (_, n) => n) },
        ]),
      ),
    });
    expect(parseForm(several(MAX_ALL_CHOICES / MAX_CHOICES)).fields).toHaveLength(10);
    expect(() => parseForm(several(MAX_ALL_CHOICES / MAX_CHOICES + 1))).toThrow(/more than 2000 values/);
    const tree = {
      $ref: '#/$defs/Node',
      $defs: { Node: { type: 'object', properties: {} as Record<string, object> } },
    };
    for (let index = 0; index < 9; index += 1) tree.$defs.Node.properties[`n${index}`] = { $ref: '#/$defs/Node' };
    expect(() => parseForm(tree)).toThrow(FormSchemaError);
    const cyclic: Record<string, unknown> = { type: 'object' };
    cyclic['properties'] = { self: cyclic };
    expect(() => parseForm(cyclic)).toThrow(FormSchemaError);
  });

  it('truncates long titles, and ignores a long default', () => {
    const long = 'x'.repeat(100_000);
    const { fields } = parseForm({
      type: 'object',
      properties: { [long]: { type: 'string', description: long, default: long } },
    });
    expect(fields).toMatchObject([{ key: long, title: 'x'.repeat(500), description: 'x'.repeat(500), initial: '' }]);
  });
});

describe('readForm', () => {
  it('has typed values, without optional fields that are empty', () => {
    const inputs = { name: 'a', speed: '0.25', horn: false, mode: '1', 'arm.angle': '-1e1' };
    expect(read(SCHEMA, inputs)).toEqual({
      value: { name: 'a', speed: 0.25, horn: false, mode: 2, arm: { angle: -10 } },
      problems: new Map(),
    });
    expect(read(SCHEMA, { ...inputs, count: '3', mode: '2' }).value).toMatchObject({ count: 3, mode: null });
  });

  it('reports the problem of each field', () => {
    const problems = (inputs: Record<string, string | boolean>): string[] => [
      ...read(SCHEMA, inputs).problems.values(),
    ];
    expect(problems({})).toEqual(['Enter text', 'Enter a number from 0 to 1', 'Choose a value']);
    const rest = { name: 'a', mode: '0' };
    expect(problems({ ...rest, speed: '1.01' })).toEqual(['Enter a number from 0 to 1']);
    expect(problems({ ...rest, speed: '-0.01' })).toEqual(['Enter a number from 0 to 1']);
    expect(problems({ ...rest, speed: '0', count: '0' })).toEqual(['Enter a whole number of at least 1']);
    expect(problems({ ...rest, speed: '1', count: '1.5' })).toEqual(['Enter a whole number of at least 1']);
    expect(problems({ ...rest, speed: '1', mode: '3' })).toEqual(['Choose a value']);
    expect(problems({ ...rest, speed: 'Infinity', 'arm.angle': 'ten' })).toEqual([
      'Enter a number from 0 to 1',
      'Enter a number',
    ]);
  });
});
