import { GearwayError } from '../shared/errors.ts';
import { parseNetGearAddress } from './netgear/address.ts';
import { NetGearSource } from './sources/netgear-source.ts';
import { PushSource } from './sources/push-source.ts';
import type { Source } from './sources/source.ts';
import { parseTestPattern, TestPatternSource } from './sources/test-pattern-source.ts';

/**
 * Makes the source that a URL names.
 *
 * @throws {GearwayError} `source-invalid`, and what the parser of its kind throws.
 */
export function createSource(url: string, log: (message: string) => void): Source {
  const scheme = url.split(':', 1)[0];
  switch (scheme) {
    case 'test-pattern':
      return new TestPatternSource(parseTestPattern(url));
    case 'netgear':
      return new NetGearSource(parseNetGearAddress(url.slice('netgear:'.length)), log);
    case 'push':
      return new PushSource();
    default:
      throw new GearwayError('source-invalid', `source is ${JSON.stringify(url)}, expected test-pattern:, netgear:tcp://HOST:PORT?pattern=1 or push:`);
  }
}
