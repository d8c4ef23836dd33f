import { GearwayError } from '../../shared/errors.ts';
import { formatPattern, type Pattern } from './pattern.ts';

/** NetGear's mutually exclusive modes, which both sides must share. */
export interface Modes {
  readonly pattern: Pattern;
  readonly multiclient: boolean;
  readonly multiserver: boolean;
  readonly bidirectional: boolean;
  /** Number of ports in the address. */
  readonly ports: number;
}

/**
 * Rejects the combinations that NetGear rejects with `ValueError`.
 *
 * @throws {GearwayError} `modes-invalid`.
 */
export function checkModes({ pattern, multiclient, multiserver, bidirectional, ports }: Modes): void {
  const number = formatPattern(pattern);
  if (multiclient && multiserver) throw invalid('multi-clients mode and multi-servers mode are mutually exclusive');
  if (multiclient && pattern === 'pair')
    throw invalid(`multi-clients mode needs pattern 1 or 2, pattern is ${number}: a PAIR socket has a single peer`);
  if (multiserver && pattern === 'pair')
    throw invalid(`multi-servers mode needs pattern 1 or 2, pattern is ${number}: a PAIR socket has a single peer`);
  if (bidirectional && pattern === 'publish-subscribe')
    throw invalid(`bidirectional mode needs pattern 0 or 1, pattern is ${number}: a subscriber has no way to answer`);
  if (ports > 1 && !multiclient && !multiserver) {
    throw invalid(`${ports} ports are given, expected 1: several ports require multi-clients or multi-servers mode`);
  }
}

function invalid(message: string): GearwayError {
  return new GearwayError('modes-invalid', message);
}
