/** Position and description of the first error in a text that is not JSON. */
interface Fault {
  /** Index of the first invalid character. */
  readonly at: number;
  readonly problem: string;
}

/** Deeper nesting is reported as a fault, because the scanner is recursive. */
const MAX_DEPTH = 500;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/uy;

/** Words that JSON lacks, and their replacements. */
const WORDS: Readonly<Record<string, string>> = {
  True: 'write true in lower case',
  False: 'write false in lower case',
  None: 'write null',
  undefined: 'write null',
  NaN: 'JSON has no NaN',
  Infinity: 'JSON has no Infinity',
};

/**
 * Explains in words why a text is not JSON: `Column 12: write a value after ":"`. The messages of browsers differ, and
 * use terms of their parsers.
 *
 * @returns null if the text is JSON.
 */
export function explainJson(text: string): string | null {
  const fault = new Scanner(text).scan();
  if (fault === null) return null;
  const before = text.slice(0, fault.at).split('\n');
  const column = (before.at(-1) ?? '').length + 1;
  return `${text.includes('\n') ? `Line ${before.length}, column` : 'Column'} ${column}: ${fault.problem}`;
}

/** Finds the first fault of a text, by the grammar of RFC 8259. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): Fault | null {
    const fault = this.#value('write a value', 0);
    if (fault !== null) return fault;
    this.#skipSpace();
    return this.#at === this.#text.length ? null : this.#fault('only one value is allowed; put several into [ ]');
  }

  /** @param expected advice if there is no value. */
  #value(expected: string, depth: number): Fault | null {
    if (depth > MAX_DEPTH) return this.#fault('the value is nested too deeply');
    this.#skipSpace();
    const character = this.#text[this.#at];
    switch (character) {
      case undefined:
        return this.#fault(`${expected}; the text ends here`);
      case '{':
        return this.#object(depth);
      case '[':
        return this.#list(depth);
      case '"':
        return this.#string();
      case "'":
        return this.#fault('write strings in double quotes: " instead of \'');
      default:
        return /[-\d.+]/.test(character) ? this.#number() : this.#word(expected);
    }
  }

  #object(depth: number): Fault | null {
    this.#at += 1;
    for (let isFirst = true; ; isFirst = false) {
      this.#skipSpace();
      if (isFirst && this.#take('}')) return null;
      const fault =
        this.#name(isFirst) ??
        this.#expect(':', 'write ":" after the name') ??
        this.#value('write a value after ":"', depth + 1);
      if (fault !== null) return fault;
      this.#skipSpace();
      if (this.#take('}')) return null;
      const missing = this.#expect(',', 'write "," before the next name, or close the object with "}"');
      if (missing !== null) return missing;
    }
  }

  #name(isFirst: boolean): Fault | null {
    const character = this.#text[this.#at];
    if (character === '"') return this.#string();
    if (character === '}' && !isFirst) return this.#fault('remove the "," before "}"');
    if (character === undefined) return this.#fault('close the object with "}"');
    if (character === "'") return this.#fault('write names in double quotes: " instead of \'');
    const [word] = this.#match(WORD) ?? [];
    return this.#fault(
      word === undefined ? 'write a name in double quotes' : `write the name in double quotes: "${word}"`,
    );
  }

  #list(depth: number): Fault | null {
    this.#at += 1;
    for (let isFirst = true; ; isFirst = false) {
      this.#skipSpace();
      if (this.#text[this.#at] === ']') {
        if (!isFirst) return this.#fault('remove the "," before "]"');
        this.#at += 1;
        return null;
      }
      const fault = this.#value(
        isFirst ? 'write a value, or close the list with "]"' : 'write a value after ","',
        depth + 1,
      );
      if (fault !== null) return fault;
      this.#skipSpace();
      if (this.#take(']')) return null;
      const missing = this.#expect(',', 'write "," before the next value, or close the list with "]"');
      if (missing !== null) return missing;
    }
  }

  #string(): Fault | null {
    const start = this.#at;
    for (this.#at += 1; ; this.#at += 1) {
      const character = this.#text[this.#at];
      if (character === '"') {
        this.#at += 1;
        return null;
      }
      if (character === undefined) return { at: start, problem: 'close this string with "' };
      if (character === '\n')
        return this.#fault('a string cannot continue on the next line; write \\n for a line break');
      if (character < ' ') return this.#fault('write control characters as \\t or \\u0000');
      if (character !== '\\') continue;
      const escape = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;
      escape.lastIndex = this.#at;
      const length = escape.exec(this.#text)?.[0].length;
      if (length === undefined) return this.#fault('write \\\\ for a backslash');
      this.#at += length - 1;
    }
  }

  #number(): Fault | null {
    const [digits] = this.#match(NUMBER) ?? [];
    if (digits === undefined) return this.#fault('this is not a number; write it like -0.5');
    const next = this.#text[this.#at + digits.length] ?? '';
    if (/[\d.\p{L}_]/u.test(next)) return this.#fault('this is not a number; write it like 12, -0.5 or 1e3');
    this.#at += digits.length;
    return null;
  }

  #word(expected: string): Fault | null {
    const [word] = this.#match(WORD) ?? [];
    if (word === undefined) return this.#fault(expected);
    if (word !== 'true' && word !== 'false' && word !== 'null') {
      return this.#fault(
        Object.hasOwn(WORDS, word) ? (WORDS[word] ?? '') : `write strings in double quotes: "${word}"`,
      );
    }
    this.#at += word.length;
    return null;
  }

  #expect(character: string, problem: string): Fault | null {
    this.#skipSpace();
    return this.#take(character) ? null : this.#fault(problem);
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text);
  }

  #skipSpace(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #fault(problem: string): Fault {
    return { at: this.#at, problem };
  }
}
