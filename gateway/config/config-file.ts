import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLMap,
} from 'yaml';
import { quoteText } from '../../shared/clean-text.ts';
import { errorText } from '../../shared/errors.ts';
import { redactorOfUrls } from '../sources/redactor.ts';
import { expandReferences, expandSecret, type References } from './expand.ts';
import type { Problem } from './problem.ts';
import { type Config, CONFIG_SCHEMA, describe, type SchemaNode } from './schema.ts';
import { suggest } from './suggest.ts';

/** Maximum size of a configuration file. */
export const MAX_CONFIG_BYTES = 256 << 10;

/**
 * Maximum nesting of lists and maps in one line, and maximum number of tokens. The parser recurses for each level: 8000
 * nested lists would abort the process.
 */
const MAX_DEPTH = 32;
const MAX_TOKENS = 20_000;

/** Maximum number of problems reported for a file. */
const MAX_PROBLEMS = 50;

/**
 * Checks of strings, by the `format` of the schema. Each throws an error whose message is a sentence without secrets.
 */
export type Formats = Readonly<Record<string, (text: string) => void>>;

/** A configuration file that was read. `config` is complete only if there are no problems. */
export interface ParsedConfig {
  readonly config: Config;
  /** Problems in the order of the file. */
  readonly problems: readonly Problem[];
  /** Whether a secret is written in the file itself. */
  readonly hasSecrets: boolean;
  /** The position of an option, or of the nearest option around it. */
  readonly locate: (path: readonly string[]) => { readonly line: number; readonly column: number };
}

/** Parses and checks a configuration file, and reads the files to which it refers. Never rejects. */
export async function parseConfig(bytes: Uint8Array, formats: Formats, references: References): Promise<ParsedConfig> {
  const decoded = decode(bytes);
  if ('problem' in decoded)
    return { config: {}, problems: [decoded.problem], hasSecrets: false, locate: () => ({ line: 1, column: 1 }) };
  const tooMuch = findExcess(decoded.text);
  if (tooMuch !== null)
    return { config: {}, problems: [tooMuch], hasSecrets: false, locate: () => ({ line: 1, column: 1 }) };
  const lines = new LineCounter();
  const document = parseDocument(decoded.text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: 'error',
  });
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const locate = (path: readonly string[]): { line: number; column: number } => at(offsetOf(document, path));
  const [syntax] = [...document.errors, ...document.warnings];
  if (syntax !== undefined)
    return {
      config: {},
      problems: [{ ...at(syntax.pos[0]), message: explainSyntax(syntax.code, syntax.message) }],
      hasSecrets: false,
      locate,
    };
  const checker = new Checker(document, formats, references, at);
  const config = (await checker.check()) as Config;
  return { config, problems: checker.problems, hasSecrets: checker.hasSecrets, locate };
}

function decode(bytes: Uint8Array): { readonly text: string } | { readonly problem: Problem } {
  const refuse = (message: string, line: number | null = null): { problem: Problem } => ({
    problem: { line, column: line === null ? null : 1, message },
  });
  if (bytes.byteLength > MAX_CONFIG_BYTES)
    return refuse(`the file has more than ${MAX_CONFIG_BYTES >> 10} KiB, the maximum`);
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))
    return refuse('the file is UTF-16, expected UTF-8; save it as UTF-8');
  const lineOf = (offset: number): number => bytes.subarray(0, offset).filter((byte) => byte === 0x0a).byteLength + 1;
  const nul = bytes.indexOf(0);
  if (nul >= 0) return refuse('there is a NUL character, expected text', lineOf(nul));
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return refuse('the file is not UTF-8; save it as UTF-8');
  }
}

/** Tokens of the lexer without text: the beginning of a document, of an error, and of a scalar. */
const MARKS: ReadonlySet<string> = new Set(['\u0002', '\u0018', '\u001f']);

/** Reason why parsing would take too much time or memory; null if there is none. */
function findExcess(text: string): Problem | null {
  let [tokens, offset, depth, indicators] = [0, 0, 0, 0];
  let previous = '';
  const problem = (message: string): Problem => {
    const before = text.slice(0, offset).split('\n');
    return { line: before.length, column: (before.at(-1) ?? '').length + 1, message };
  };
  for (const token of new Lexer().lex(text)) {
    tokens += 1;
    if (token.includes('\n')) indicators = 0;
    const isText = previous === '\u001f';
    previous = token;
    if (MARKS.has(token)) continue;
    if (!isText && (token === '[' || token === '{')) depth += 1;
    if (!isText && (token === ']' || token === '}')) depth -= 1;
    if (!isText && (token === '-' || token === '?')) indicators += 1;
    if (!isText && token.startsWith('*')) return problem(NO_ALIASES);
    if (depth + indicators > MAX_DEPTH) return problem(`lists or maps are nested more than ${MAX_DEPTH} deep`);
    if (tokens > MAX_TOKENS) return problem('the file has too many values');
    offset += token.length;
  }
  return null;
}

const NO_ALIASES = 'aliases (*name) are not supported; write the value itself, or text that begins with * in quotes';

/** Sentences for common errors of the parser, by its error codes. */
const SYNTAX: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'there is a tab in the indentation, expected spaces',
  BAD_INDENT: 'the indentation does not match the lines before',
  BLOCK_AS_IMPLICIT_KEY:
    'there are two values in one line; write text that ends with ":" or contains ": " in quotes, such as "push:"',
  MULTILINE_IMPLICIT_KEY: 'a line has no ": " between key and value',
  MULTIPLE_DOCS: 'there is a second document (---), expected one',
  TAG_RESOLVE_FAILED: 'there is an unknown tag (!name); write text that begins with ! in quotes',
  MISSING_CHAR: 'a quote, bracket or colon is missing',
};

function explainSyntax(code: string, message: string): string {
  return SYNTAX[code] ?? `this is not YAML: ${message.split('\n', 1)[0] ?? ''}`;
}

function offsetOf(document: Document.Parsed, path: readonly string[]): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => keyText(item.key) === key);
      if (pair === undefined) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : '';
}

/** Thrown when checking stops, after its problem was recorded. */
class Stop extends Error {}

class Checker {
  readonly problems: Problem[] = [];
  hasSecrets = false;
  readonly #document: Document.Parsed;
  readonly #formats: Formats;
  readonly #references: References;
  readonly #at: (offset: number) => { line: number; column: number };

  constructor(
    document: Document.Parsed,
    formats: Formats,
    references: References,
    at: (offset: number) => { line: number; column: number },
  ) {
    this.#document = document;
    this.#formats = formats;
    this.#references = references;
    this.#at = at;
  }

  async check(): Promise<unknown> {
    const { contents } = this.#document;
    // The file is empty, or contains only comments.
    if (contents === null || (isScalar(contents) && contents.value === null)) return {};
    try {
      return (await this.#visit(contents, CONFIG_SCHEMA, [])) ?? {};
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      return {};
    }
  }

  #report(offset: number, message: string): undefined {
    this.problems.push({ ...this.#at(offset), message });
    if (this.problems.length >= MAX_PROBLEMS) throw new Stop();
    return undefined;
  }

  /** @returns the value; undefined if a problem was reported. */
  async #visit(node: Node, schema: SchemaNode, path: readonly string[]): Promise<unknown> {
    const offset = node.range?.[0] ?? 0;
    const name = path.length === 0 ? 'the file' : path.join('.');
    const expected = describe(schema);
    if (isMap(node))
      return schema.type === 'object'
        ? this.#visitMap(node, schema, path)
        : this.#report(offset, `${name} is a map of keys, expected ${expected}`);
    if (isSeq(node)) {
      const { items } = schema;
      if (items === undefined) return this.#report(offset, `${name} is a list, expected ${expected}`);
      const values: unknown[] = [];
      for (const [index, item] of node.items.entries())
        values.push(await this.#visit(item as Node, items, [...path, String(index)]));
      return values;
    }
    if (!isScalar(node)) return this.#report(offset, `${name} has no value, expected ${expected}`);
    return this.#visitScalar(node.value, node.source ?? '', schema, name, offset);
  }

  async #visitMap(node: YAMLMap, schema: SchemaNode, path: readonly string[]): Promise<Record<string, unknown>> {
    // The object has no prototype, because a key may be `__proto__`.
    const result = Object.create(null) as Record<string, unknown>;
    const seen = new Map<string, number>();
    for (const { key, value } of node.items) {
      const offset = (key as Node | null)?.range?.[0] ?? node.range?.[0] ?? 0;
      const name = keyText(key);
      const firstAt = seen.get(name);
      if (firstAt !== undefined) {
        this.#report(
          offset,
          `the key ${quote(name)} occurs twice in ${placeOf(path)}, first in line ${this.#at(firstAt).line}`,
        );
        continue;
      }
      seen.set(name, offset);
      const child = this.#childSchema(name, schema, path, offset);
      if (child === null) continue;
      if (value === null || (isScalar(value) && value.value === null && (value.source ?? '') === '')) {
        this.#report(offset, `${[...path, name].join('.')} has no value, expected ${describe(child)}`);
        continue;
      }
      const read = await this.#visit(value as Node, child, [...path, name]);
      if (read !== undefined) result[name] = read;
    }
    const missing = (schema.required ?? []).find((key) => !seen.has(key));
    // A misspelled key has already been reported.
    const isMisspelled = [...seen.keys()].some((key) => suggest(key, [missing ?? '']) !== null);
    if (missing !== undefined && !isMisspelled)
      this.#report(offsetOf(this.#document, path), `${placeOf(path)} has no ${missing}, which is required`);
    const { maxProperties = Infinity } = schema;
    if (seen.size > maxProperties)
      this.#report(
        offsetOf(this.#document, path),
        `${placeOf(path)} has ${seen.size} keys, expected at most ${maxProperties}`,
      );
    return result;
  }

  /** @returns null if the key is not allowed and was reported. */
  #childSchema(
    name: string,
    { properties = {}, additionalProperties, propertyNames }: SchemaNode,
    path: readonly string[],
    offset: number,
  ): SchemaNode | null {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (known !== undefined) return known;
    if (typeof additionalProperties === 'object') {
      if (propertyNames === undefined || new RegExp(propertyNames.pattern).test(name)) return additionalProperties;
      const expected =
        path.at(-1) === 'streams'
          ? '1 to 64 letters, digits, - and _'
          : path.at(-1) === 'reservedPorts'
            ? 'a port number'
            : `a name that matches ${propertyNames.pattern}`;
      this.#report(offset, `the key ${quote(name)} in ${placeOf(path)} is invalid, expected ${expected}`);
      return null;
    }
    const names = Object.keys(properties);
    const similar = suggest(name, names) ?? names.find((key) => properties[key]?.flag?.name === name) ?? null;
    const hint =
      similar !== null ? `did you mean ${similar}?` : (this.#elsewhere(name) ?? `expected one of ${names.join(', ')}`);
    this.#report(offset, `${placeOf(path)} has the unknown key ${quote(name)}; ${hint}`);
    return null;
  }

  /** The correct position of a key that is known in another part of the file. */
  #elsewhere(name: string): string | null {
    const { streams } = CONFIG_SCHEMA.properties;
    if (Object.hasOwn(streams.additionalProperties.properties, name))
      return `it belongs to a stream: streams.NAME.${name}`;
    if (Object.hasOwn(CONFIG_SCHEMA.properties, name))
      return 'it belongs to the top level of the file, without indentation';
    return null;
  }

  async #visitScalar(
    value: unknown,
    source: string,
    schema: SchemaNode,
    name: string,
    offset: number,
  ): Promise<unknown> {
    const expected = describe(schema);
    const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? []);
    let actual = value;
    let isReferring = false;
    if (typeof value === 'string') {
      try {
        const expanded = await (schema.secret === true
          ? expandSecret(value, this.#references)
          : expandReferences(value, this.#references));
        ({ text: actual, isReferring } = expanded);
      } catch (error) {
        return this.#report(offset, `${name}: ${errorText(error)}`);
      }
      if (isReferring && types.includes('integer') && /^\d{1,9}$/.test(String(actual))) actual = Number(actual);
      if (isReferring && types.includes('boolean') && /^(?:true|false)$/.test(String(actual)))
        actual = actual === 'true';
    }
    if (schema.secret === true && !isReferring) this.hasSecrets = true;
    // A value from elsewhere may be a secret.
    const shown =
      schema.secret === true
        ? 'is not text'
        : isReferring
          ? 'has an invalid value'
          : `is ${quote(source === '' ? String(actual) : source)}`;
    if (schema.enum !== undefined)
      return schema.enum.includes(String(actual))
        ? actual
        : this.#report(offset, `${name} ${shown}, expected ${expected}${this.#enumHint(String(actual), schema.enum)}`);
    const fits =
      typeof actual === 'string'
        ? types.includes('string')
        : typeof actual === 'boolean'
          ? types.includes('boolean')
          : Number.isInteger(actual) && types.includes('integer');
    if (!fits) {
      const remedy =
        types.includes('string') && typeof value !== 'string'
          ? '; write it in quotes'
          : types.includes('integer') && /^\d+$/.test(String(value)) && typeof value === 'string' && !isReferring
            ? '; write it without quotes'
            : types.includes('object') && /^[\w-]+:[^/\s]/.test(String(value)) && !isReferring
              ? '; write a space after the colon'
              : '';
      return this.#report(offset, `${name} ${shown}, expected ${expected}${remedy}`);
    }
    if (typeof actual === 'number' && (actual < (schema.minimum ?? -Infinity) || actual > (schema.maximum ?? Infinity)))
      return this.#report(offset, `${name} ${shown}, expected ${expected}`);
    const text = typeof actual === 'number' && types.includes('string') ? String(actual) : actual;
    const check = schema.format === undefined ? undefined : this.#formats[schema.format];
    if (check !== undefined && typeof text === 'string') {
      try {
        check(text);
      } catch (error) {
        return this.#report(offset, `${name}: ${errorText(error)}`);
      }
    }
    return text;
  }

  #enumHint(text: string, words: readonly string[]): string {
    const similar = suggest(text, words);
    return similar === null ? '' : `; did you mean ${similar}?`;
  }
}

/** Quotes a key or a value. An address in the wrong place may contain a password. */
function quote(text: string): string {
  return quoteText(redactorOfUrls([text]).hide(text));
}

function placeOf(path: readonly string[]): string {
  return path.length === 0 ? 'the file' : path.join('.');
}
