import { GearwayError } from '../shared/errors.ts';
import { type NetGearAddress, parseFlag, parseNetGearAddress } from './netgear/address.ts';
import { checkModes } from './netgear/modes.ts';
import { NetGearSource, type ReturnsMode } from './sources/netgear-source.ts';
import { PushSource } from './sources/push-source.ts';
import type { Source } from './sources/source.ts';
import { parseTestPattern, TestPatternSource } from './sources/test-pattern-source.ts';

/** A source and the name of the stream that it feeds. */
export interface NamedSource {
  readonly name: string;
  readonly source: Source;
}

/** The stream of a source that names none. */
const DEFAULT_NAME = 'main';

/**
 * Makes the sources that a URL names: one, or for servers in multi-servers mode one each.
 *
 * @throws {GearwayError} `source-invalid`, and what the parser of its kind throws.
 */
export function createSources(url: string, log: (message: string) => void): readonly NamedSource[] {
  const scheme = url.split(':', 1)[0];
  switch (scheme) {
    case 'test-pattern':
      return [{ name: DEFAULT_NAME, source: new TestPatternSource(parseTestPattern(url)) }];
    case 'netgear':
      return createNetGearSources(parseNetGearAddress(url.slice('netgear:'.length), ['allow', 'multiclient', 'multiserver', 'returns', 'capturedAt']), log);
    case 'push':
      return [{ name: DEFAULT_NAME, source: new PushSource() }];
    default:
      throw new GearwayError('source-invalid', `source is ${JSON.stringify(url)}, expected test-pattern:, netgear:tcp://HOST:PORT?pattern=1 or push:`);
  }
}

function createNetGearSources({ ports, endpoints, pattern, security, options }: NetGearAddress, log: (message: string) => void): readonly NamedSource[] {
  const multiclient = parseFlag(options, 'multiclient');
  const multiserver = parseFlag(options, 'multiserver');
  const returns = options.get('returns');
  checkModes({ pattern, multiclient, multiserver, bidirectional: returns !== undefined, ports: ports.length });
  if (returns !== undefined && returns !== 'merge' && returns !== 'newest') throw new GearwayError('option-invalid', `returns is ${JSON.stringify(returns)}, expected merge or newest`);
  if (returns !== undefined && multiclient) throw new GearwayError('option-invalid', `returns is ${returns} and multiclient is true: a server in multi-clients mode gets each client's data by itself, on its port`);
  const rest = { pattern, security, capturedAt: options.get('capturedAt') ?? null, log };
  const single = (index: number, mode: ReturnsMode): Source => new NetGearSource({ ...rest, returns: mode, endpoints: endpoints.slice(index, index + 1), ports: ports.slice(index, index + 1) });
  if (multiserver) return ports.map((port, index) => ({ name: port, source: single(index, returns ?? 'merge') }));
  // In pattern 2 every frame comes to every port, and nothing goes back: one port is enough, and there are no seats.
  if (multiclient && pattern === 'request-reply') return [{ name: DEFAULT_NAME, source: new NetGearSource({ ...rest, returns: 'seat', endpoints, ports }) }];
  return [{ name: DEFAULT_NAME, source: single(0, returns ?? 'merge') }];
}
