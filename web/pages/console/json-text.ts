import type { Value } from '../../../shared/protocol.ts';
import { explainJson } from './json-fault.ts';

/** Quotes that keyboards of phones and word processors write instead of `"`. */
const TYPOGRAPHIC_QUOTES = /[\u201c\u201d\u201e\u201f\u00ab\u00bb]/g;

/**
 * Reads a value that a person has typed as JSON. Typographic quotes are accepted where the text is not JSON otherwise.
 *
 * @returns the value, or what is wrong, in words.
 */
export function parseJsonText(text: string): { readonly value: Value } | { readonly error: string } {
  if (text.trim() === '') return { error: 'Enter a JSON value, such as "stop" or {"speed": 0.2}' };
  try {
    return { value: JSON.parse(text) as Value };
  } catch {
    const straight = text.replaceAll(TYPOGRAPHIC_QUOTES, '"');
    const error = explainJson(straight);
    // A text that is nested too deeply for the explanation is JSON nevertheless, and the gateway refuses it.
    return error === null ? { value: JSON.parse(straight) as Value } : { error };
  }
}
