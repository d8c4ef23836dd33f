import { GearwayError } from '../../shared/errors.ts';
import { PEER_LIMITS, type Value } from '../../shared/protocol.ts';

/** Deepest nesting of lists and dicts. Python's own json gives up near 1000, our viewers' engines later. */
export const MAX_DEPTH = 64;

/** Most digits of an integer: above, Python's `int()` raises (sys.int_info.default_max_str_digits). */
export const MAX_DIGITS = 4300;

/** Elements that a list, a dict or a key counts as. */
const COSTLY_ELEMENTS = 4;

const MAX_INTEGER = 10n ** BigInt(MAX_DIGITS);

/** Where a member's value stands in the text of its object. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A JSON object with the place of each top-level value, so that one can be copied or replaced without touching the rest. */
export interface ParsedObject {
  readonly fields: { readonly [key: string]: Value };
  readonly spans: ReadonlyMap<string, Span>;
}

/**
 * Parses what Python's `json.dumps` writes: JSON and also `NaN`, `Infinity`, `-Infinity` and integers of any size.
 * Integers beyond 2^53 become bigint; everything else is as `JSON.parse` gives it.
 *
 * @param maxElements limits the work for text from an untrusted peer: a number, text, boolean or null is one element, a list, dict or key is four.
 * @throws {GearwayError} `json-invalid`, `json-too-deep`, `json-too-large`, `integer-too-long`.
 */
export function parsePythonJson(text: string, maxElements = Infinity): Value {
  const parser = new Parser(text, undefined, maxElements);
  const value = parser.value(0);
  parser.end();
  return value;
}

/** A float of Python's: for JavaScript 2.0 is 2. */
export class PythonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A value whose floats are told from its integers. */
export type TypedValue = null | boolean | number | bigint | string | PythonFloat | readonly TypedValue[] | { readonly [key: string]: TypedValue };

/** Parses as {@link parsePythonJson} does, with each float as a {@link PythonFloat}. */
export function parseTypedPythonJson(text: string): TypedValue {
  const parser = new Parser(text, (number) => new PythonFloat(number));
  const value = parser.value(0);
  parser.end();
  return value as TypedValue;
}

/**
 * Parses the object of an untrusted peer as {@link parsePythonJson} does and tells where each of its values is in the text.
 *
 * @throws {GearwayError} as {@link parsePythonJson} does; `json-too-large` for more elements than a browser may send.
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
  /** What a float becomes: itself, or a mark that is no {@link Value}, and is given its type where the parser is made. */
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
        return this.#text.startsWith('-Infinity', this.#at) ? this.#word('-Infinity', this.#float(-Infinity) as number) : this.#number();
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
      if (key === '__proto__') Object.defineProperty(fields, key, { value, enumerable: true, configurable: true, writable: true });
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
    if (count > MAX_DIGITS) throw new GearwayError('integer-too-long', `an integer has ${count} digits, Python reads at most ${MAX_DIGITS}`);
    return BigInt(digits);
  }

  #word<T extends Value>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error('a value');
    this.#at += word.length;
    return value;
  }

  #count(elements: number): void {
    this.#elements += elements;
    if (this.#elements > this.#maxElements) throw new GearwayError('json-too-large', `the JSON has more than ${this.#maxElements} elements (a number or text is one; a key, a list and a dict are ${COSTLY_ELEMENTS} each)`);
  }

  #nest(depth: number): void {
    this.#count(COSTLY_ELEMENTS - 1);
    if (depth >= MAX_DEPTH) throw new GearwayError('json-too-deep', `lists and dicts are nested deeper than ${MAX_DEPTH}`);
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
    return new GearwayError('json-invalid', `expected ${expected} at character ${this.#at} of the JSON, came ${came}`);
  }
}

/**
 * Most characters of a value's JSON. A value of few bytes can have a text without end: a viewer's MessagePack may give
 * one long key to thousands of maps, and a program may put the same list into itself twice, again and again.
 */
export const MAX_JSON_CHARACTERS = 8 << 20;

/**
 * Writes a value as Python's `json.dumps` does by default: `", "` and `": "`, ASCII escapes, `NaN`, floats as `repr`.
 * A number without fraction within 2^53 is an `int`, any other number and each {@link PythonFloat} a `float`. Keys that look like array indexes come
 * first, as in every JavaScript object; Python compares dicts without regard to order.
 *
 * @throws {GearwayError} `value-invalid` for what Python's JSON lacks, too deep nesting, or an integer of too many digits;
 * `too-large` for more than {@link MAX_JSON_CHARACTERS}.
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
        if (value >= MAX_INTEGER || value <= -MAX_INTEGER) throw invalid(`an integer has more than ${MAX_DIGITS} digits`);
        return this.#write(value.toString());
      case 'object':
        break;
      default:
        throw invalid(`a value is ${typeof value}, expected what Python's JSON can hold`);
    }
    if (value === null) return this.#write('null');
    if (value instanceof PythonFloat) return this.#write(Number.isSafeInteger(value.value) && !Object.is(value.value, -0) ? `${value.value}.0` : formatNumber(value.value));
    if (depth >= MAX_DEPTH) throw invalid(`lists and dicts are nested deeper than ${MAX_DEPTH}`);
    this.#count(2);
    return Array.isArray(value) ? this.#list(value, depth) : this.#dict(value, depth);
  }

  #list(list: readonly unknown[], depth: number): string {
    let text = '[';
    // By index: a hole counts as what it reads as, and is refused.
    for (let index = 0; index < list.length; index += 1) text += this.#separator(index) + this.format(list[index], depth + 1);
    return `${text}]`;
  }

  #dict(dict: object, depth: number): string {
    const prototype: unknown = Object.getPrototypeOf(dict);
    if (prototype !== Object.prototype && prototype !== null) throw invalid(`a value is ${className(prototype)}, expected what Python's JSON can hold`);
    let text = '{';
    let index = 0;
    for (const key of Object.keys(dict)) {
      text += this.#separator(index) + this.#write(`${formatString(key)}: `) + this.format((dict as Readonly<Record<string, unknown>>)[key], depth + 1);
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
    if (this.#charactersLeft < 0) throw new GearwayError('too-large', `a value takes more than ${MAX_JSON_CHARACTERS} characters of JSON`);
  }
}

/** Not `value.constructor.name`: the value's own fields come from outside. */
function className(prototype: unknown): string {
  const { constructor } = prototype as { constructor?: unknown };
  return typeof constructor === 'function' ? constructor.name : 'an object of a class';
}

function invalid(message: string): GearwayError {
  return new GearwayError('value-invalid', message);
}

/** Text that both languages write as it is. */
const PLAIN_TEXT = /^[ !#-[\]-~]*$/;

const HEX_DIGITS = Buffer.from('0123456789abcdef');

/** Bytes of an escape, `\u` and four digits. */
const ESCAPE_BYTES = 6;

function formatString(text: string): string {
  if (PLAIN_TEXT.test(text)) return `"${text}"`;
  // JSON.stringify agrees with Python but for characters outside printable ASCII, which Python escapes.
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
  // Both languages write the shortest digits that read back the same; they differ in when they use an exponent.
  const [mantissa = '', exponentText = '0'] = number.toExponential().split('e');
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`;
}
