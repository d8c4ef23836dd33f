import type { Value } from '../../../shared/protocol.ts';
import { explainJson } from './json-fault.ts';

/** Quotes that phone keyboards and word processors insert instead of `"`. */
const TYPOGRAPHIC_QUOTES = /[\u201c\u201d\u201e\u201f\u00ab\u00bb]/g;

/**
 * Reads a JSON value that a person has typed. Accepts typographic quotes if the text is not valid JSON otherwise.
 *
 * @returns the value, or an explanation of the error.
 */
export function parseJsonText(text: string): { readonly value: Value } | { readonly error: string } {
  if (text.trim() === '') return { error: 'Enter a JSON value, such as "stop" or {"speed": 0.2}' };
  try {
    // Accepts JSON that is nested too deeply for the explanation below; the gateway refuses it.
    return { value: JSON.parse(text) as Value };
  } catch {
    const straight = text.replaceAll(TYPOGRAPHIC_QUOTES, '"');
    const error = explainJson(straight);
    return error === null ? { value: JSON.parse(straight) as Value } : { error };
  }
}
