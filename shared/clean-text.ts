/** Default maximum length of a displayed text, in code points. */
const MAX_TEXT = 1000;

/** Maximum length of a name chosen by a peer, in code points. */
const MAX_NAME = 64;

/**
 * Characters that move the cursor, end a line, change the direction of the following text, or are invisible: control
 * and format characters (including bidirectional and zero-width ones), line and paragraph separators, lone surrogates,
 * invisible fillers, and all white space. Variation selectors, which are part of many emoji, are kept.
 */
const UNPRINTABLE =
  /(?:[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\s]|(?!\p{Variation_Selector})\p{Default_Ignorable_Code_Point})+/gu;

/**
 * Converts an untrusted text to one printable line, for logs, events, reasons and names: each run of unprintable
 * characters and white space becomes one space.
 *
 * @param maxLength in code points; longer texts are truncated and end with `…`.
 */
export function cleanText(text: string, maxLength = MAX_TEXT): string {
  // A code point has at most two UTF-16 code units. Twice as many leave space for removed characters.
  const clean = text
    .slice(0, maxLength * 4)
    .replaceAll(UNPRINTABLE, ' ')
    .trim();
  if (clean.length <= maxLength && text.length <= maxLength * 4) return clean;
  const points = Array.from(clean);
  return points.length > maxLength || text.length > maxLength * 4
    ? `${points.slice(0, maxLength - 1).join('')}…`
    : clean;
}

/** Quotes an untrusted name for error messages: cleaned, and truncated to 64 code points. */
export function quoteText(text: string): string {
  return JSON.stringify(cleanText(text, MAX_NAME));
}

/**
 * Formats the name and address of a client or a publisher: `phone (192.168.1.7)`, or only the address without a name.
 * The name is cleaned.
 */
export function formatLabel(name: string, address: string): string {
  const clean = cleanText(name, MAX_NAME);
  return clean === '' ? address : `${clean} (${address})`;
}
