import { GearwayError } from '../../../shared/errors.ts';

/** Maximum length of the text that an error quotes. */
const MAX_QUOTED = 200;

/**
 * Splits a string at white space. Single or double quotes preserve white space and the other kind of quote; a backslash
 * is an ordinary character. The words are not passed through a shell.
 *
 * @throws {GearwayError} `source-invalid` for an unclosed quote.
 */
export function splitWords(text: string): readonly string[] {
  const words: string[] = [];
  let rest = text.trimStart();
  while (rest !== '') {
    // There is one way to match each string: a + within the group would take exponential time if a quote is not closed.
    const [match] = /^(?:[^\s'"]|'[^']*'|"[^"]*")+(?=\s|$)/.exec(rest) ?? [];
    if (match === undefined)
      throw new GearwayError('source-invalid', `unclosed quote in ${JSON.stringify(rest.slice(0, MAX_QUOTED))}`);
    words.push(
      match.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''),
    );
    rest = rest.slice(match.length).trimStart();
  }
  return words;
}
