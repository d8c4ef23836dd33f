import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explainJson } from '../../../../web/pages/console/json-fault.ts';
import { parseJsonText } from '../../../../web/pages/console/json-text.ts';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('explainJson', () => {
  it.each([
    ['{', /^Column 2: .*close the object/],
    ['{ "gripper": ', /^Column 14: write a value after ":"; the text ends here/],
    ['{ gripper: 1 }', /^Column 3: .*double quotes: "gripper"/],
    ["{ 'gripper': 1 }", /^Column 3: .*double quotes/],
    ['{ "a" 1 }', /^Column 7: write ":"/],
    ['{ "a": 1 "b": 2 }', /^Column 10: write ","/],
    ['{ "a": 1, }', /^Column 11: remove the ","/],
    ['[1, 2,]', /^Column 7: remove the ","/],
    ['[1 2]', /^Column 4: write ","/],
    ['{ "a": True }', /^Column 8: write true/],
    ['None', /^Column 1: write null/],
    ['stop', /^Column 1: .*"stop"/],
    ["'stop'", /^Column 1: .*double quotes/],
    ['01', /^Column 1: this is not a number/],
    ['.5', /^Column 1: this is not a number/],
    ['+1', /^Column 1: this is not a number/],
    ['1.', /^Column 1: this is not a number/],
    ['"a', /^Column 1: close this string/],
    ['"a\\x"', /^Column 3: .*backslash/],
    ['1 2', /^Column 3: only one value/],
    ['{\n  "a": 1,\n  "b" 2\n}', /^Line 3, column 7: write ":"/],
    ['{ "a": constructor }', /^Column 8: .*"constructor"/],
  ])('explains %j', (text, expected) => {
    expect(isJson(text)).toBe(false);
    expect(explainJson(text)).toMatch(expected);
  });

  it('reports an error for exactly the texts that are not JSON', () => {
    const fragment = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '1',
      '-',
      '0',
      '.',
      'e5',
      'true',
      'nul',
      ' ',
      '\n',
      '\\',
      '\\n',
      '\\u00e9',
      '\t',
      '\u0001',
      'é',
      "'",
    );
    const text = fc.oneof(
      fc.array(fragment, { maxLength: 12 }).map((parts) => parts.join('')),
      fc.json(),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        expect(explainJson(candidate) === null).toBe(isJson(candidate));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('parseJsonText', () => {
  it('accepts the typographic quotes that phones insert', () => {
    expect(parseJsonText('{ “gripper”: „close“ }')).toEqual({ value: { gripper: 'close' } });
  });

  it('keeps typographic quotes inside a string', () => {
    expect(parseJsonText('{ "say": "“hello”" }')).toEqual({ value: { say: '“hello”' } });
  });

  it('asks for a missing value', () => {
    expect(parseJsonText('  ')).toHaveProperty('error');
  });

  it('reports an error in a text that is nested too deeply for an explanation', () => {
    const deep = `${'['.repeat(2000)}“a”${']'.repeat(2000)}`;
    expect(parseJsonText(deep)).toHaveProperty('error');
  });
});
