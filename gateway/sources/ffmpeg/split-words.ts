import { GearwayError } from '../../../shared/errors.ts';

/**
 * Splits a text at white space. Single or double quotes preserve white space and the other kind of quote; a backslash
 * is an ordinary character. The words are not passed through a shell.
 *
 * @throws {GearwayError} `source-invalid` for an unclosed quote.
 */
export function splitWords(text: string): readonly string[] {
  const words: string[] = [];
  let rest = text.trimStart();
  while (rest !== '') {
    const [match] = /^(?:[^\s'"]+|'[^']*'|"[^"]*")+(?=\s|$)/.exec(rest) ?? [];
    if (match === undefined) throw new GearwayError('source-invalid', `unclosed quote in ${JSON.stringify(rest)}`);
    words.push(
      match.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''),
    );
    rest = rest.slice(match.length).trimStart();
  }
  return words;
}
