import { GearwayError } from '../../../shared/errors.ts';

/**
 * Splits a text at white space. Within single or double quotes it is part of a word, as the other kind of quote is; a backslash means
 * itself. No shell ever sees the words.
 *
 * @throws {GearwayError} `source-invalid` for a quote that does not end.
 */
export function splitWords(text: string): readonly string[] {
  const words: string[] = [];
  let rest = text.trimStart();
  while (rest !== '') {
    const [match] = /^(?:[^\s'"]+|'[^']*'|"[^"]*")+(?=\s|$)/.exec(rest) ?? [];
    if (match === undefined) throw new GearwayError('source-invalid', `a quote in ${JSON.stringify(rest)} does not end`);
    words.push(match.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''));
    rest = rest.slice(match.length).trimStart();
  }
  return words;
}
