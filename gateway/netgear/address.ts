import { GearwayError } from '../../shared/errors.ts';
import { type Pattern, parsePattern } from './pattern.ts';

/** Where a NetGear peer is, as `tcp://HOST:PORT?pattern=1` says it. */
export interface NetGearAddress {
  /** What ZeroMQ binds or connects to: `tcp://HOST:PORT`. */
  readonly endpoint: string;
  /** The port as typed: a peer's identity. */
  readonly port: string;
  readonly pattern: Pattern;
  /** Further `?key=value` options. */
  readonly options: ReadonlyMap<string, string>;
}

/**
 * Parses an address.
 *
 * @param known the option names besides `pattern` that have a meaning here.
 * @throws {GearwayError} `address-invalid`, `pattern-unknown`.
 */
export function parseNetGearAddress(text: string, known: readonly string[] = []): NetGearAddress {
  const match = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.*_-]+):(\d{1,5})(?:\?(.*))?$/.exec(text);
  const port = match?.[2] ?? '';
  if (match === null || Number(port) < 1 || Number(port) > 65_535) {
    throw new GearwayError('address-invalid', `address is ${JSON.stringify(text)}, expected tcp://HOST:PORT?pattern=1`);
  }
  const options = new Map(new URLSearchParams(match[3] ?? ''));
  const pattern = parsePattern(options.get('pattern') ?? '1');
  options.delete('pattern');
  for (const key of options.keys()) {
    if (!known.includes(key)) {
      const allowed = ['pattern', ...known].join(', ');
      throw new GearwayError('address-invalid', `address ${text} has the option ${JSON.stringify(key)}, expected one of ${allowed}`);
    }
  }
  return { endpoint: `tcp://${match[1]}:${port}`, port, pattern, options };
}
