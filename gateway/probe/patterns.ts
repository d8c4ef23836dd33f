import { formatPattern, type Pattern } from '../netgear/pattern.ts';
import { bad, good, type Report } from './finding.ts';

const PATTERNS: readonly Pattern[] = ['request-reply', 'pair', 'publish-subscribe'];

/**
 * Patterns to try: only the detected one, or all, beginning with that of the address, if encryption prevents the
 * detection.
 */
export function candidates(actual: Pattern | null, wanted: Pattern | null): readonly Pattern[] {
  if (actual !== null) return [actual];
  return wanted === null ? PATTERNS : [wanted, ...PATTERNS.filter((pattern) => pattern !== wanted)];
}

/** @param wanted the pattern in the address; null for none. */
export function reportPattern(wanted: Pattern | null, actual: Pattern, report: Report): void {
  const text = `It has pattern ${formatPattern(actual)} (${actual})`;
  if (wanted === null) report(good(`${text}.`));
  else if (wanted === actual) report(good(`${text}, as in the address.`));
  else report(bad(`${text}, but the address specifies pattern ${formatPattern(wanted)}: both sides need the same.`));
}
