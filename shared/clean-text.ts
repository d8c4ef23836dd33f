/** Maximum length of a text for people, in code points. */
const MAX_TEXT = 1000;

/** Maximum length of a name that somebody chose, in code points. */
const MAX_NAME = 64;

/**
 * Characters that move the cursor, end a line, change the direction of what follows, or cannot be seen: control and format characters (also the
 * bidirectional ones and zero-width ones), line and paragraph separators, halves of surrogate pairs, invisible fillers; and all white space. Variation
 * selectors, which are part of many emoji, are kept.
 */
const UNPRINTABLE = /(?:[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\s]|(?!\p{Variation_Selector})\p{Default_Ignorable_Code_Point})+/gu;

/**
 * Makes one printable line of a text from outside, for logs, events, reasons and names: every run of unprintable characters and white space becomes one
 * space.
 *
 * @param maxLength in code points; a longer text is cut, and ends with `…`.
 */
export function cleanText(text: string, maxLength = MAX_TEXT): string {
  // A code point has at most two units; twice that leaves room for what is removed.
  const clean = text.slice(0, maxLength * 4).replaceAll(UNPRINTABLE, ' ').trim();
  if (clean.length <= maxLength && text.length <= maxLength * 4) return clean;
  const points = Array.from(clean);
  return points.length > maxLength || text.length > maxLength * 4 ? `${points.slice(0, maxLength - 1).join('')}…` : clean;
}

/** A name from outside in quotes, for error messages: cleaned, and cut at 64 code points. */
export function quoteText(text: string): string {
  return JSON.stringify(cleanText(text, MAX_NAME));
}

/** Name and address of a client or a publisher for people: `phone (192.168.1.7)`, or the address alone. The name is cleaned. */
export function formatLabel(name: string, address: string): string {
  const clean = cleanText(name, MAX_NAME);
  return clean === '' ? address : `${clean} (${address})`;
}
