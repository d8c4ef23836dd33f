import { GearwayError } from '../../shared/errors.ts';
import { PEER_LIMITS, type Value } from '../../shared/protocol.ts';

/** Maximum nesting of lists and dicts. Python's json fails near 1000, browsers later. */
export const MAX_DEPTH = 64;

/** Maximum digits of an integer; Python's `int()` raises an error for more (sys.int_info.default_max_str_digits). */
const MAX_DIGITS = 4300;

/** Cost of a list, a dict or a key, in elements. */
const COSTLY_ELEMENTS = 4;

const MAX_INTEGER = 10n ** BigInt(MAX_DIGITS);

/** Position of a member's value in the text of its object. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** A JSON object with the position of each top-level value, so that its text can be copied unmodified. */
export interface ParsedObject {
  readonly fields: { readonly [key: string]: Value };
  readonly spans: ReadonlyMap<string, Span>;
}

/**
 * Parses the output of Python's `json.dumps`: JSON, and also `NaN`, `Infinity`, `-Infinity` and integers of any size.
 * Integers beyond 2^53 become bigint; everything else is as in `JSON.parse`.
 *
 * @param maxElements limits the work for text from an untrusted peer: a number, string, boolean or null counts as one
 *   element; a list, a dict and a key count as four each.
 * @throws {GearwayError} `json-invalid`, `json-too-deep`, `json-too-large`, `integer-too-long`.
 */
export function parsePythonJson(text: string, maxElements = Infinity): Value {
  const parser = new Parser(text, undefined, maxElements);
  const value = parser.value(0);
  parser.end();
  return value;
}

/** A Python float: JavaScript does not distinguish 2.0 from 2. */
export class PythonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A value in which floats and integers are distinguished. */
export type TypedValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PythonFloat
  | readonly TypedValue[]
  | { readonly [key: string]: TypedValue };

/** Like {@link parsePythonJson}, but each float becomes a {@link PythonFloat}. */
export function parseTypedPythonJson(text: string): TypedValue {
  const parser = new Parser(text, (number) => new PythonFloat(number));
  const value = parser.value(0);
  parser.end();
  return value as TypedValue;
}

/**
 * Parses an object from an untrusted peer like {@link parsePythonJson}, and returns the position of each of its values.
 *
 * @throws {GearwayError} like {@link parsePythonJson}; `json-too-large` for more elements than a browser may send.
 */
export function parsePythonObject(text: string): ParsedObject {
  const parser = new Parser(text, undefined, PEER_LIMITS.elements);
  const spans = new Map<string, Span>();
  const fields = parser.object(0, spans);
  parser.end();
  return { fields, spans };
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const PLAIN_STRING = /"[^"\\\u0000-\u001f]*"/y;
const ANY_STRING = /"(?:[^"\\\u0000-\u001f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"/y;
const SPACE = /[ \t\n\r]*/y;

class Parser {
  readonly #text: string;
  /** Converts a float: returns it unchanged, or as a {@link PythonFloat}. */
  readonly #float: (number: number) => unknown;
  readonly #maxElements: number;
  #elements = 0;
  #at = 0;

  constructor(text: string, float: (number: number) => unknown = (number) => number, maxElements = Infinity) {
    this.#text = text;
    this.#float = float;
    this.#maxElements = maxElements;
  }

  value(depth: number): Value {
    this.#count(1);
    this.#space();
    switch (this.#text[this.#at]) {
      case '{':
        return this.object(depth);
      case '[':
        return this.#list(depth);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      case 'N':
        return this.#word('NaN', this.#float(NaN) as number);
      case 'I':
        return this.#word('Infinity', this.#float(Infinity) as number);
      default:
        return this.#text.startsWith('-Infinity', this.#at)
          ? this.#word('-Infinity', this.#float(-Infinity) as number)
          : this.#number();
    }
  }

  object(depth: number, spans?: Map<string, Span>): { [key: string]: Value } {
    this.#nest(depth);
    this.#space();
    this.#expect('{');
    const fields: { [key: string]: Value } = {};
    this.#space();
    if (this.#skip('}')) return fields;
    do {
      this.#space();
      const key = this.#string();
      this.#count(COSTLY_ELEMENTS);
      this.#space();
      this.#expect(':');
      this.#space();
      const start = this.#at;
      const value = this.value(depth + 1);
      spans?.set(key, { start, end: this.#at });
      // A plain assignment to `__proto__` would change the prototype.
      if (key === '__proto__')
        Object.defineProperty(fields, key, { value, enumerable: true, configurable: true, writable: true });
      else fields[key] = value;
      this.#space();
    } while (this.#skip(','));
    this.#expect('}');
    return fields;
  }

  end(): void {
    this.#space();
    if (this.#at !== this.#text.length) throw this.#error('the end');
  }

  #list(depth: number): Value[] {
    this.#nest(depth);
    this.#expect('[');
    const list: Value[] = [];
    this.#space();
    if (this.#skip(']')) return list;
    do {
      list.push(this.value(depth + 1));
      this.#space();
    } while (this.#skip(','));
    this.#expect(']');
    return list;
  }

  #string(): string {
    PLAIN_STRING.lastIndex = this.#at;
    if (PLAIN_STRING.test(this.#text)) {
      const start = this.#at + 1;
      this.#at = PLAIN_STRING.lastIndex;
      return this.#text.slice(start, this.#at - 1);
    }
    ANY_STRING.lastIndex = this.#at;
    if (!ANY_STRING.test(this.#text)) throw this.#error('a string');
    const start = this.#at;
    this.#at = ANY_STRING.lastIndex;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) throw this.#error('a value');
    this.#at = NUMBER.lastIndex;
    const digits = match[0];
    const number = Number(digits);
    if (match[1] !== undefined || match[2] !== undefined) return this.#float(number) as number;
    if (Number.isSafeInteger(number)) return number;
    const count = digits.length - (digits.startsWith('-') ? 1 : 0);
    if (count > MAX_DIGITS)
      throw new GearwayError('integer-too-long', `an integer has ${count} digits, Python reads at most ${MAX_DIGITS}`);
    return BigInt(digits);
  }

  #word<T extends Value>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error('a value');
    this.#at += word.length;
    return value;
  }

  #count(elements: number): void {
    this.#elements += elements;
    if (this.#elements > this.#maxElements)
      throw new GearwayError(
        'json-too-large',
        `the JSON has more than ${this.#maxElements} elements (a number or a string is one; a key, a list and a dict are ${COSTLY_ELEMENTS} each)`,
      );
  }

  #nest(depth: number): void {
    this.#count(COSTLY_ELEMENTS - 1);
    if (depth >= MAX_DEPTH)
      throw new GearwayError('json-too-deep', `lists and dicts are nested deeper than ${MAX_DEPTH}`);
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    SPACE.test(this.#text);
    this.#at = SPACE.lastIndex;
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #expect(character: string): void {
    if (!this.#skip(character)) throw this.#error(`"${character}"`);
  }

  #error(expected: string): GearwayError {
    const came = this.#at < this.#text.length ? JSON.stringify(this.#text.slice(this.#at, this.#at + 16)) : 'the end';
    return new GearwayError('json-invalid', `expected ${expected} at character ${this.#at} of the JSON, got ${came}`);
  }
}

/**
 * Maximum length of a value's JSON, in characters. The JSON of a small value can be very long: msgpackr's records let
 * thousands of maps share one long key, and a program can nest references to the same list.
 */
export const MAX_JSON_CHARACTERS = 8 << 20;

/**
 * Formats a value like Python's `json.dumps` by default: `", "` and `": "`, ASCII escapes, `NaN`, floats as `repr`.
 * Integers within 2^53 become `int`; other numbers and each {@link PythonFloat} become `float`. Keys that look like
 * array indexes come first, as in every JavaScript object; Python compares dicts regardless of order.
 *
 * @throws {GearwayError} `value-invalid` for types that JSON lacks, for nesting that is too deep, and for integers with
 *   too many digits; `too-large` beyond {@link MAX_JSON_CHARACTERS}.
 */
export function formatPythonJson(value: TypedValue): string {
  return new Formatter().format(value, 0);
}

class Formatter {
  #charactersLeft = MAX_JSON_CHARACTERS;

  format(value: unknown, depth: number): string {
    switch (typeof value) {
      case 'string':
        return this.#write(formatString(value));
      case 'number':
        return this.#write(formatNumber(value));
      case 'boolean':
        return this.#write(value ? 'true' : 'false');
      case 'bigint':
        if (value >= MAX_INTEGER || value <= -MAX_INTEGER)
          throw invalid(`an integer has more than ${MAX_DIGITS} digits`);
        return this.#write(value.toString());
      case 'object':
        break;
      default:
        throw invalid(`a value is ${typeof value}, expected a type that Python's JSON has`);
    }
    if (value === null) return this.#write('null');
    if (value instanceof PythonFloat)
      return this.#write(
        Number.isSafeInteger(value.value) && !Object.is(value.value, -0)
          ? `${value.value}.0`
          : formatNumber(value.value),
      );
    if (depth >= MAX_DEPTH) throw invalid(`lists and dicts are nested deeper than ${MAX_DEPTH}`);
    this.#count(2);
    return Array.isArray(value) ? this.#list(value, depth) : this.#dict(value, depth);
  }

  #list(list: readonly unknown[], depth: number): string {
    let text = '[';
    // Iterates by index, so that holes are visited: they read as undefined, which is refused.
    for (let index = 0; index < list.length; index += 1)
      text += this.#separator(index) + this.format(list[index], depth + 1);
    return `${text}]`;
  }

  #dict(dict: object, depth: number): string {
    const prototype: unknown = Object.getPrototypeOf(dict);
    if (prototype !== Object.prototype && prototype !== null)
      throw invalid(`a value is ${className(prototype)}, expected a type that Python's JSON has`);
    let text = '{';
    let index = 0;
    for (const key of Object.keys(dict)) {
      text +=
        this.#separator(index) +
        this.#write(`${formatString(key)}: `) +
        this.format((dict as Readonly<Record<string, unknown>>)[key], depth + 1);
      index += 1;
    }
    return `${text}}`;
  }

  #separator(index: number): string {
    return index === 0 ? '' : this.#write(', ');
  }

  #write(text: string): string {
    this.#count(text.length);
    return text;
  }

  #count(characters: number): void {
    this.#charactersLeft -= characters;
    if (this.#charactersLeft < 0)
      throw new GearwayError('too-large', `a value takes more than ${MAX_JSON_CHARACTERS} characters of JSON`);
  }
}

/** Does not use `value.constructor.name`, because the value's fields are untrusted. */
function className(prototype: unknown): string {
  const { constructor } = prototype as { constructor?: unknown };
  return typeof constructor === 'function' ? constructor.name : 'an object of a class';
}

function invalid(message: string): GearwayError {
  return new GearwayError('value-invalid', message);
}

/** Characters that need no escape in either language. */
const PLAIN_TEXT = /^[ !#-[\]-~]*$/;

const HEX_DIGITS = Buffer.from('0123456789abcdef');

/** Number of bytes of an escape: `\u` and four digits. */
const ESCAPE_BYTES = 6;

function formatString(text: string): string {
  if (PLAIN_TEXT.test(text)) return `"${text}"`;
  // JSON.stringify differs from Python only in characters outside printable ASCII, which Python escapes.
  return escapeUnprintable(JSON.stringify(text));
}

/** Escapes the characters outside printable ASCII. `String.replace` with a callback takes 20 times as long. */
function escapeUnprintable(json: string): string {
  let escapes = 0;
  for (let at = 0; at < json.length; at += 1) if (!isPrintable(json.charCodeAt(at))) escapes += 1;
  if (escapes === 0) return json;
  const bytes = Buffer.allocUnsafe(json.length + escapes * (ESCAPE_BYTES - 1));
  let end = 0;
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at);
    if (isPrintable(code)) {
      bytes[end] = code;
      end += 1;
      continue;
    }
    bytes[end] = 0x5c; // backslash
    bytes[end + 1] = 0x75; // u
    bytes[end + 2] = hexDigit(code >> 12);
    bytes[end + 3] = hexDigit(code >> 8);
    bytes[end + 4] = hexDigit(code >> 4);
    bytes[end + 5] = hexDigit(code);
    end += ESCAPE_BYTES;
  }
  return bytes.toString('latin1');
}

function isPrintable(code: number): boolean {
  return code >= 0x20 && code <= 0x7e;
}

/** The ASCII code of the hexadecimal digit of the lowest four bits. */
function hexDigit(value: number): number {
  return HEX_DIGITS[value & 15] ?? 0;
}

function formatNumber(number: number): string {
  if (Number.isNaN(number)) return 'NaN';
  if (!Number.isFinite(number)) return number > 0 ? 'Infinity' : '-Infinity';
  if (Object.is(number, -0)) return '-0.0';
  if (Number.isSafeInteger(number)) return String(number);
  // Both languages write the shortest digits that parse to the same number, but use exponents in different ranges.
  const magnitude = Math.abs(number);
  if (magnitude >= 1e-4 && magnitude < 1e16) return Number.isInteger(number) ? `${number}.0` : String(number);
  const [mantissa = '', exponentText = '0'] = number.toExponential().split('e');
  const exponent = Number(exponentText);
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}
